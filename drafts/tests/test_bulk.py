"""Importing from an archive, with real processes: web, worker, and the runner of bulk imports."""

import io
import json
from typing import Any

import pytest

from config.celery import app
from config.tests.openapi import event_faults
from config.tests.stack import Member, Stack, wait_until
from conversations.models import Conversation, Run
from drafts.archives import path_of
from drafts.models import Archive, ArchiveEntry, DraftVersion
from drafts.services import FAILED_TITLE
from integrations.tests.fixtures.archives import chat, export, zipped

EMPTY = chat(0, mapping={}, current_node=None, title="Nothing said")


@pytest.fixture(autouse=True)
def bulk(stack: Stack) -> None:
    stack.start_bulk()


def upload(member: Member, data: bytes, name: str = "export.zip", **options: Any) -> dict[str, Any]:
    answer = member.http.post("/api/imports", files={"file": (name, data)}, **options)
    assert answer.status_code == 202, answer.text
    taken: dict[str, Any] = answer.json()
    return taken


def listed(member: Member, data: bytes, name: str = "export.zip") -> dict[str, Any]:
    """The archive when a worker has listed it, or has failed to."""
    path = f"/api/imports/{upload(member, data, name)['id']}"
    wait_until(lambda: member.get(path).json()["state"] in {"ready", "failed"}, 30)
    page: dict[str, Any] = member.get(path).json()
    return page


def start(member: Member, archive: dict[str, Any], **fields: Any) -> list[dict[str, Any]]:
    body = ({} if "entries" in fields else {"all": True}) | fields
    return member.events(f"/api/imports/{archive['id']}/start", body)


def results(events: list[dict[str, Any]]) -> dict[int, tuple[str, str]]:
    return {event["key"]: (event["status"], event["reason"]) for event in events if event["type"] == "result"}


def test_it_lists_first_and_imports_what_is_chosen(stack: Stack) -> None:
    alice = stack.client()
    archive = listed(alice, zipped({"conversations.json": export(1, 2, 3), "user.json": b'{"email": "a@b.c"}'}))
    assert (archive["state"], archive["conversations"], archive["unreadable"]) == ("ready", 3, 0)
    assert [(entry["key"], entry["title"], entry["messages"]) for entry in archive["entries"]] == [
        (0, "Chat 1", 2),
        (1, "Chat 2", 2),
        (2, "Chat 3", 2),
    ]
    assert alice.get("/api/conversations").json()["conversations"] == []
    events = start(alice, archive, entries=[2, 0])
    assert [event["type"] for event in events] == ["run", "state", "result", "result", "progress", "done"]
    assert event_faults("ArchiveEvent", events) == []
    assert results(events) == {0: ("created", ""), 2: ("created", "")}
    assert events[-1]["results"] == {"created": 2}
    assert (events[-2]["phase"], events[-2]["current"], events[-2]["total"]) == ("importing", 2, 2)
    stored = alice.get(f"/api/conversations/{events[2]['conversation_id']}").json()
    assert (stored["title"], stored["source"]) == ("Chat 1", "chatgpt")
    assert stored["import_report"]["messages"] == 2
    assert alice.get(f"/api/conversations/{stored['id']}/project-draft").status_code == 404
    page = alice.get(f"/api/imports/{archive['id']}").json()
    assert page["state"] == "ready"
    assert [entry["conversation_id"] is not None for entry in page["entries"]] == [True, False, True]


def test_it_lists_what_is_wrong_with_single_conversations_and_imports_the_others(stack: Stack) -> None:
    alice = stack.client()
    data = json.dumps([chat(1), EMPTY, {"title": "no mapping"}, chat(2)]).encode()[:-1] + b', {"a": }]'
    archive = listed(alice, data, "conversations.json")
    assert [entry["error_code"] for entry in archive["entries"]] == [
        None,
        "no_messages",
        "unknown_format",
        None,
        "damaged",
    ]
    events = start(alice, archive)
    assert results(events) == {
        0: ("created", ""),
        1: ("skipped", "no_messages"),
        2: ("failed", "unknown_format"),
        3: ("created", ""),
        4: ("failed", "damaged"),
    }
    assert events[-1]["results"] == {"created": 2, "failed": 2, "skipped": 1}


def test_an_export_of_later_updates_and_doubles_nothing(stack: Stack) -> None:
    alice = stack.client()
    start(alice, listed(alice, export(1, 2)))
    later = json.dumps([chat(1), chat(2, words=6), chat(3)]).encode()
    archive = listed(alice, zipped({"conversations-000.json": later}))
    assert [entry["conversation_id"] for entry in archive["entries"]] == [1, 2, None]
    events = start(alice, archive)
    assert results(events) == {0: ("unchanged", ""), 1: ("updated", ""), 2: ("created", "")}
    assert len(alice.get("/api/conversations").json()["conversations"]) == 3


def test_it_writes_drafts_one_after_another_if_asked_to(stack: Stack) -> None:
    alice = stack.client()
    archive = listed(alice, export(1, 2, 3))
    events = start(alice, archive, generate_drafts=True, llm_provider="openai", llm_model="gpt-4o")
    assert [event["state"] for event in events if event["type"] == "state"] == ["importing", "generating"]
    told = [(event["current"], event["total"]) for event in events if event.get("phase") == "generating"]
    assert told == [(0, 3), (1, 3), (2, 3), (3, 3)]
    for number in (1, 2, 3):
        draft = alice.get(f"/api/conversations/{number}/project-draft").json()["project_draft"]
        assert draft["active_version"]["title"] == "Made up"
        assert draft["active_version"]["version_number"] == 1
    run = alice.get(f"/api/runs/{events[0]['run_id']}").json()
    assert (run["kind"], run["state"], run["conversation_id"]) == ("bulk", "done", None)
    assert run["usage"]["input_tokens"] > 0


def test_it_stops_writing_drafts_when_the_model_fails_again_and_again(stack: Stack) -> None:
    alice = stack.client()
    archive = listed(alice, export(*range(1, 8)))
    stack.outside.refuse_everything = True
    try:
        events = start(alice, archive, generate_drafts=True, llm_provider="openai", llm_model="gpt-4o")
    finally:
        stack.outside.refuse_everything = False
    assert (events[-1]["type"], events[-1]["code"]) == ("error", "provider_refused")
    assert DraftVersion.objects.filter(title=FAILED_TITLE).count() == 3
    assert Conversation.objects.count() == 7
    page = alice.get(f"/api/imports/{archive['id']}").json()
    assert (page["state"], page["results"]) == ("ready", {"created": 7})


def test_it_can_be_cancelled_and_gone_on_with(stack: Stack) -> None:
    alice = stack.client()
    archive = listed(alice, export(*range(700), words=200))
    path = f"/api/imports/{archive['id']}/start"
    with alice.opened("POST", path, json={"all": True}) as (response, events):
        seen = [next(events) for _ in range(30)]
        assert alice.post(f"/api/runs/{response.headers['x-run-id']}/cancel").status_code == 202
        seen += list(events)
    assert seen[-1]["type"] == "cancelled"
    taken = Conversation.objects.count()
    assert 0 < taken < 700
    page = alice.get(f"/api/imports/{archive['id']}").json()
    assert (page["state"], page["results"]) == ("ready", {"created": taken})
    assert start(alice, archive)[-1]["results"] == {"created": 700 - taken, "unchanged": taken}


def test_a_runner_that_is_killed_loses_and_doubles_nothing(stack: Stack) -> None:
    alice = stack.client()
    archive = listed(alice, export(*range(600), words=200))
    path = f"/api/imports/{archive['id']}/start"
    with alice.opened("POST", path, json={"all": True}) as (response, events):
        seen = [next(events) for _ in range(60)]
        stack.kill("bulk")
        stack.start_bulk()
        seen += list(events)
    assert seen[-1]["results"] == {"created": 600}
    assert results(seen) == dict.fromkeys(range(600), ("created", ""))
    assert Run.objects.get(pk=response.headers["x-run-id"]).fence == 2
    assert Conversation.objects.count() == 600
    ids = Conversation.objects.values_list("source_id", flat=True)
    assert len(set(ids)) == 600
    assert ArchiveEntry.objects.filter(result="created", conversation__isnull=False).count() == 600


def test_a_worker_that_is_killed_loses_and_doubles_nothing(stack: Stack) -> None:
    alice = stack.client()
    archive = upload(alice, export(*range(4000), words=200))
    wait_until(lambda: Archive.objects.get().listed > 0, 20)
    stack.kill("worker")
    assert Archive.objects.get().state == "reading"
    before = Archive.objects.get().listed
    assert before < 4000
    stack.start_bulk()

    def is_ready() -> bool:
        app.send_task("drafts.tasks.read_waiting_archives")  # as beat does
        return bool(Archive.objects.get().state == "ready")

    wait_until(is_ready, 40)
    row = Archive.objects.get()
    assert (row.listed, row.fence) == (4000, 2)
    assert list(row.entries.order_by("position").values_list("position", flat=True)) == list(range(4000))
    assert alice.get(f"/api/imports/{archive['id']}").json()["unreadable"] == 0


def test_an_upload_reaches_its_worker_when_redis_was_away(stack: Stack) -> None:
    """Nothing but the row says that there is work."""
    alice = stack.client()
    archive = listed(alice, export(1))
    Archive.objects.update(state="uploaded", listed=0)
    ArchiveEntry.objects.all().delete()
    app.send_task("drafts.tasks.read_waiting_archives")
    wait_until(lambda: alice.get(f"/api/imports/{archive['id']}").json()["state"] == "ready")


def test_a_file_that_is_gone_fails_the_run_and_nothing_else(stack: Stack) -> None:
    alice = stack.client()
    archive = listed(alice, export(1))
    path_of(Archive.objects.get().id).unlink()
    events = start(alice, archive)
    assert (events[-1]["type"], events[-1]["code"]) == ("error", "file_gone")
    assert alice.get(f"/api/imports/{archive['id']}").json()["state"] == "ready"


def test_a_single_conversation_in_an_archive_is_a_file_like_any_other(stack: Stack) -> None:
    alice = stack.client()
    for numbers, status in (([1], 200), ([1, 2], 422)):
        file = io.BytesIO(zipped({"conversations.json": export(*numbers), "user.json": b"{}"}))
        answer = alice.http.post("/api/conversations/import-file", files={"file": ("export.zip", file)})
        assert answer.status_code == status
    assert answer.json()["code"] == "several_conversations"
    assert "/api/imports" in answer.json()["detail"]
    assert alice.get("/api/conversations/1").json()["title"] == "Chat 1"

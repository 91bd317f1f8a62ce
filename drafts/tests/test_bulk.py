"""Importing from an archive, with real processes: web, worker, and the runner of bulk imports."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from config.tests.stack import Member, Stack, wait_until
from conversations.models import Conversation, Run
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

"""What was deleted is nowhere: no route tells or changes anything of it, as if it were gone, until it is restored."""

import json
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from accounts.models import User
from config.tests.api_routes import Route, api_routes, check_refused, send
from config.tests.contents import contents
from config.tests.making import make_archive, make_conversation, make_draft, make_file, make_run
from config.tests.test_access_matrix import CANARY, everything_of
from conversations import services
from conversations.models import Conversation, DashboardRow, Run
from conversations.runs.handlers import RunFailed
from conversations.runs.snapshots import load_snapshots
from drafts import archives, import_flow, slack_import
from drafts.events import terminal_of
from drafts.models import ArchiveEntry
from integrations.importers.base import ImportedChat, ImportedMessage
from search.tests.index import index_all

NAMING = {"conversation_id", "file_id", "run_id"}
RESTORE = "POST /api/conversations/{conversation_id}/restore"
ABOUT_IT = [route for route in api_routes() if NAMING & set(route.parameters) and str(route) != RESTORE]
LISTS = {
    "GET /api/conversations": "",
    "GET /api/runs": "?state=all",
    "GET /api/search": f"?q={CANARY}",
    "GET /api/imports": "",
    "GET /api/imports/{import_id}": "",
}
OTHERS = {
    RESTORE: "is how it comes back",
    "GET /api/search/similar": "names it in the query, see below",
    "POST /api/conversations/import": "finds it not, see below",
    "POST /api/conversations/import-file": "as above",
    "POST /api/conversations/import-slack": "as above",
    "POST /api/imports": "names no conversation",
    "POST /api/imports/{import_id}/start": "as the imports above",
    "DELETE /api/imports/{import_id}": "deletes the archive alone",
    "GET /api/integrations": "names no conversation",
}
NO_CONVERSATIONS = ("/api/auth/", "/api/llm-")
THREAD = [{"user": "U1", "text": "Can we measure the tide?", "ts": "1700000000.000100"}]


@pytest.fixture
def ids(folder: Any, alice: User) -> dict[str, Any]:
    """What leads to a conversation that has everything a conversation can have, indexed, and deleted."""
    ids = everything_of(alice)
    ArchiveEntry.objects.update(result="created", conversation=ids["conversation_id"])
    index_all()
    services.delete(user=alice, conversation_id=ids["conversation_id"])
    return ids


def restore(client: Client, ids: dict[str, Any]) -> None:
    assert client.post(f"/api/conversations/{ids['conversation_id']}/restore").status_code == 200


# ── Routes ────────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("route", ABOUT_IT, ids=str)
def test_every_route_answers_as_if_it_were_gone(
    alices: Client, bobs: Client, olivias: Client, ids: dict[str, Any], route: Route
) -> None:
    before = contents()
    for client in (alices, bobs, olivias):
        there = check_refused(send(client, route, ids), 404)
        gone = check_refused(send(client, route, ids | {"conversation_id": 10**9}), 404)
        assert CANARY not in json.dumps(there)
        assert there["code"] == gone["code"]
    assert contents() == before


@pytest.mark.parametrize("name", LISTS)
def test_no_list_names_it(alices: Client, olivias: Client, ids: dict[str, Any], name: str) -> None:
    route = next(route for route in api_routes() if str(route) == name)
    number = str(ids["conversation_id"])
    for client in (alices, olivias) if name != "GET /api/imports/{import_id}" else (alices,):
        answer = client.get(route.path(ids) + LISTS[name])
        assert answer.status_code == 200
        assert f'"conversation_id":{number}' not in answer.content.decode()
        if "imports" not in name:
            assert answer.json().get("total_count", 0) == 0
            assert CANARY not in answer.content.decode().replace(f'"query":"{CANARY}"', "")
    restore(alices, ids)
    if name not in {"GET /api/runs", "GET /api/imports"}:
        assert CANARY in alices.get(route.path(ids) + LISTS[name]).content.decode()


def test_it_knows_of_every_route() -> None:
    """A new route has to take its place in one of the tables above."""
    elsewhere = {str(route) for route in api_routes() if route.template.startswith(NO_CONVERSATIONS)}
    known = {str(route) for route in ABOUT_IT} | LISTS.keys() | OTHERS.keys()
    assert {str(route) for route in api_routes()} - elsewhere == known
    assert len(ABOUT_IT) >= 25


def test_nothing_is_similar_to_it_or_it_to_anything(alices: Client, alice: User, ids: dict[str, Any]) -> None:
    other = make_conversation(alice, CANARY, imported_chat=[{"role": "user", "content": CANARY}])
    index_all()
    similar = "/api/search/similar?conversation_id="
    check_refused(alices.get(f"{similar}{ids['conversation_id']}"), 404)
    assert alices.get(f"{similar}{other.pk}").json()["results"] == []
    restore(alices, ids)
    assert [row["conversation_id"] for row in alices.get(f"{similar}{other.pk}").json()["results"]] == [
        ids["conversation_id"]
    ]


@pytest.mark.parametrize("q", [CANARY, "Ruritanja", "https://example.org/Ruritania", '"Ruritania"'])
def test_search_finds_it_again_as_soon_as_it_is_restored(alices: Client, ids: dict[str, Any], q: str) -> None:
    def found() -> tuple[set[int], int]:
        body = alices.get("/api/search", {"q": q}).json()
        return {hit["conversation_id"] for hit in body["results"]}, body["total_count"]

    assert found() == (set(), 0)
    restore(alices, ids)
    hits, count = found()
    assert (hits, count > 0) == ({ids["conversation_id"]}, True)


def test_a_link_to_a_file_that_was_given_before_leads_nowhere(
    folder: Any, alice: User, alices: Client, client: Client
) -> None:
    file = make_file(make_conversation(alice))
    path = f"/api/conversations/files/{file.pk}"
    links = [alices.get(f"{path}/{what}")["Location"] for what in ("download", "thumbnail")]
    assert [client.get(link).status_code for link in links] == [200, 200]
    services.delete(user=alice, conversation_id=file.conversation_id)
    for link in links:
        assert check_refused(client.get(link), 404)["code"] == "not_found"
    restore(alices, {"conversation_id": file.conversation_id})
    assert client.get(links[0]).getvalue() == b"light"
    file.delete()
    check_refused(client.get(links[0]), 404)  # though the object is not swept yet


def test_an_answer_that_was_given_before_is_not_given_again(alice: User, alices: Client) -> None:
    draft = make_draft(make_conversation(alice), "One", "Two")
    first = draft.versions.earliest("version_number")
    step = {"approval": {"draft_version_id": draft.active_version_id}, "asked_for": "0.0"}
    waiting = make_run(alice, draft.conversation, state=Run.State.WAITING, step=step)
    base = f"/api/conversations/{draft.conversation_id}/project-draft"
    asked: list[tuple[str, Any]] = [
        (f"/api/runs/{waiting.id}/approve", {"approve": False}),
        (f"{base}/versions/{first.pk}/activate", {}),
        (f"{base}/generate", {}),
    ]

    def ask(number: int) -> Any:
        path, body = asked[number]
        return alices.post(path, body, content_type="application/json", headers={"Idempotency-Key": str(number)})

    assert [[ask(number).status_code for _ in range(2)] for number in range(3)] == [[200, 200]] * 3
    services.delete(user=alice, conversation_id=draft.conversation_id)
    assert [ask(number).status_code for number in range(3)] == [404, 404, 404]


# ── Importing the same chat ───────────────────────────────────────────────────────────────────────────────────────────


def chat(title: str = "A lighthouse", source_id: str = "") -> ImportedChat:
    messages = (ImportedMessage("user", "Build a lighthouse."),)
    return ImportedChat("chatgpt", "test/1", title, messages, source_id=source_id, source_url="https://example.org/1")


def test_an_import_of_the_same_chat_makes_another(alice: User, alices: Client) -> None:
    here = services.create_from_chat(user=alice, chat=chat(source_id="s1"))
    archive = make_archive(alice, "s1")
    entries = list(archive.entries.all())
    payload = {"duplicate_resolution": "prompt", "target_conversation_id": here.pk}
    run = make_run(alice, kind=Run.Kind.IMPORT, state=Run.State.RUNNING, payload=payload)
    with pytest.raises(import_flow.Refused):
        import_flow.refuse_duplicate(run, here.url)
    assert archives.imported(user=alice, entries=entries) == {entries[0].pk: here.pk}
    services.delete(user=alice, conversation_id=here.pk)
    import_flow.refuse_duplicate(run, here.url)
    assert archives.imported(user=alice, entries=entries) == {}
    assert not services.with_url(user=alice, url=here.url).exists()
    assert not services.same_chat(user=alice, chat=chat(source_id="s1")).exists()
    run.payload["duplicate_resolution"] = "update_existing"
    with pytest.raises(RunFailed):
        import_flow.refuse_duplicate(run, here.url)


def test_slack_is_not_told_that_it_exists(alice: User, alices: Client) -> None:
    first = slack_import.import_thread(user=alice, messages=THREAD)
    assert slack_import.import_thread(user=alice, messages=THREAD) == (first.conversation_id, False)
    services.delete(user=alice, conversation_id=first.conversation_id)
    second = slack_import.import_thread(user=alice, messages=THREAD)
    assert (second.is_new, second.conversation_id > first.conversation_id) == (True, True)
    restore(alices, {"conversation_id": first.conversation_id})  # then there are two
    assert Conversation.objects.kept().count() == 2


def test_a_question_that_an_import_asked_names_it_no_more(alice: User) -> None:
    here, other = make_conversation(alice), make_conversation(alice, "Another")
    found = [{"id": row.pk, "title": row.title, "url": row.url, "updated_at": "now"} for row in (here, other)]
    run = make_run(alice, kind=Run.Kind.IMPORT, error_code="conflict", result={"conversations": found})
    services.delete(user=alice, conversation_id=here.pk)
    assert terminal_of(run).data()["conversations"] == found[1:]


# ── Elsewhere ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_streams_are_told_that_its_runs_are_gone(alice: User, ids: dict[str, Any]) -> None:
    other = make_run(alice, make_conversation(alice), state=Run.State.RUNNING)
    alone = make_run(alice, kind=Run.Kind.IMPORT, state=Run.State.QUEUED)
    asked = {str(run_id) for run_id in (ids["run_id"], other.id, alone.id)}
    assert load_snapshots(asked).keys() == {str(other.id), str(alone.id)}


def test_the_dashboard_leaves_it_out(alices: Client, ids: dict[str, Any]) -> None:
    assert not DashboardRow.objects.exists()
    restore(alices, ids)
    assert DashboardRow.objects.get().title == CANARY


def test_a_page_of_the_list_is_full_however_many_were_deleted(alice: User, alices: Client) -> None:
    now = timezone.now()
    rows = [make_conversation(alice, f"{number}", updated_at=now - timedelta(days=number)) for number in range(60)]
    fields = {"deleted_at": now, "deleted_by_user": alice}
    Conversation.objects.filter(pk__in=[row.pk for row in rows[:50]]).update(**fields)
    page = alices.get("/api/conversations?limit=5").json()["conversations"]
    assert [row["title"] for row in page] == ["50", "51", "52", "53", "54"]

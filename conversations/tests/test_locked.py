"""Nothing of a locked conversation can be changed, by any route: the tables are made from the URL configuration."""

from typing import Any

import pytest
from django.test import Client

from config.exceptions import Conflict
from config.tests.api_routes import FORMS, Route, api_routes, check_refused, row_counts, send
from config.tests.making import make_conversation, make_draft, make_file, make_run, make_turn
from conversations.models import Conversation, Run
from drafts import import_flow, services
from drafts.models import ProjectDraft
from integrations.importers.base import ImportedChat, ImportedMessage

ALL_WRITES = [route for route in api_routes() if route.method in {"post", "put", "patch", "delete"}]
RESTORE = "POST /api/conversations/{conversation_id}/restore"
WRITES = [
    route for route in ALL_WRITES if {"conversation_id", "file_id"} & set(route.parameters) and str(route) != RESTORE
]
RUNS = {
    "POST /api/runs/{run_id}/approve": Run.State.WAITING,
    "POST /api/runs/{run_id}/retry": Run.State.FAILED,
}
"""Routes that would change a conversation by a run of its own in this state."""
OTHERS = {
    RESTORE: "what is locked is not deleted, by a constraint, so that nothing changes",
    "POST /api/runs/{run_id}/cancel": "only ends what was begun before the lock",
    "POST /api/conversations/import": "`update_existing` is refused by the run, see below",
    "POST /api/conversations/import-file": "as above",
    "POST /api/conversations/import-slack": "makes a conversation of its own, or leaves the one that is here",
    "POST /api/imports": "names no conversation",
    "POST /api/imports/{import_id}/start": "leaves out the locked ones, see drafts/tests/test_bulk_rules.py",
    "DELETE /api/imports/{import_id}": "deletes the archive alone",
}
NO_CONVERSATIONS = ("/api/auth/", "/api/llm-")


@pytest.fixture
def draft(alice: Any) -> ProjectDraft:
    draft = make_draft(make_conversation(alice))
    make_turn(draft, "What is in it?", "A lamp.")
    return draft


def lock(draft: ProjectDraft) -> None:
    Conversation.objects.filter(pk=draft.conversation_id).update(is_locked=True)


@pytest.mark.parametrize("route", WRITES, ids=str)
def test_it_refuses_every_write(alices: Client, draft: ProjectDraft, route: Route) -> None:
    lock(draft)
    file = make_file(draft.conversation)
    before = row_counts()
    ids = {"conversation_id": draft.conversation_id, "version_id": draft.active_version_id, "file_id": file.pk}
    answer = send(alices, route, ids)
    assert check_refused(answer, 403 if str(route) in FORMS else 409)["code"] == "conversation_locked"
    assert row_counts() == before
    draft.conversation.refresh_from_db()
    assert draft.conversation.title != "Another title"


@pytest.mark.parametrize("name", RUNS)
@pytest.mark.parametrize("kind", [Run.Kind.CHAT_TURN, Run.Kind.GENERATE])
def test_it_refuses_what_a_run_would_write(alices: Client, draft: ProjectDraft, name: str, kind: str) -> None:
    route = next(route for route in ALL_WRITES if str(route) == name)
    payload = {"llm_provider": "demo", "llm_model": "demo-1"}
    run = make_run(
        draft.created_by_user,
        draft.conversation,
        kind=kind,
        state=RUNS[name],
        error_code="server_error",
        payload=payload,
    )
    lock(draft)
    before = row_counts()
    answer = send(alices, route, {"run_id": run.pk}, {"approve": True})
    assert check_refused(answer, 409)["code"] == "conversation_locked"
    assert row_counts() == before


def test_it_knows_of_every_route_that_writes() -> None:
    """A new route has to take its place in one of the tables above."""
    known = {str(route) for route in WRITES} | RUNS.keys() | OTHERS.keys()
    elsewhere = {str(route) for route in ALL_WRITES if route.template.startswith(NO_CONVERSATIONS)}
    assert {str(route) for route in ALL_WRITES} - elsewhere == known
    assert len(WRITES) >= 9


def test_it_refuses_a_newer_import(draft: ProjectDraft) -> None:
    newer = (ImportedMessage("user", "Newer"),)
    chat = ImportedChat("chatgpt", "test/1", "A lighthouse", newer, source_url=draft.conversation.url)
    payload = {"duplicate_resolution": "update_existing", "target_conversation_id": draft.conversation_id}
    run = make_run(draft.created_by_user, kind=Run.Kind.IMPORT, state=Run.State.RUNNING, payload=payload)
    lock(draft)
    with pytest.raises(Conflict, match="locked"):
        import_flow.update_existing(run, chat)


def test_it_refuses_a_draft_that_was_being_written_when_it_was_locked(draft: ProjectDraft) -> None:
    run = make_run(draft.created_by_user, draft.conversation, kind=Run.Kind.GENERATE, state=Run.State.RUNNING)
    lock(draft)
    with pytest.raises(Conflict, match="locked"):
        services.store_generated(
            draft=draft, run=run, title="Late", description="Too late", base_version_id=None,
            user=draft.created_by_user, author=services.A_PERSON,
        )  # fmt: skip
    assert draft.versions.count() == 1


def test_it_keeps_the_placeholder_when_writing_the_draft_fails_after_the_lock(alice: Any) -> None:
    draft = make_draft(make_conversation(alice), services.PLACEHOLDER_TITLE)
    run = make_run(alice, draft.conversation, kind=Run.Kind.GENERATE, state=Run.State.RUNNING)
    lock(draft)
    services.store_failure(draft=draft, run=run, reason="No.")
    assert draft.versions.get().title == services.PLACEHOLDER_TITLE

"""Deleting a conversation, taking that back, and the end of what nobody took back."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import IntegrityError, connection, transaction
from django.test import Client
from django.utils import timezone

from accounts.models import AuditEvent, User
from chat.models import ChatMessage
from chat.tasks import sweep_objects
from config.exceptions import Conflict, Forbidden, NotFound
from config.schedule import BEAT_SCHEDULE
from config.tests.api_routes import check_refused, row_counts
from config.tests.contents import contents
from config.tests.making import make_archive, make_conversation, make_draft, make_file, make_run, make_turn
from conversations import deletion, services, summaries
from conversations.models import Conversation, ImportedSummary, Memory, Run, SummaryJob
from conversations.runs import lifecycle
from conversations.runs.lifecycle import Ending, Held, LostRun
from conversations.tasks import purge_deleted
from drafts.models import ProjectDraft
from drafts.services import FAILED_TITLE, PLACEHOLDER_TITLE
from integrations.storage import file_storage
from search.tests.index import index_all

SLOW: dict[str, Any] = {"state": Run.State.RUNNING, "partial": "So far", "event_seq": 7, "fence": 3}


def path(conversation: Conversation, rest: str = "") -> str:
    return f"/api/conversations/{conversation.pk}{rest}"


def deleted(conversation: Conversation, *, ago: timedelta = timedelta(0)) -> Conversation:
    """The conversation, deleted by its importer so long ago."""
    services.delete(user=conversation.imported_by_user, conversation_id=conversation.pk)
    Conversation.objects.filter(pk=conversation.pk).update(deleted_at=timezone.now() - ago)
    return conversation


def with_everything(user: User) -> Conversation:
    """A conversation that has everything a conversation can have, but a project."""
    conversation = make_conversation(user)
    draft = make_draft(conversation, "One", "Two")
    run = make_turn(draft, "A question", "An answer")
    make_file(conversation, chat_message=run.chat_messages.get(role="user"), extracted_text="Tide tables")
    ImportedSummary.objects.create(conversation=conversation, summary="In short")
    Memory.objects.create(conversation=conversation, memories=[{"memory": "likes tea"}])
    SummaryJob.objects.create(conversation=conversation, source="imported", deadline=timezone.now())
    make_archive(user, "One").entries.update(result="created", conversation=conversation)
    index_all()
    return conversation


@pytest.fixture
def lighthouse(alice: User) -> Conversation:
    return make_conversation(alice)


# ── Deleting and restoring ────────────────────────────────────────────────────────────────────────────────────────────


def test_it_says_until_when_it_can_be_restored(alices: Client, lighthouse: Conversation, settings: Any) -> None:
    settings.DELETED_KEPT_DAYS = 7
    answer = alices.delete(path(lighthouse))
    assert (answer.status_code, answer.json()["message"]) == (200, "The conversation was deleted.")
    until = datetime.fromisoformat(answer.json()["restorable_until"])
    assert abs(until - timezone.now() - timedelta(days=7)) < timedelta(minutes=1)


def test_it_hides_a_conversation_and_brings_everything_of_it_back(
    folder: Any, alice: User, alices: Client, bobs: Client
) -> None:
    conversation = with_everything(alice)
    shown, stored = alices.get(path(conversation)).json(), contents("audit_events")
    assert alices.delete(path(conversation)).status_code == 200
    for client in (alices, bobs):
        assert check_refused(client.get(path(conversation)), 404)["code"] == "conversation_not_found"
    changed = {table for table, digest in contents("audit_events").items() if digest != stored[table]}
    assert changed == {"conversations"}
    answer = alices.post(path(conversation, "/restore"))
    assert (answer.status_code, answer.json()) == (200, {"conversation": shown})
    assert contents("audit_events") == stored


def test_it_deletes_and_restores_once(alices: Client, lighthouse: Conversation) -> None:
    assert alices.delete(path(lighthouse)).status_code == 200
    check_refused(alices.delete(path(lighthouse)), 404)
    answers = [alices.post(path(lighthouse, "/restore")) for _ in range(2)]
    assert answers[0].json() == answers[1].json()
    actions = AuditEvent.objects.order_by("id").values_list("action", flat=True)
    assert [action for action in actions if action.startswith("conversation.")] == [
        "conversation.deleted",
        "conversation.restored",
    ]


def test_it_shows_what_it_has_read_if_that_is_deleted_at_this_moment(alices: Client, lighthouse: Conversation) -> None:
    def interfering(execute: Any, sql: str, *about: Any) -> Any:
        if "conversation_dashboard_view" in sql:
            deleted(lighthouse)
        return execute(sql, *about)

    with connection.execute_wrapper(interfering):
        answer = alices.get(path(lighthouse))
    assert (answer.status_code, answer.json()["title"]) == (200, lighthouse.title)
    assert alices.get(path(lighthouse)).status_code == 404


def test_an_operator_deletes_and_restores_what_is_anybodys(olivias: Client, lighthouse: Conversation) -> None:
    assert olivias.delete(path(lighthouse)).status_code == 200
    assert Conversation.objects.get().deleted_by_user.email == "olivia@example.org"  # type: ignore[union-attr]
    assert olivias.post(path(lighthouse, "/restore")).status_code == 200
    assert Conversation.objects.get().deleted_by_user is None


@pytest.mark.parametrize(("visibility", "status"), [("workspace", 403), ("private", 404)])
def test_no_colleague_deletes_or_restores_it(
    bobs: Client, lighthouse: Conversation, settings: Any, visibility: str, status: int
) -> None:
    settings.VISIBILITY = visibility
    check_refused(bobs.delete(path(lighthouse)), status)
    assert Conversation.objects.kept().exists()
    deleted(lighthouse)
    check_refused(bobs.post(path(lighthouse, "/restore")), status)
    assert Conversation.objects.deleted().exists()


@pytest.mark.parametrize(("days", "status"), [(29.99, 200), (30.01, 404)])
def test_it_is_restored_within_thirty_days(alices: Client, lighthouse: Conversation, days: float, status: int) -> None:
    deleted(lighthouse, ago=timedelta(days=days))
    assert alices.post(path(lighthouse, "/restore")).status_code == status
    assert Conversation.objects.kept().exists() == (status == 200)


def test_the_audit_says_who_restored_what(alice: User, olivias: Client, lighthouse: Conversation) -> None:
    olivias.post(path(deleted(lighthouse), "/restore"))
    event = AuditEvent.objects.get(action="conversation.restored")
    assert (event.actor, event.resource) == ("olivia@example.org", f"conversation {lighthouse.pk}")
    assert event.before is not None
    assert (event.before["imported_by"], event.before["deleted_by"]) == (alice.pk, alice.pk)


@pytest.mark.parametrize(
    "change",
    [
        "deleted_at = now()",
        "deleted_by_user_id = imported_by_user_id",
        "deleted_at = now(), deleted_by_user_id = imported_by_user_id, is_locked = true",
    ],
)
def test_the_database_refuses_a_deletion_that_cannot_be(lighthouse: Conversation, change: str) -> None:
    with pytest.raises(IntegrityError, match="conversations_deleted_check"), transaction.atomic():
        connection.cursor().execute(f"UPDATE conversations SET {change}")


# ── What works on it ──────────────────────────────────────────────────────────────────────────────────────────────────


def test_it_ends_the_answer_that_is_being_written_and_keeps_what_there_is(alice: User, alices: Client) -> None:
    conversation = make_conversation(alice)
    run = make_turn(make_draft(conversation), "A question", **SLOW)
    deleted(conversation)
    with pytest.raises(LostRun):
        lifecycle.finish(run, Ending(Run.State.DONE, 9, "All of it"), lambda _: {})
    assert lifecycle.keep([Held(run.id, run.fence, "All of it", 9)]) == {}
    alices.post(path(conversation, "/restore"))
    shown = alices.get(f"/api/runs/{run.id}").json()
    assert (shown["state"], shown["partial"]) == ("cancelled", "So far")
    assert int(shown["last_event_id"].rpartition(":")[2]) > 3 << 20  # behind all that its owner can have told
    history = alices.get(path(conversation, "/project-draft/chat")).json()["chat_messages"]
    assert [message["content"] for message in history] == ["A question", "So far"]
    assert alices.post(f"/api/runs/{run.id}/retry").status_code == 200


@pytest.mark.parametrize("state", Run.ACTIVE)
@pytest.mark.parametrize("kind", [Run.Kind.GENERATE, Run.Kind.IMPORT, Run.Kind.SUMMARY])
def test_it_ends_every_run(alice: User, kind: str, state: str) -> None:
    conversation = make_conversation(alice)
    make_draft(conversation, PLACEHOLDER_TITLE)
    run = make_run(alice, conversation, kind=kind, state=state, step={"approval": {}})
    other = make_run(alice, make_conversation(alice, "Another"), kind=kind, state=state)
    deleted(conversation)
    run.refresh_from_db()
    other.refresh_from_db()
    assert (run.state, run.lease_until, other.state) == (Run.State.CANCELLED, None, state)
    assert run.finished_at is not None
    title = ProjectDraft.objects.values_list("active_version__title", flat=True).get(conversation=conversation)
    assert title == (PLACEHOLDER_TITLE if kind == Run.Kind.SUMMARY else FAILED_TITLE)
    assert lifecycle.claim([kind], 9) == ([other] if state == Run.State.QUEUED else [])


def test_nothing_of_it_is_locked_for_workers(alice: User, lighthouse: Conversation) -> None:
    assert summaries.lock(lighthouse.pk) == lighthouse
    deleted(lighthouse)
    with transaction.atomic(), pytest.raises(Conversation.DoesNotExist):
        summaries.lock(lighthouse.pk)


# ── Gone for good ─────────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_purge_leaves_nothing(folder: Any, alice: User) -> None:
    make_conversation(alice, "Another")
    index_all()
    before = row_counts()
    deleted(with_everything(alice), ago=timedelta(days=31))
    assert len(list(file_storage().keys())) == 2
    assert purge_deleted() == 1
    assert sweep_objects() == 2
    left = {table: count - before[table] for table, count in row_counts().items() if count != before[table]}
    assert left == {"audit_events": 2, "imports": 1, "import_entries": 1}
    assert list(file_storage().keys()) == []


def test_it_purges_what_is_old_and_nothing_else(alice: User) -> None:
    make_conversation(alice, "Kept")
    deleted(make_conversation(alice, "New"), ago=timedelta(days=29))
    for number in range(deletion.PURGED_AT_ONCE + 1):
        deleted(make_conversation(alice, f"Old {number}"), ago=timedelta(days=31))
    assert purge_deleted() == deletion.PURGED_AT_ONCE + 1
    assert {row.title for row in Conversation.objects.all()} == {"Kept", "New"}
    assert purge_deleted() == 0
    events = AuditEvent.objects.filter(action="conversation.purged")
    assert {event.actor for event in events} == {"server"}
    assert all(event.before["deleted_at"] for event in events if event.before is not None)


def test_it_purges_at_the_next_opportunity_where_nothing_is_kept(
    alices: Client, lighthouse: Conversation, settings: Any
) -> None:
    settings.DELETED_KEPT_DAYS = 0
    deleted(lighthouse)
    check_refused(alices.post(path(lighthouse, "/restore")), 404)
    assert purge_deleted() == 1


def test_what_was_purged_cannot_be_restored(alices: Client, lighthouse: Conversation) -> None:
    deletion.purge_all(before=timezone.now() + timedelta(days=1))
    assert alices.post(path(lighthouse, "/restore")).status_code == 200  # it was not deleted
    deleted(lighthouse)
    deletion.purge_all(before=timezone.now() + timedelta(days=1))
    check_refused(alices.post(path(lighthouse, "/restore")), 404)


def test_it_stops_when_its_time_is_over(lighthouse: Conversation) -> None:
    deleted(lighthouse)
    assert deletion.purge_all(before=timezone.now() + timedelta(days=1), seconds=0) == 0


def test_the_clock_starts_it() -> None:
    assert BEAT_SCHEDULE["purge-deleted"]["task"] == purge_deleted.name


def test_an_index_leads_to_what_is_old(alice: User) -> None:
    deleted(make_conversation(alice, "Old"))
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")
    rows = Conversation.objects.deleted().filter(deleted_at__lt=timezone.now()).order_by("deleted_at", "pk")
    assert "conversations_deleted" in rows.explain()


def test_an_operator_purges_one_at_once(olivia: User, folder: Any, alice: User, lighthouse: Conversation) -> None:
    conversation = with_everything(alice)
    deletion.purge(user=olivia, conversation_id=conversation.pk)
    assert list(Conversation.objects.all()) == [lighthouse]
    assert not ChatMessage.objects.exists()
    event = AuditEvent.objects.get(action="conversation.purged")
    assert (event.actor, event.resource) == ("olivia@example.org", f"conversation {conversation.pk}")
    deletion.purge(user=olivia, conversation_id=deleted(lighthouse).pk)
    assert not Conversation.objects.exists()


def test_nobody_purges_what_must_stay(alice: User, olivia: User, lighthouse: Conversation) -> None:
    with pytest.raises(Forbidden):
        deletion.purge(user=alice, conversation_id=lighthouse.pk)
    Conversation.objects.update(is_locked=True)
    with pytest.raises(Conflict, match="Unlock it first"):
        deletion.purge(user=olivia, conversation_id=lighthouse.pk)
    with pytest.raises(NotFound):
        deletion.purge(user=olivia, conversation_id=lighthouse.pk + 1)
    assert Conversation.objects.exists()


@pytest.fixture
def old_and_new(alice: User) -> Iterator[None]:
    deleted(make_conversation(alice, "Old"), ago=timedelta(days=5))
    deleted(make_conversation(alice, "New"), ago=timedelta(days=1))
    yield


@pytest.mark.parametrize(
    ("arguments", "words", "left"),
    [
        ([], "Conversations removed: 0.", 2),
        (["--older-than", "3"], "Conversations removed: 1.", 1),
        (["--older-than", "0"], "Conversations removed: 2.", 0),
        (["--older-than", "0", "--dry-run"], "Conversations that would be removed: 2.", 2),
    ],
)
def test_the_command_removes_what_is_older(
    old_and_new: None, capsys: pytest.CaptureFixture[str], arguments: list[str], words: str, left: int
) -> None:
    call_command("purge_deleted", *arguments)
    assert capsys.readouterr().out == f"{words}\n"
    assert Conversation.objects.count() == left


@pytest.mark.parametrize("days", ["-1", "36501"])
def test_the_command_refuses_days_that_cannot_be(db: None, days: str) -> None:
    with pytest.raises(CommandError, match="0 to 36500 days"):
        call_command("purge_deleted", f"--older-than={days}")

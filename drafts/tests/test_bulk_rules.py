"""What becomes of each conversation of an archive, and who may import: rules that need no other process."""

from dataclasses import replace
from typing import Any

import pytest
from django.db import IntegrityError, transaction
from django.test import Client

from accounts.models import User
from config.tests.making import make_archive, make_draft, make_run
from conversations import services as conversations
from conversations.models import Conversation, Run
from conversations.runs import lifecycle
from conversations.runs.lifecycle import LostRun
from conversations.services import create_from_chat
from drafts import bulk, services
from drafts.bulk import BulkHandler, start_bulk, store
from drafts.bulk_drafts import _give_up, _next
from drafts.models import Archive, ArchiveEntry, ProjectDraft
from integrations.importers.archive_child import Answer
from integrations.importers.base import ImportedChat, ImportedMessage

SAID = ImportedMessage("user", "Where is the lamp?")


def chat(title: str, *texts: str, source_id: str | None = None) -> ImportedChat:
    """A chat as the archives of `make_archive` hold it."""
    messages = (SAID, *(ImportedMessage("assistant", text) for text in texts))
    return ImportedChat("chatgpt", "test/1", title, messages, title if source_id is None else source_id)


def answers(*chats: ImportedChat) -> list[Answer]:
    return [Answer(number, "", one.title, one.source_id, {}, one) for number, one in enumerate(chats)]


@pytest.fixture
def begin(alice: User) -> Any:
    """Starts a run on an archive with such entries, and claims it as a runner does."""

    def begin(*titles: str, user: User = alice, **options: Any) -> Run:
        archive = make_archive(user, *titles)
        standard: dict[str, Any] = {"duplicate_resolution": "update_existing", "generate_drafts": False}
        run = start_bulk(user=user, archive_id=archive.id, **standard | options)
        (claimed,) = lifecycle.claim(["bulk"], 10)
        assert claimed.pk == run.pk
        return claimed

    return begin


def told(events: Any) -> list[tuple[str, str]]:
    return [(event.status, event.reason) for event in events]


# ── What becomes of a conversation ────────────────────────────────────────────────────────────────────────────────────


def test_it_creates_what_is_new(begin: Any, alice: User) -> None:
    run = begin("One", "Two")
    events = store(run, answers(chat("One", "a"), chat("Two", "b")))
    assert told(events) == [("created", "")] * 2
    one = Conversation.objects.get(title="One")
    assert (one.title, one.source, one.source_id, one.imported_by_user) == ("One", "chatgpt", "One", alice)
    assert one.import_report["parser"] == "test/1"
    assert list(ArchiveEntry.objects.order_by("position").values_list("result", "conversation")) == [
        ("created", one.pk),
        ("created", events[1].conversation_id),
    ]


def test_it_updates_the_newest_that_is_the_same_chat(begin: Any, alice: User, bob: User) -> None:
    old, new = (create_from_chat(user=bob, chat=chat("One", "first")) for _ in range(2))
    (event,) = store(begin("One"), answers(chat("One", "first", "second")))
    assert (event.status, event.conversation_id) == ("updated", new.pk)
    old.refresh_from_db()
    assert (len(old.imported_chat), len(Conversation.objects.get(pk=new.pk).imported_chat)) == (2, 3)
    assert Conversation.objects.count() == 2


def test_it_changes_nothing_where_the_messages_are_the_same(begin: Any, bob: User) -> None:
    before = create_from_chat(user=bob, chat=chat("One", "first"))
    (event,) = store(begin("One"), answers(replace(chat("One", "first"), title="Renamed there")))
    assert (event.status, event.conversation_id) == ("unchanged", before.pk)
    after = Conversation.objects.get()
    assert (after.updated_at, after.import_date, after.title) == (before.updated_at, before.import_date, "One")


def test_it_knows_a_chat_without_an_id_by_its_messages(begin: Any) -> None:
    nameless = chat("One", "first", source_id="")
    (event,) = store(begin("One"), answers(nameless))
    assert event.status == "created"
    (again,) = store(begin("One"), answers(replace(nameless, title="Other")))
    assert (again.status, again.conversation_id) == ("unchanged", event.conversation_id)
    (other,) = store(begin("One"), answers(chat("One", "second", source_id="")))
    assert other.status == "created"


@pytest.mark.parametrize(
    ("resolution", "outcome", "count"),
    [
        ("create_new", ("created", ""), 2),
        ("skip", ("skipped", "already_imported"), 1),
        ("update_existing", ("updated", ""), 1),
    ],
)
def test_it_does_with_what_is_here_as_it_is_told(
    begin: Any, alice: User, resolution: str, outcome: tuple[str, str], count: int
) -> None:
    here = create_from_chat(user=alice, chat=chat("One", "first"))
    (event,) = store(begin("One", duplicate_resolution=resolution), answers(chat("One", "second")))
    assert told([event]) == [outcome]
    assert Conversation.objects.count() == count
    assert (event.conversation_id == here.pk) is (resolution != "create_new")


def test_it_leaves_a_locked_conversation_as_it_is(begin: Any, alice: User) -> None:
    locked = create_from_chat(user=alice, chat=chat("One", "first"))
    Conversation.objects.update(is_locked=True)
    (event,) = store(begin("One"), answers(chat("One", "second")))
    assert (event.status, event.reason, event.conversation_id) == ("skipped", "conversation_locked", locked.pk)
    assert len(Conversation.objects.get().imported_chat) == 2


def test_in_private_mode_it_neither_sees_nor_changes_what_is_anothers(
    begin: Any, alice: User, bob: User, settings: Any
) -> None:
    settings.VISIBILITY = "private"
    his = create_from_chat(user=bob, chat=chat("One", "first"))
    (event,) = store(begin("One"), answers(chat("One", "second")))
    assert event.status == "created"
    assert event.conversation_id != his.pk
    assert Conversation.objects.get(pk=his.pk).imported_chat == his.imported_chat


def test_the_same_chat_twice_in_one_archive_is_one_conversation(begin: Any) -> None:
    events = store(begin("One", "One"), answers(chat("One", "a"), chat("One", "a", "b")))
    assert told(events) == [("created", ""), ("updated", "")]
    assert Conversation.objects.count() == 1


def test_it_says_why_a_conversation_cannot_be_imported(begin: Any) -> None:
    run = begin("One", "Two", "Three")
    unreadable = [Answer(0, "no_messages", "One", "", {}), Answer(1, "damaged", "Two", "", {})]
    events = store(run, [*unreadable, Answer(2, "", "Three", "Three", {}, chat("Three"))])
    assert told(events) == [("skipped", "no_messages"), ("failed", "damaged"), ("created", "")]


def test_one_that_the_database_refuses_costs_no_other(begin: Any) -> None:
    events = store(begin("One", "Two"), answers(chat("One", "a\x00b"), chat("Two", "b")))
    assert told(events) == [("failed", "unstorable_text"), ("created", "")]
    assert Conversation.objects.get().title == "Two"


# ── Once ──────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_it_takes_nothing_in_twice(begin: Any) -> None:
    run, given = begin("One", "Two"), answers(chat("One"), chat("Two"))
    assert len(store(run, given[:1])) == 1
    assert [event.title for event in store(run, given)] == ["Two"]
    assert store(run, given) == []
    assert Conversation.objects.count() == 2


def test_a_runner_that_has_lost_the_run_stores_nothing(begin: Any) -> None:
    run = begin("One")
    Run.objects.update(fence=9)
    with pytest.raises(LostRun):
        store(run, answers(chat("One")))
    assert not Conversation.objects.exists()
    assert ArchiveEntry.objects.get().result == "chosen"


def test_a_stored_batch_is_progress(begin: Any) -> None:
    run = begin("One")
    Run.objects.update(tries=3)
    store(run, answers(chat("One")))
    assert Run.objects.get().tries == 0


def test_it_imports_only_what_was_chosen(begin: Any) -> None:
    run = begin("One", "Two", entries=[1])
    assert bulk._left(run) == [1]
    assert [event.title for event in store(run, answers(chat("One"), chat("Two")))] == ["Two"]


def test_what_the_archive_does_not_give_has_failed(begin: Any) -> None:
    run = begin("One", "Two")
    store(run, answers(chat("One")))
    bulk._give_up_rest(run)
    assert list(ArchiveEntry.objects.order_by("position").values_list("result", "reason")) == [
        ("created", ""),
        ("failed", "damaged"),
    ]


def test_a_cancelled_run_leaves_the_rest_to_be_chosen_again(begin: Any) -> None:
    run = begin("One", "Two", generate_drafts=True)
    store(run, answers(chat("One")))
    lifecycle.finish(run, lifecycle.Ending("cancelled", 9, ""), lambda row: BulkHandler().interrupted(row, "", ""))
    assert list(ArchiveEntry.objects.order_by("position").values_list("result", "wants_draft")) == [
        ("created", False),
        ("", False),
    ]
    archive = Archive.objects.get()
    assert (archive.state, archive.run_id) == ("ready", run.pk)
    assert Run.objects.get().result == {"import_id": str(archive.id), "results": {"created": 1}}


def test_a_run_that_is_cancelled_before_anybody_took_it_ends_at_once(alice: User) -> None:
    archive = make_archive(alice, "One")
    run = start_bulk(user=alice, archive_id=archive.id, duplicate_resolution="skip", generate_drafts=False)
    assert lifecycle.cancel(run=run).state == "cancelled"
    archive.refresh_from_db()
    assert archive.state == "ready"


# ── Starting ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def start(client: Client, archive: Archive, **body: Any) -> Any:
    return client.post(f"/api/imports/{archive.id}/start", body, content_type="application/json")


def test_it_starts_one_run_at_a_time(alices: Client, alice: User) -> None:
    archive = make_archive(alice, "One")
    first = start(alices, archive, all=True)
    assert first.status_code == 200
    second = start(alices, archive, entries=[0])
    assert (second.status_code, second.json()["code"]) == (409, "run_in_progress")
    assert second.json()["run_id"] == first["X-Run-Id"]
    run = Run.objects.get()
    assert (run.kind, run.user, run.conversation) == ("bulk", alice, None)
    assert alices.get(f"/api/imports/{archive.id}").json()["run_id"] == str(run.id)


def test_it_starts_once_for_one_key(alices: Client, alice: User) -> None:
    archive = make_archive(alice, "One")
    path, key = f"/api/imports/{archive.id}/start", {"Idempotency-Key": "k1"}
    body: Any = {"all": True}
    first, again = (alices.post(path, body, content_type="application/json", headers=key) for _ in range(2))
    assert first["X-Run-Id"] == again["X-Run-Id"]
    assert Run.objects.count() == 1


def test_the_database_takes_no_importing_archive_without_a_run(alice: User) -> None:
    archive = make_archive(alice)
    with pytest.raises(IntegrityError, match="imports_run_check"), transaction.atomic():
        Archive.objects.filter(pk=archive.pk).update(state="importing")


@pytest.mark.parametrize("state", ["uploaded", "reading", "failed"])
def test_it_starts_nothing_before_the_list_is_there(alices: Client, alice: User, state: str) -> None:
    answer = start(alices, make_archive(alice, "One", state=state), all=True)
    assert (answer.status_code, answer.json()["code"]) == (409, "import_not_ready")
    assert not Run.objects.exists()


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({}, "validation_error"),
        ({"all": False}, "validation_error"),
        ({"all": True, "entries": [0]}, "validation_error"),
        ({"entries": []}, "validation_error"),
        ({"entries": [0, -1]}, "validation_error"),
        ({"entries": ["0"]}, "validation_error"),
        ({"entries": [True]}, "validation_error"),
        ({"entries": [2**31]}, "validation_error"),
        ({"entries": [0, 7]}, "unknown_entry"),
        ({"all": True, "duplicate_resolution": "prompt"}, "validation_error"),
        ({"all": True, "llm_provider": "demo"}, "validation_error"),
        ({"all": True, "llm_provider": "demo", "llm_model": "demo-9"}, "unknown_model"),
        ({"all": True, "generate_drafts": "yes"}, "validation_error"),
    ],
)
def test_it_refuses_what_makes_no_sense(alices: Client, alice: User, body: Any, code: str) -> None:
    archive = make_archive(alice, "One", "Two")
    answer = start(alices, archive, **body)
    assert (answer.status_code, answer.json()["code"]) == (422, code)
    assert not Run.objects.exists()
    assert set(archive.entries.values_list("result", flat=True)) == {""}


def test_the_same_key_twice_is_one_choice(alices: Client, alice: User) -> None:
    archive = make_archive(alice, "One", "Two")
    assert start(alices, archive, entries=[1, 1]).status_code == 200
    assert list(archive.entries.order_by("position").values_list("result", flat=True)) == ["", "chosen"]


def test_a_further_run_begins_with_a_clean_sheet(begin: Any, alice: User) -> None:
    run = begin("One", "Two", entries=[0])
    store(run, answers(chat("One")))
    lifecycle.finish(run, lifecycle.Ending("done", 9, ""), bulk._close)
    archive = Archive.objects.get()
    options: Any = {"duplicate_resolution": "skip", "generate_drafts": False, "entries": [1]}
    start_bulk(user=alice, archive_id=archive.id, **options)
    assert list(archive.entries.order_by("position").values_list("result", flat=True)) == ["", "chosen"]
    assert not archive.entries.filter(conversation__isnull=False).exists()


# ── Drafts ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_drafts_are_for_those_that_have_none(begin: Any, alice: User) -> None:
    titles = ["New", "Drafted", "Same", "Locked", "Busy", "Waiting"]
    for title in titles[1:]:
        create_from_chat(user=alice, chat=chat(title))
    here = {conversation.title: conversation for conversation in Conversation.objects.all()}
    make_draft(here["Drafted"], "Mine")
    run = begin(*titles, generate_drafts=True)
    store(run, answers(*map(chat, titles)))
    Conversation.objects.filter(title="Locked").update(is_locked=True)
    make_run(alice, here["Busy"], kind=Run.Kind.GENERATE, state=Run.State.RUNNING)
    services.get_or_make_draft(conversation=here["Waiting"], user=alice)
    asked = []
    while work := _next(run):
        asked.append(work.entry.title)
        ArchiveEntry.objects.filter(pk=work.entry.pk).update(wants_draft=False)
    assert asked == ["New", "Same", "Waiting"]


def test_no_drafts_are_written_unless_somebody_asks(begin: Any) -> None:
    run = begin("One")
    store(run, answers(chat("One")))
    assert _next(run) is None


def test_a_draft_of_a_conversation_that_was_deleted_is_passed_over(begin: Any) -> None:
    run = begin("One", "Two", generate_drafts=True)
    store(run, answers(chat("One"), chat("Two")))
    Conversation.objects.get(title="One").delete()
    work = _next(run)
    assert work and (work.entry.title, work.left) == ("Two", 1)


def test_a_draft_that_fails_after_its_conversation_was_deleted_says_nothing_there(begin: Any, alice: User) -> None:
    run = begin("One", generate_drafts=True)
    store(run, answers(chat("One")))
    work = _next(run)
    assert work is not None
    conversations.delete(user=alice, conversation_id=Conversation.objects.get().pk)
    _give_up(run, work, "No answer.")
    assert ProjectDraft.objects.get().active_version.title == services.PLACEHOLDER_TITLE  # type: ignore[union-attr]
    assert _next(run) is None


def test_a_deleted_conversation_is_imported_anew(begin: Any, alice: User) -> None:
    here = create_from_chat(user=alice, chat=chat("One"))
    conversations.delete(user=alice, conversation_id=here.pk)
    run = begin("One")
    store(run, answers(chat("One")))
    entry = ArchiveEntry.objects.get()
    assert (entry.result, entry.conversation_id == here.pk) == ("created", False)
    assert Conversation.objects.kept().get().pk == entry.conversation_id

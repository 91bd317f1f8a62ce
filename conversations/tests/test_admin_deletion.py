"""Deletion in the back office: what it shows, restores, and removes for good."""

from typing import Any

import pytest
from django.test import Client

from accounts.models import AuditEvent, User
from chat.models import ChatMessage, ChatMessageRevision, ChatSummary, FileAttachment
from config.tests.admin_pages import address, detail_page, list_page
from config.tests.making import make_conversation, make_draft, make_file, make_turn
from conversations import services
from conversations.models import Conversation, DashboardRow, ImportedSummary, Memory, Run, SummaryJob
from drafts.models import DraftVersion, LinearProjectRequest, ProjectDraft

NOON = "2026-03-01T12:00:00Z"


@pytest.fixture
def rows(folder: Any, alice: User) -> list[Any]:
    """A conversation, and a row of everything that belongs to one and has a page of its own."""
    conversation = make_conversation(alice, "Ruritania")
    draft = make_draft(conversation)
    run = make_turn(draft, "A question", "An answer")
    answer = run.chat_messages.get(role="assistant")
    request = {"conversation": conversation, "user": alice, "asked_at": NOON, "check_at": NOON, "state": "released"}
    return [
        conversation,
        *(draft, draft.active_version, run, answer, make_file(conversation)),
        ChatMessageRevision.objects.create(chat_message=answer, content="Earlier", written_at=NOON),
        ChatSummary.objects.create(conversation=conversation, summary="Short", latest_message_id=1),
        ImportedSummary.objects.create(conversation=conversation, summary="Short"),
        Memory.objects.create(conversation=conversation),
        SummaryJob.objects.create(conversation=conversation, source="chat", deadline=NOON),
        LinearProjectRequest.objects.create(title="Ruritania", **request),
    ]


def submit(client: Client, action: str, *conversations: Conversation, query: str = "", **fields: str) -> Any:
    form = {"action": action, "_selected_action": [row.pk for row in conversations], **fields}
    return client.post(address("changelist", Conversation) + query, form, follow=True)


def test_it_shows_nothing_of_a_deleted_conversation(olivias: Client, olivia: User, rows: list[Any]) -> None:
    of_it = rows[1:]
    assert {type(row) for row in of_it} == {
        ChatMessage, ChatMessageRevision, ChatSummary, DraftVersion, FileAttachment, ImportedSummary,
        LinearProjectRequest, Memory, ProjectDraft, Run, SummaryJob,
    }  # fmt: skip
    for row in of_it:
        detail_page(olivias, row)
    services.delete(user=olivia, conversation_id=rows[0].pk)
    for row in of_it:
        assert olivias.get(address("change", type(row), row.pk)).status_code == 302
        assert "0 " in list_page(olivias, type(row)).partition('class="paginator"')[2][:40]
    assert "Ruritania" not in list_page(olivias, DashboardRow)


def test_it_shows_runs_that_have_no_conversation(olivias: Client, alice: User) -> None:
    run = Run.objects.create(kind=Run.Kind.IMPORT, user=alice)
    assert str(run.pk) in list_page(olivias, Run)


def test_it_shows_deleted_conversations_to_who_asks_for_them(olivias: Client, olivia: User, alice: User) -> None:
    make_conversation(alice, "Kept one")
    services.delete(user=olivia, conversation_id=make_conversation(alice, "Deleted one").pk)
    shown = {
        query: [title for title in ("Kept one", "Deleted one") if title in list_page(olivias, Conversation, query)]
        for query in ("", "?deleted=yes", "?deleted=all")
    }
    assert shown == {"": ["Kept one"], "?deleted=yes": ["Deleted one"], "?deleted=all": ["Kept one", "Deleted one"]}
    assert "olivia@example.org" in detail_page(olivias, Conversation.objects.get(title="Deleted one"))


def test_an_operator_restores_there(olivias: Client, olivia: User, alice: User) -> None:
    kept, deleted = make_conversation(alice, "Kept"), make_conversation(alice, "Deleted")
    services.delete(user=olivia, conversation_id=deleted.pk)
    shown = submit(olivias, "restore", kept, deleted, query="?deleted=all").content.decode()
    assert "Restored: 1." in shown
    assert Conversation.objects.kept().count() == 2


def test_it_says_what_can_not_be_restored_any_more(olivias: Client, olivia: User, alice: User, settings: Any) -> None:
    settings.DELETED_KEPT_DAYS = 0
    deleted = make_conversation(alice, "Deleted")
    services.delete(user=olivia, conversation_id=deleted.pk)
    shown = submit(olivias, "restore", deleted, query="?deleted=yes").content.decode()
    assert "Deleted: There is no such conversation." in shown
    assert "Restored: 0." in shown


def test_an_operator_deletes_for_good_after_confirming(olivias: Client, olivia: User, rows: list[Any]) -> None:
    conversation: Conversation = rows[0]
    number = conversation.pk
    shown = submit(olivias, "purge", conversation).content.decode()
    assert "Nobody can undo" in shown and "Ruritania" in shown
    assert Conversation.objects.exists()
    assert "Gone for good: 1." in submit(olivias, "purge", conversation, purge="Delete for good").content.decode()
    assert not Conversation.objects.exists() and not Run.objects.exists()
    event = AuditEvent.objects.get(action="conversation.purged")
    assert (event.user, event.resource) == (olivia, f"conversation {number}")


def test_it_deletes_for_good_what_is_deleted_already(olivias: Client, olivia: User, alice: User) -> None:
    deleted = make_conversation(alice)
    services.delete(user=olivia, conversation_id=deleted.pk)
    submit(olivias, "purge", deleted, query="?deleted=yes", purge="Delete for good")
    assert not Conversation.objects.exists()


def test_it_says_why_one_that_has_become_a_project_stays(olivias: Client, alice: User) -> None:
    free, locked = make_conversation(alice, "Free"), make_conversation(alice, "Locked", is_locked=True)
    shown = submit(olivias, "purge", free, locked, purge="Delete for good").content.decode()
    assert "Locked: This conversation has become a project. Unlock it first." in shown
    assert "Gone for good: 1." in shown
    assert list(Conversation.objects.all()) == [locked]


def test_it_deletes_nothing_twice(olivias: Client, olivia: User, alice: User) -> None:
    deleted = make_conversation(alice)
    services.delete(user=olivia, conversation_id=deleted.pk)
    page = submit(olivias, "delete_selected", deleted, query="?deleted=yes", post="yes").content.decode()
    assert "A lighthouse, which is deleted already" in page
    assert AuditEvent.objects.filter(action="conversation.deleted").count() == 1


@pytest.mark.parametrize("action", ["restore", "purge"])
def test_it_is_for_operators_only(alices: Client, alice: User, action: str) -> None:
    deleted = make_conversation(alice)
    services.delete(user=alice, conversation_id=deleted.pk)
    form = {"action": action, "_selected_action": [deleted.pk], "purge": "Delete for good"}
    assert alices.post(address("changelist", Conversation) + "?deleted=yes", form).status_code == 302  # to the sign-in
    assert Conversation.objects.deleted().exists()

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from accounts.services import get_or_make_user
from chat.models import ChatMessage, ChatSummary, FileAttachment
from config.tests.admin_pages import Make, check_closed, check_pages, check_read_only, detail_page, list_page
from conversations.models import Conversation, Run
from drafts.models import ProjectDraft


def make_conversation(number: int) -> Conversation:
    user = get_or_make_user(email=f"person{number}@example.org")
    return Conversation.objects.create(
        url=f"https://example.org/{number}", title=f"Conversation {number}", imported_by_user=user, source="chatgpt"
    )


def make_message(number: int) -> ChatMessage:
    conversation = make_conversation(number)
    user = conversation.imported_by_user
    draft = ProjectDraft.objects.create(conversation=conversation, created_by_user=user)
    run = Run.objects.create(kind=Run.Kind.CHAT_TURN, state=Run.State.DONE, conversation=conversation, user=user)
    return ChatMessage.objects.create(
        project_draft=draft,
        role=ChatMessage.Role.USER,
        content=f"<{number}>" + "w" * 15_000,
        sequence_number=1,
        sent_by_user=user,
        run=run,
    )


def make_summary(number: int) -> ChatSummary:
    return ChatSummary.objects.create(
        conversation=make_conversation(number), summary="w" * 15_000, latest_message_id=number
    )


def make_file(number: int) -> FileAttachment:
    message = make_message(number)
    conversation = message.project_draft.conversation
    return FileAttachment.objects.create(
        chat_message=message,
        conversation=conversation,
        filename=f"file{number}.pdf",
        file_size=1,
        file_type="application/pdf",
        s3_key=f"files/{number}",
        extracted_text="w" * 15_000,
        uploaded_by_user=message.sent_by_user,
    )


MAKERS = [make_message, make_summary, make_file]


@pytest.mark.parametrize("make", MAKERS)
def test_it_shows_a_list_without_a_query_for_each_row(olivias: Client, make: Make) -> None:
    check_pages(olivias, make)


@pytest.mark.parametrize("make", MAKERS)
def test_it_lets_nobody_but_operators_in(bobs: Client, make: Make) -> None:
    check_closed(bobs, Client(), make(1))


@pytest.mark.parametrize("make", MAKERS)
def test_it_keeps_history_as_it_is(olivias: Client, make: Make) -> None:
    check_read_only(olivias, make(1))


@pytest.mark.parametrize("make", MAKERS)
def test_it_cuts_a_long_text_on_the_page_of_a_row(olivias: Client, make: Make) -> None:
    shown = detail_page(olivias, make(1))
    assert "w" * 9_000 in shown
    assert "w" * 10_001 not in shown
    assert "the first 10,000 of 15," in shown


@pytest.mark.parametrize("make", MAKERS)
def test_lists_read_no_long_text(olivias: Client, make: Make) -> None:
    row = make(1)
    with CaptureQueriesContext(connection) as queries:
        list_page(olivias, type(row))
    sql = " ".join(query["sql"] for query in queries)
    assert row._meta.db_table in sql
    for column in ("imported_chat", "import_report", '"extracted_text"', '"summary"', '"payload"', '"partial"'):
        assert column not in sql


def test_the_list_shows_the_first_words_of_a_message(olivias: Client) -> None:
    make_message(1)
    shown = list_page(olivias, ChatMessage)
    assert "&lt;1&gt;" + "w" * 77 in shown
    assert "w" * 78 not in shown

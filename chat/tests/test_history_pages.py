"""A long chat about a draft, read from its end."""

from datetime import UTC, datetime
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from accounts.models import User
from chat.models import ChatMessage, ChatMessageRevision
from config.tests.api_routes import check_refused
from config.tests.making import make_conversation, make_draft, make_turn
from drafts.models import ProjectDraft

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.fixture
def draft(alice: User) -> ProjectDraft:
    draft = make_draft(make_conversation(alice))
    for number in range(1, 6):
        make_turn(draft, f"Question {number}", f"Answer {number}")
    return draft


def asked(client: Client, draft: ProjectDraft, **parameters: Any) -> tuple[list[int], str | None]:
    """The numbers of the messages on a page, and the cursor of the page with those before."""
    answer = client.get(f"/api/conversations/{draft.conversation_id}/project-draft/chat", parameters)
    assert answer.status_code == 200, answer.content[:300]
    body = answer.json()
    return [message["sequence_number"] for message in body["chat_messages"]], body["next"]


def test_it_is_whole_unless_a_part_is_asked_for(alices: Client, draft: ProjectDraft):
    assert asked(alices, draft) == (list(range(1, 11)), None)
    assert asked(alices, draft, revisions="true") == (list(range(1, 11)), None)
    assert asked(alices, draft, limit=10) == (list(range(1, 11)), None)


def test_its_first_page_is_what_was_said_last_in_the_order_it_was_said(alices: Client, draft: ProjectDraft):
    newest, following = asked(alices, draft, limit=4)
    assert newest == [7, 8, 9, 10]
    make_turn(draft, "Meanwhile", "Yes")
    before, following = asked(alices, draft, limit=4, cursor=following)
    assert before == [3, 4, 5, 6]
    assert asked(alices, draft, cursor=following) == ([1, 2], None)


def test_its_pages_hold_all_that_a_message_has(alice: User, alices: Client, draft: ProjectDraft):
    answer = ChatMessage.objects.get(sequence_number=10)
    ChatMessageRevision.objects.create(chat_message=answer, content="Earlier", model="demo/demo-1", written_at=NOON)
    path = f"/api/conversations/{draft.conversation_id}/project-draft/chat"
    for query in ({}, {"revisions": "true"}):
        whole = alices.get(path, query).json()["chat_messages"]
        assert alices.get(path, query | {"limit": 3}).json()["chat_messages"] == whole[-3:]
    assert whole[-1]["revisions"][0]["content"] == "Earlier"


def test_it_reads_no_more_than_the_page(alices: Client, draft: ProjectDraft):
    with CaptureQueriesContext(connection) as queries:
        asked(alices, draft, limit=2)
    assert len(queries) <= 5
    (messages,) = [query["sql"] for query in queries if 'FROM "chat_messages"' in query["sql"]]
    assert messages.endswith("LIMIT 3")


@pytest.mark.parametrize(
    ("parameters", "status", "code"),
    [
        ({"limit": 0}, 400, "invalid_limit"),
        ({"limit": 1001}, 400, "invalid_limit"),
        ({"limit": "x"}, 422, "invalid_limit"),
        ({"cursor": ""}, 422, "invalid_cursor"),
        ({"cursor": "5"}, 422, "invalid_cursor"),
    ],
)
def test_it_refuses_a_page_that_cannot_be(
    alices: Client, draft: ProjectDraft, parameters: dict[str, Any], status: int, code: str
):
    path = f"/api/conversations/{draft.conversation_id}/project-draft/chat"
    assert check_refused(alices.get(path, parameters), status)["code"] == code

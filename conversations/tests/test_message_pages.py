"""A long imported chat, read part by part."""

from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from accounts.models import User
from config.tests.api_routes import check_refused
from config.tests.making import make_conversation
from conversations.message_pages import Part, parse_part
from conversations.models import Conversation

MANY = [{"role": ("user", "assistant")[n % 2], "content": f"Message {n}. " + "Words. " * 200} for n in range(5000)]


@pytest.fixture
def long_chat(alice: User) -> Conversation:
    return make_conversation(alice, imported_chat=MANY)


def shown(client: Client, conversation: Conversation, messages: str) -> dict[str, Any]:
    answer = client.get(f"/api/conversations/{conversation.pk}", {"messages": messages})
    assert answer.status_code == 200, answer.content[:300]
    body: dict[str, Any] = answer.json()
    return body


def test_its_parts_make_up_the_whole(alices: Client, long_chat: Conversation):
    parts, following = list[dict[str, str]](), "0,1000"
    while following:
        body = shown(alices, long_chat, following)
        assert body["imported_chat_total"] == 5000
        parts += body["imported_chat"]
        following = body["imported_chat_next"]
    assert parts == MANY


def test_it_is_the_same_conversation_otherwise(alices: Client, long_chat: Conversation):
    whole = alices.get(f"/api/conversations/{long_chat.pk}").json()
    part = shown(alices, long_chat, "10,2")
    assert part.pop("imported_chat") == whole.pop("imported_chat")[10:12] == MANY[10:12]
    assert (part.pop("imported_chat_total"), part.pop("imported_chat_next")) == (5000, "12,2")
    assert part == whole


@pytest.mark.parametrize(
    ("messages", "count", "following"),
    [
        ("0", 100, "100,100"),
        ("4950", 50, None),
        ("4900", 100, None),
        ("4899,100", 100, "4999,100"),
        ("4999,1", 1, None),
        ("00007,03", 3, "10,3"),
        ("5000", 0, None),
        ("5000,1000", 0, None),
        (f"{10**18 - 1},1000", 0, None),
    ],
)
def test_it_shows_what_is_there_of_a_part(
    alices: Client, long_chat: Conversation, messages: str, count: int, following: str | None
):
    body = shown(alices, long_chat, messages)
    assert len(body["imported_chat"]) == count
    assert (body["imported_chat_total"], body["imported_chat_next"]) == (5000, following)


def test_it_says_null_for_a_chat_without_messages(alice: User, alices: Client):
    body = shown(alices, make_conversation(alice, imported_chat=[]), "0")
    assert (body["imported_chat"], body["imported_chat_total"], body["imported_chat_next"]) == (None, 0, None)


def test_it_reads_from_the_database_what_it_shows(alices: Client, long_chat: Conversation):
    with CaptureQueriesContext(connection) as queries:
        shown(alices, long_chat, "2500,10")
    assert len(queries) <= 5, [query["sql"][:100] for query in queries]
    read = sum(size_of_answer(query["sql"]) for query in queries if query["sql"].startswith("SELECT"))
    assert 10 * 1400 < read < 10 * 1400 + 10_000


def size_of_answer(query: str) -> int:
    """How many characters the database sends for a query."""
    with connection.cursor() as cursor:
        cursor.execute(query)
        return sum(len(str(row)) for row in cursor.fetchall())


@pytest.mark.parametrize(
    "messages",
    ["", ",", "1,", ",1", "a", "1,a", "-1", "1,-1", "1.5", "1, 2", " 1", "1\n", "+1", "1,2,3", "0,0", "0,1001"],
)
def test_it_refuses_a_part_that_cannot_be(alice: User, alices: Client, messages: str):
    path = f"/api/conversations/{make_conversation(alice).pk}"
    document = check_refused(alices.get(path, {"messages": messages}), 422)
    assert (document["code"], document["errors"][0]["field"]) == ("invalid_messages", "messages")


@pytest.mark.parametrize("messages", ["9" * 19, "9" * 5000, "0," + "9" * 5000, "\0", "１"])
def test_it_refuses_numbers_beyond_all_measure(messages: str, alices: Client, alice: User):
    path = f"/api/conversations/{make_conversation(alice).pk}"
    assert check_refused(alices.get(path, {"messages": messages}), 422)["code"] == "invalid_messages"


def test_it_reads_numbers_as_they_stand():
    assert parse_part("7") == Part(7, 100)
    assert parse_part("7,1000") == Part(7, 1000)


def test_it_is_404_for_what_may_not_be_seen(alices: Client, bobs: Client, long_chat: Conversation, settings: Any):
    settings.VISIBILITY = "private"
    path = f"/api/conversations/{long_chat.pk}?messages=0"
    assert check_refused(bobs.get(path), 404)["code"] == "conversation_not_found"
    assert check_refused(alices.get(f"/api/conversations/{long_chat.pk + 1}?messages=0"), 404)

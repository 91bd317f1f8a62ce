import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from accounts.models import User
from config.tests.api_routes import check_refused
from config.tests.making import make_conversation, make_draft, make_turn
from drafts.management.commands.seed import make as seed
from drafts.models import Project

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
PATH = "/api/conversations"


def listed(client: Client, query: str = "") -> list[dict[str, Any]]:
    answer = client.get(PATH + query)
    assert answer.status_code == 200
    body = answer.json()
    assert list(body) == ["conversations", "next"]
    rows: list[dict[str, Any]] = body["conversations"]
    return rows


def titles(client: Client, query: str = "") -> list[str]:
    return [row["title"] for row in listed(client, query)]


def test_it_is_an_empty_list_at_first(alices: Client) -> None:
    assert listed(alices) == []


def test_it_shows_every_field_of_a_row(alice: User, alices: Client) -> None:
    conversation = make_conversation(alice, is_locked=True)
    draft = make_draft(conversation, "First", "Second")
    make_turn(draft, "An early question", "An early answer")
    make_turn(draft, "The last question", "The last answer")
    make_turn(draft, "Not answered yet")
    Project.objects.create(
        conversation=conversation,
        linear_project_id="L",
        title="Second",
        description="D",
        linear_url="https://linear.app/p/1",
        created_by_user=alice,
    )
    (row,) = listed(alices)
    for name in ("import_date", "created_at", "updated_at"):
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}\+00:00", row.pop(name))
    assert row == {
        "id": conversation.pk,
        "url": "https://example.org/A lighthouse",
        "title": "A lighthouse",
        "is_locked": True,
        "user_id": alice.pk,
        "user_name": "alice",
        "user_email": "alice@example.org",
        "project_draft_title": "Second",
        "project_draft_description": "About Second",
        "linear_url": "https://linear.app/p/1",
        "last_user_message_content": "Not answered yet",
        "last_assistant_message_content": "The last answer",
    }


def test_it_says_null_for_what_is_not_there_yet(alice: User, alices: Client) -> None:
    make_conversation(alice)
    (row,) = listed(alices)
    absent = {name for name, value in row.items() if value is None}
    assert absent == {
        "project_draft_title",
        "project_draft_description",
        "linear_url",
        "last_user_message_content",
        "last_assistant_message_content",
    }


def test_it_puts_the_latest_change_first(alice: User, alices: Client) -> None:
    for hours, title in ((2, "middle"), (3, "old"), (1, "new")):
        make_conversation(alice, title, updated_at=NOON - timedelta(hours=hours))
    make_conversation(alice, "same time, later made", updated_at=NOON - timedelta(hours=2))
    assert titles(alices) == ["new", "same time, later made", "middle", "old"]


def test_it_does_not_move_a_conversation_whose_draft_was_edited(alice: User, alices: Client) -> None:
    first = make_conversation(alice, "first")
    make_draft(first)
    make_conversation(alice, "second")
    body = {"title": "T", "description": "D"}
    assert alices.patch(f"{PATH}/{first.pk}/project-draft", body, "application/json").status_code == 200
    assert titles(alices) == ["second", "first"]


def test_it_shows_the_work_of_colleagues(alice: User, bobs: Client) -> None:
    make_conversation(alice)
    assert titles(bobs) == ["A lighthouse"]


def test_its_pages_hold_every_row_once(alice: User, alices: Client) -> None:
    for number in range(11):
        make_conversation(alice, f"number {number}", updated_at=NOON)
    pages = [titles(alices, f"?limit=4&offset={offset}") for offset in (0, 4, 8, 12)]
    assert [len(page) for page in pages] == [4, 4, 3, 0]
    assert sum(pages, []) == [f"number {number}" for number in reversed(range(11))]


def test_it_shows_100_unless_told(alice: User, alices: Client) -> None:
    seed(alice, range(1, 103))
    assert len(listed(alices)) == 100
    assert len(listed(alices, "?limit=1000")) == len(listed(alices, "?limit=500&offset=0")) == 102
    assert listed(alices, f"?offset={10**40}") == []


@pytest.mark.parametrize(
    ("query", "status", "code"),
    [
        ("limit=0", 400, "invalid_limit"),
        ("limit=-1", 400, "invalid_limit"),
        ("limit=1001", 400, "invalid_limit"),
        (f"limit={10**40}", 400, "invalid_limit"),
        ("offset=-1", 400, "invalid_offset"),
        ("limit=", 422, "invalid_limit"),
        ("limit=ten", 422, "invalid_limit"),
        ("limit=1.5", 422, "invalid_limit"),
        ("limit=%00", 422, "invalid_limit"),
        ("limit=%D9%A3", 422, "invalid_limit"),  # an Arabic three
        ("offset=abc", 422, "invalid_offset"),
        ("offset=1e3", 422, "invalid_offset"),
    ],
)
def test_it_refuses_a_page_that_cannot_be(alices: Client, query: str, status: int, code: str) -> None:
    assert check_refused(alices.get(f"{PATH}?{query}"), status)["code"] == code


def test_it_is_the_same_with_a_slash_and_never_from_a_cache(alice: User, alices: Client) -> None:
    make_conversation(alice)
    answer = alices.get(f"{PATH}/?limit=1")
    assert (answer.status_code, answer["Cache-Control"]) == (200, "no-cache")
    assert answer.json() == alices.get(f"{PATH}?limit=1").json()


@pytest.mark.parametrize("count", [1, 60])
def test_it_takes_three_queries_at_most_however_long_it_is(alice: User, alices: Client, count: int) -> None:
    seed(alice, range(count))
    with CaptureQueriesContext(connection) as queries:
        assert len(listed(alices)) == count
    assert len(queries) <= 3, [query["sql"][:200] for query in queries]


def test_it_reads_one_page_from_an_index_and_no_more(alice: User, alices: Client) -> None:
    seed(alice, range(2000))
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")
    with CaptureQueriesContext(connection) as queries:
        assert len(listed(alices, "?limit=20")) == 20
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN (ANALYZE, FORMAT JSON) {queries[-1]['sql']}")
        (plan,) = cursor.fetchone()[0]
    nodes = list(walk(plan["Plan"]))
    assert "conversations_newest" in {node.get("Index Name") for node in nodes}
    scans = [node for node in nodes if node.get("Relation Name") == "conversations"]
    read = [(node["Actual Rows"] + node.get("Rows Removed by Filter", 0)) * node["Actual Loops"] for node in scans]
    assert max(read) <= 40, read


def walk(node: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield node
    for inner in node.get("Plans", []):
        yield from walk(inner)

"""Pages of the list of conversations: cursors, orders, totals, and what they cost."""

import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.db.models import F
from django.test import Client
from django.test.utils import CaptureQueriesContext

from accounts.models import User
from config.tests.api_routes import check_refused
from config.tests.making import make_conversation
from conftest import signed_in
from conversations import listing
from conversations.models import Conversation
from drafts.management.commands.seed import make as seed

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
PATH = "/api/conversations"
SORTS = [(sort_by, sort_dir) for sort_by in listing.SORTS for sort_dir in ("desc", "asc")]
TITLES = ("a", "A", "b", "%", "é", "É", "🗼", "Zebra", "untitled", "x" * 300, "x" * 299 + "y")

each_sort = pytest.mark.parametrize(("sort_by", "sort_dir"), SORTS)


def asked(client: Client, **parameters: Any) -> dict[str, Any]:
    answer = client.get(PATH, parameters)
    assert answer.status_code == 200, answer.content[:300]
    body: dict[str, Any] = answer.json()
    return body


def pages(client: Client, **parameters: Any) -> Iterator[list[int]]:
    """The ids on each page, from the first to the last."""
    body = asked(client, **parameters)
    yield [row["id"] for row in body["conversations"]]
    while body["next"]:
        body = asked(client, **parameters, cursor=body["next"])
        yield [row["id"] for row in body["conversations"]]


def some(owner: User, count: int, chance: random.Random) -> list[Conversation]:
    """Conversations of which many are alike in what they are sorted by."""
    return Conversation.objects.bulk_create(
        Conversation(
            title=chance.choice(TITLES),
            url="draftloom:import/text/1",
            imported_by_user=owner,
            source="text",
            updated_at=NOON + timedelta(microseconds=chance.randrange(4)),
            import_date=NOON - timedelta(days=chance.randrange(4)),
        )
        for _ in range(count)
    )


def explained(query: str) -> list[dict[str, Any]]:
    """The nodes of the plan with which PostgreSQL runs a query."""
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN (ANALYZE, FORMAT JSON) {query}")
        (plan,) = cursor.fetchone()[0]
    return list(walk(plan["Plan"]))


def walk(node: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield node
    for inner in node.get("Plans", []):
        yield from walk(inner)


# ── Cursors ───────────────────────────────────────────────────────────────────────────────────────────────────────────


@each_sort
def test_its_pages_make_up_the_whole(alice: User, alices: Client, sort_by: str, sort_dir: str):
    some(alice, 23, random.Random(3))
    order = {"sort_by": sort_by, "sort_dir": sort_dir}
    (whole,) = pages(alices, **order)
    by_cursor = list(pages(alices, **order, limit=4))
    assert [len(page) for page in by_cursor] == [4, 4, 4, 4, 4, 3]
    assert sum(by_cursor, []) == whole
    by_offset = [asked(alices, **order, limit=4, offset=offset)["conversations"] for offset in range(0, 24, 4)]
    assert [[row["id"] for row in page] for page in by_offset] == by_cursor


@each_sort
def test_it_is_sorted_by_what_was_asked_for(alice: User, alices: Client, sort_by: str, sort_dir: str):
    some(alice, 30, random.Random(5))
    (found,) = pages(alices, sort_by=sort_by, sort_dir=sort_dir)
    rows = Conversation.objects.in_bulk()
    keys = {
        "updated": lambda row: (row.updated_at, row.pk),
        "imported": lambda row: (row.import_date, row.pk),
        "title": lambda row: (row.title[:200].lower(), row.pk),
    }
    expected = sorted(rows.values(), key=keys[sort_by], reverse=sort_dir == "desc")
    assert found == [row.pk for row in expected]


def test_it_goes_on_from_a_page_by_offset(alice: User, alices: Client):
    made = [make_conversation(alice, f"number {number}").pk for number in range(5)]
    body = asked(alices, limit=2, offset=1)
    assert [row["id"] for row in asked(alices, cursor=body["next"])["conversations"]] == [made[1], made[0]]


def test_it_ends_with_null(alice: User, alices: Client):
    assert asked(alices)["next"] is None
    for _ in range(2):
        make_conversation(alice)
    assert asked(alices, limit=2)["next"] is None
    assert asked(alices, limit=1)["next"]
    assert asked(alices, offset=10**30)["next"] is None


@each_sort
@pytest.mark.parametrize("number", range(2))
def test_it_repeats_nothing_and_leaves_nothing_out_while_others_work(
    alice: User, alices: Client, sort_by: str, sort_dir: str, number: int
):
    chance = random.Random(number)
    rows = some(alice, 30, chance)
    untouched, shown = {row.pk for row in rows}, list[int]()
    for page in pages(alices, sort_by=sort_by, sort_dir=sort_dir, limit=chance.randint(1, 6)):
        shown += page
        (new,) = some(alice, 1, chance)
        moved, gone = (
            chance.sample([row for row in rows if row.pk in untouched], 2) if len(untouched) > 8 else (new, new)
        )
        untouched -= {moved.pk, gone.pk}
        changes = {"title": chance.choice(TITLES), "updated_at": NOON + timedelta(days=1), "import_date": NOON}
        Conversation.objects.filter(pk=moved.pk).update(**changes)
        Conversation.objects.filter(pk=gone.pk).delete()
        rows.append(new)
    assert [pk for pk in shown if pk in untouched] == list(dict.fromkeys(pk for pk in shown if pk in untouched))
    assert untouched <= set(shown)


def test_it_goes_on_though_the_row_is_gone_where_it_stopped(alice: User, alices: Client):
    first, second, third = (make_conversation(alice, f"{n}", updated_at=NOON - timedelta(hours=n)).pk for n in range(3))
    body = asked(alices, limit=2)
    Conversation.objects.filter(pk__in=[first, second]).delete()
    assert [row["id"] for row in asked(alices, cursor=body["next"])["conversations"]] == [third]


def test_a_cursor_opens_nothing(alice: User, alices: Client, bob: User, settings: Any):
    for _ in range(3):
        make_conversation(alice)
    own = make_conversation(bob, updated_at=NOON)
    cursor = asked(alices, limit=1)["next"]
    settings.VISIBILITY = "private"
    assert [row["id"] for row in asked(signed_in(bob), cursor=cursor)["conversations"]] == [own.pk]


@pytest.mark.parametrize(
    "parameters",
    [
        {"cursor": ""},
        {"cursor": "abc"},
        {"cursor": "a\0b"},
        {"cursor": "x" * 5000},
        {"sort_by": "title"},
        {"sort_by": "imported"},
        {"sort_dir": "asc"},
        {"offset": 0},
    ],
)
def test_it_refuses_a_cursor_of_another_list(alice: User, alices: Client, parameters: dict[str, Any]):
    for _ in range(2):
        make_conversation(alice)
    cursor = asked(alices, limit=1)["next"]
    document = check_refused(alices.get(PATH, {"cursor": cursor} | parameters), 422)
    assert (document["code"], document["errors"][0]["field"]) == ("invalid_cursor", "cursor")


@pytest.mark.parametrize(
    ("name", "value"), [("sort_by", "score"), ("sort_by", ""), ("sort_dir", "down"), ("with_total", "perhaps")]
)
def test_it_refuses_an_order_that_it_does_not_know(alices: Client, name: str, value: str):
    document = check_refused(alices.get(PATH, {name: value}), 422)
    assert (document["code"], document["errors"][0]["field"]) == ("validation_error", name)


# ── Totals ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_it_counts_when_asked_and_not_else(alice: User, alices: Client):
    for number in range(5):
        make_conversation(alice, f"number {number}", is_locked=number == 0)
    body = asked(alices, with_total="true", limit=2)
    assert (body["total"], body["total_is_capped"]) == (5, False)
    assert asked(alices, with_total="true", limit=2, cursor=body["next"])["total"] == 5
    assert asked(alices, with_total="true", status="completed")["total"] == 1
    assert set(asked(alices)) == set(asked(alices, with_total="false")) == {"conversations", "next"}


def test_it_counts_only_what_may_be_seen(alice: User, alices: Client, bobs: Client, settings: Any):
    settings.VISIBILITY = "private"
    make_conversation(alice)
    assert asked(bobs, with_total="true")["total"] == 0


def test_it_stops_counting_where_it_gets_expensive(alice: User, alices: Client):
    chats = [Conversation(title="t", url="u", imported_by_user=alice, source="seed") for _ in range(10_000)]
    Conversation.objects.bulk_create(chats)
    assert asked(alices, with_total="true", limit=1)["total_is_capped"] is False
    make_conversation(alice)
    with CaptureQueriesContext(connection) as queries:
        body = asked(alices, with_total="true", limit=1)
    assert (body["total"], body["total_is_capped"]) == (10_000, True)
    assert "LIMIT 10001" in queries[-1]["sql"]


# ── What it costs ─────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(("parameters", "count"), [({}, 1), ({"with_total": "true"}, 2)])
def test_it_is_one_statement_and_one_more_for_the_total(
    alice: User, alices: Client, parameters: dict[str, Any], count: int
):
    seed(alice, range(30))
    cursor = asked(alices, limit=5)["next"]
    for one_more in ({}, {"cursor": cursor}, {"q": "tide", "has_files": "false", "importer": "me", "source": "seed"}):
        with CaptureQueriesContext(connection) as queries:
            asked(alices, limit=5, **parameters, **one_more)
        of_the_list = [query for query in queries if '"conversations"' in query["sql"]]
        assert len(of_the_list) == count


def test_it_reads_a_page_from_the_middle_of_an_index_and_no_more(alice: User, alices: Client):
    some(alice, 2000, random.Random(7))
    Conversation.objects.update(updated_at=F("updated_at") + F("id") * timedelta(seconds=1))
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE conversations")
        cursor.execute("SET LOCAL enable_seqscan = off")  # 2,000 small rows are soon read
    names = {"updated": "newest", "imported": "last_imported", "title": "by_title"}
    middle = Conversation.objects.earliest("id").pk + 1000
    for sort_by, sort_dir in SORTS:
        order = listing.ordering(sort_by, descending=sort_dir == "desc")
        row = Conversation.objects.values(*(key.name for key in order.keys if not key.expression), **order.computed)
        with CaptureQueriesContext(connection) as queries:
            body = asked(alices, limit=20, sort_by=sort_by, sort_dir=sort_dir, cursor=order.cursor(row.get(pk=middle)))
        assert len(body["conversations"]) == 20
        nodes = explained(queries[-1]["sql"])
        assert f"conversations_{names[sort_by]}" in {node.get("Index Name") for node in nodes}, sort_by
        scans = [node for node in nodes if node.get("Relation Name") == "conversations"]
        read = [(node["Actual Rows"] + node.get("Rows Removed by Filter", 0)) * node["Actual Loops"] for node in scans]
        assert max(read) <= 42, read
        assert max(node["Actual Rows"] for node in nodes if "Sort" in node["Node Type"]) <= 42

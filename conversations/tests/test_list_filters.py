"""What the list of conversations and the search leave out, by the same parameters."""

from datetime import UTC, datetime
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from accounts import keys
from accounts.models import READ_SCOPES, User
from config.tests.api_routes import check_refused
from config.tests.making import make_conversation, make_file

PATHS = {"list": "/api/conversations", "search": "/api/search"}
ALL = {"A lighthouse", "Baking bread", "The pier"}


@pytest.fixture
def three(alice: User, bob: User, folder: Any) -> None:
    make_file(make_conversation(alice, "A lighthouse", import_date=datetime(2025, 6, 1, 12, tzinfo=UTC)))
    late = datetime(2025, 3, 4, 23, 59, 59, 999_999, tzinfo=UTC)
    make_conversation(alice, "Baking bread", source="claude", import_date=late)
    make_conversation(bob, "The pier", source="text", is_locked=True, import_date=datetime(2025, 3, 5, tzinfo=UTC))


def test_every_filter_holds_in_the_list(alice: User, bob: User, alices: Client, three: None):
    for parameters, expected in (
        ({}, ALL),
        ({"status": "all", "importer": "", "q": ""}, ALL),
        ({"status": "completed"}, {"The pier"}),
        ({"status": "in_progress"}, ALL - {"The pier"}),
        ({"importer": "me"}, ALL - {"The pier"}),
        ({"importer": alice.pk}, ALL - {"The pier"}),
        ({"importer": bob.pk}, {"The pier"}),
        ({"importer": f"000{bob.pk}"}, {"The pier"}),
        ({"importer": 10**30}, set()),
        ({"importer": 10**9}, set()),
        ({"importer": "claude"}, {"Baking bread"}),
        ({"importer": "nobody"}, set()),
        ({"importer": "-1"}, set()),
        ({"importer": "me", "source": "text"}, set()),
        ({"source": "text"}, {"The pier"}),
        ({"has_files": "true"}, {"A lighthouse"}),
        ({"has_files": "false"}, ALL - {"A lighthouse"}),
        ({"date_to": "2025-03-04"}, {"Baking bread"}),
        ({"date_from": "2025-03-05", "date_to": "2025-05-31"}, {"The pier"}),
        ({"date_from": "2025-03-05"}, {"A lighthouse", "The pier"}),
        ({"date_from": "0001-01-01", "date_to": "9999-12-31"}, ALL),
        ({"q": "i", "source": "claude"}, {"Baking bread"}),
        ({"unknown": "parameter"}, ALL),
    ):
        found = {row["title"] for row in alices.get(PATHS["list"], parameters).json()["conversations"]}
        assert found == expected, parameters


def test_the_search_has_the_same_ones(bob: User, alices: Client, three: None):
    cases: tuple[tuple[dict[str, Any], set[str]], ...] = (
        ({}, ALL),
        ({"status": "completed"}, {"The pier"}),
        ({"importer": "me"}, ALL - {"The pier"}),
        ({"importer": bob.pk}, {"The pier"}),
        ({"importer": 10**30}, set()),
        ({"importer": "claude"}, {"Baking bread"}),
        ({"source": "claude"}, {"Baking bread"}),
        ({"source": "text", "importer": bob.pk, "status": "completed"}, {"The pier"}),
        ({"source": "text", "importer": "me"}, set()),
        ({"has_files": "true", "importer": "me"}, {"A lighthouse"}),
        ({"date_to": "2025-03-04"}, {"Baking bread"}),
    )
    for parameters, expected in cases:
        found = {
            hit["conversation_title"]
            for q in ALL
            for hit in alices.get(PATHS["search"], {**parameters, "q": q}).json()["results"]
        }
        assert found == expected, parameters


@pytest.mark.parametrize("path", PATHS.values())
@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("status", "locked"),
        ("status", ""),
        ("source", "nobody"),
        ("source", ""),
        ("importer", "x" * 41),
        ("importer", "a\0b"),
        ("date_from", "yesterday"),
        ("date_to", "2025-02-30"),
        ("has_files", "some"),
    ],
)
def test_it_names_the_parameter_that_it_does_not_take(alices: Client, path: str, name: str, value: str):
    document = check_refused(alices.get(path, {"q": "a", name: value}), 422)
    assert (document["code"], document["errors"][0]["field"]) == ("validation_error", name)


@pytest.mark.parametrize("q", ["a\0b", "x" * 1001])
def test_it_takes_no_text_that_is_too_long_or_cannot_be(alices: Client, q: str):
    assert check_refused(alices.get(PATHS["list"], {"q": q}), 422)["errors"][0]["field"] == "q"


@pytest.mark.parametrize(
    ("q", "expected"),
    [
        ("%", {"100% wool"}),
        ("_", {"snake_case"}),
        ("\\", {"back\\slash"}),
        ("WOOL", {"100% wool"}),
        ("  wool ", {"100% wool"}),
        ("маяк", {"Маяк"}),
        ("0% w", {"100% wool"}),
        ("'", {"it's"}),
        ("nothing", set()),
    ],
)
def test_it_looks_for_text_as_it_was_typed(alice: User, alices: Client, q: str, expected: set[str]):
    for title in ("100% wool", "snake_case", "back\\slash", "Маяк", "it's"):
        make_conversation(alice, title)
    assert {row["title"] for row in alices.get(PATHS["list"], {"q": q}).json()["conversations"]} == expected


def test_the_index_of_titles_serves_it(alice: User, alices: Client):
    make_conversation(alice, "Lamp")
    with CaptureQueriesContext(connection) as queries:
        assert len(alices.get(PATHS["list"], {"q": "lamp"}).json()["conversations"]) == 1
    with connection.cursor() as cursor:  # for one row any other way is as good
        cursor.execute("DROP INDEX conversations_newest, conversations_last_imported, conversations_by_title")
        cursor.execute("SET LOCAL enable_seqscan = off; SET LOCAL enable_indexscan = off")
        cursor.execute(f"EXPLAIN {queries[-1]['sql']}")
        assert "Bitmap Index Scan on idx_conversations_title_trgm" in str(cursor.fetchall())


@pytest.mark.parametrize("visibility", ["workspace", "private"])
def test_a_key_of_nobody_is_not_the_importer_of_anything(alice: User, settings: Any, visibility: str):
    make_conversation(alice)
    settings.VISIBILITY = visibility
    client = Client(headers={"X-API-Key": keys.create(service_name="reader", scopes=READ_SCOPES)})
    assert client.get(PATHS["list"], {"importer": "me"}).json()["conversations"] == []
    assert client.get(PATHS["search"], {"q": "lighthouse", "importer": "me"}).json()["results"] == []


def test_it_shows_a_member_nothing_of_somebody_elses_in_private(
    alice: User, bob: User, bobs: Client, three: None, settings: Any
):
    settings.VISIBILITY = "private"
    for parameters in ({"importer": alice.pk}, {"source": "claude"}, {"q": "bread"}, {"has_files": "true"}):
        assert bobs.get(PATHS["list"], parameters).json()["conversations"] == []

"""Cursors as text: what they hold, and that nothing else is taken for one."""

import base64
import json
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.api.cursors import IDENTIFIER, NUMBER, TEXT, TIME, Key, Ordering
from config.api.pagination import page_of
from config.exceptions import BadRequest, Invalid
from config.text import uuid7

BY_TIME = Ordering("things", (Key("at", TIME), Key("id", NUMBER)))
BY_NAME = Ordering("things by name", (Key("name", TEXT), Key("id", NUMBER)), descending=False)
RUNS = Ordering("runs", (Key("at", TIME), Key("id", IDENTIFIER)))
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)

times = st.datetimes(timezones=st.just(UTC))
numbers = st.integers(1, 2**63 - 1)
names = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=200)


def written(*parts: Any) -> str:
    """A cursor by hand, with whatever in it."""
    return base64.urlsafe_b64encode(json.dumps(parts, separators=(",", ":")).encode()).rstrip(b"=").decode()


def refused(ordering: Ordering, cursor: str) -> bool:
    with pytest.raises(Invalid) as caught:
        ordering.place(cursor)
    return (caught.value.code, caught.value.field) == ("invalid_cursor", "cursor")


@given(times, numbers)
def test_it_keeps_a_time_to_the_microsecond(at: datetime, pk: int):
    assert BY_TIME.place(BY_TIME.cursor({"at": at, "id": pk})) == (at, pk)


@given(names, numbers)
def test_it_keeps_every_text_in_characters_that_an_address_may_hold(name: str, pk: int):
    cursor = BY_NAME.cursor({"name": name, "id": pk})
    assert cursor.replace("-", "").replace("_", "").isalnum() and cursor.isascii()
    assert BY_NAME.place(cursor) == (name, pk)


@pytest.mark.parametrize("character", ["\x01", "🗼", '"', "\\", "ẞ"])
def test_it_holds_the_longest_key_of_any_characters(character: str):
    name = 200 * character
    assert BY_NAME.place(BY_NAME.cursor({"name": name, "id": 2**63 - 1})) == (name, 2**63 - 1)


def test_it_reads_the_keys_of_a_model_as_well():
    class Row:
        at, id = NOON, uuid7()

    assert RUNS.place(RUNS.cursor(Row())) == (NOON, Row.id)


def test_it_belongs_to_one_order():
    other_way = Ordering("things", BY_TIME.keys, descending=False)
    other_name = Ordering("others", BY_TIME.keys)
    cursor = BY_TIME.cursor({"at": NOON, "id": 5})
    assert all(refused(ordering, cursor) for ordering in (other_way, other_name, BY_NAME, RUNS))


@given(st.data())
def test_it_takes_no_cursor_that_was_changed(data: Any):
    cursor = BY_TIME.cursor({"at": data.draw(times), "id": data.draw(numbers)})
    at = data.draw(st.integers(0, len(cursor) - 1))
    changed = cursor[:at] + data.draw(st.sampled_from(["", "A", "=", " ", "\0", "é", "/", "AA"])) + cursor[at + 1 :]
    try:
        place = BY_TIME.place(changed)
    except Invalid as error:
        assert error.code == "invalid_cursor"
    else:  # it became another cursor, which names one place and is written in one way
        assert BY_TIME.cursor(dict(zip(("at", "id"), place, strict=True))) == changed


@given(st.text(max_size=60))
def test_it_takes_no_other_text(text: str):
    assert refused(BY_TIME, text)


@pytest.mark.parametrize(
    "parts",
    [
        [],
        ["things desc"],
        ["things desc", 0],
        ["things desc", 0, 1, 2],
        ["things desc", "0", 1],
        ["things desc", 0, "1"],
        ["things desc", 0, True],
        ["things desc", 0, 1.0],
        ["things desc", 0, None],
        ["things desc", 0, [1]],
        ["things desc", 0, 2**63],
        ["things desc", 0, 10**40],
        ["things desc", 10**18, 1],
        ["things desc", 2**63 - 1, 1],
        ["things desc", -(2**63) + 1, 1],
        [["things desc"], 0, 1],
    ],
)
def test_it_takes_nothing_that_no_row_can_have(parts: list[Any]):
    assert BY_TIME.place(written("things desc", 0, 1)) == (datetime(1970, 1, 1, tzinfo=UTC), 1)
    assert refused(BY_TIME, written(*parts))


@pytest.mark.parametrize("name", ["a\0b", "\ud83d", 5, None, ["a"], {}])
def test_it_takes_no_text_that_cannot_be_stored(name: Any):
    assert refused(BY_NAME, written("things by name asc", name, 1))


@pytest.mark.parametrize("pk", ["", "1", "A" * 36, "{01a2033d-ae82-716c-8809-2432d111e240}", 7, "01A2033D" + "0" * 24])
def test_it_takes_one_spelling_of_an_id(pk: Any):
    known = UUID("01a2033d-ae82-716c-8809-2432d111e240")
    assert RUNS.place(written("runs desc", 0, str(known)))[1] == known
    assert refused(RUNS, written("runs desc", 0, pk))
    assert refused(RUNS, written("runs desc", 0, str(known).upper()))


def test_it_takes_no_other_json():
    good = BY_TIME.cursor({"at": NOON, "id": 5})
    spaced = base64.urlsafe_b64encode(orjson.dumps(["things desc", 0, 1]).replace(b",", b", ")).rstrip(b"=").decode()
    deep = base64.urlsafe_b64encode(b"[" * 1400).rstrip(b"=").decode()
    for text in ("", good + "=", good + "\n", " " + good, good * 60, spaced, deep, written(), "e30", "bnVsbA", "MQ"):
        assert refused(BY_TIME, text)


# ── Parameters ────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_it_reads_a_page_from_a_query():
    cursor = BY_TIME.cursor({"at": NOON, "id": 5})
    assert page_of({}, BY_TIME).limit == 100
    assert page_of({}, BY_TIME, default=7).limit == 7
    page = page_of({"limit": "3", "cursor": cursor}, BY_TIME)
    assert (page.limit, page.offset, page.after) == (3, 0, (NOON, 5))
    page = page_of({"limit": "3", "offset": "9"}, BY_TIME)
    assert (page.limit, page.offset, page.after) == (3, 9, None)


@pytest.mark.parametrize(
    ("query", "kind", "code"),
    [
        ({"cursor": ""}, Invalid, "invalid_cursor"),
        ({"cursor": "x"}, Invalid, "invalid_cursor"),
        ({"cursor": BY_TIME.cursor({"at": NOON, "id": 5}), "offset": "0"}, Invalid, "invalid_cursor"),
        ({"cursor": BY_TIME.cursor({"at": NOON, "id": 5}), "limit": "0"}, BadRequest, "invalid_limit"),
        ({"limit": "8"}, BadRequest, "invalid_limit"),
        ({"limit": "x"}, Invalid, "invalid_limit"),
    ],
)
def test_it_refuses_a_page_that_cannot_be(query: dict[str, str], kind: type[Invalid], code: str):
    with pytest.raises(kind) as caught:
        page_of(query, BY_TIME, default=5, most=7)
    assert caught.value.code == code


def test_it_cuts_off_the_row_that_only_tells_of_more():
    page = page_of({"limit": "2"}, BY_TIME)
    rows = [{"at": NOON, "id": pk} for pk in (3, 2, 1)]
    assert page.cut(rows) == (rows[:2], BY_TIME.cursor(rows[1]))
    assert page.cut(rows[:2]) == (rows[:2], None)
    assert page.cut([]) == ([], None)

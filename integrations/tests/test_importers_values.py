from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from integrations.importers.branches import active_branch
from integrations.importers.values import identifier, model_name, moment, named_list, timestamp

NOON = datetime(2025, 10, 9, 12, 0, tzinfo=UTC)
SECONDS = 1_760_011_200


@pytest.mark.parametrize(
    "value",
    [
        SECONDS,
        float(SECONDS),
        SECONDS * 1_000,
        SECONDS * 1_000_000,
        SECONDS * 1_000_000_000,
        str(SECONDS),
        f"{SECONDS * 1_000}",
        "2025-10-09T12:00:00Z",
        "2025-10-09T12:00:00.000000Z",
        "2025-10-09T14:00:00+02:00",
        "2025-10-09 12:00:00",
        {"$date": {"$numberLong": str(SECONDS * 1_000)}},
        {"$date": "2025-10-09T12:00:00Z"},
        {"$date": SECONDS * 1_000},
    ],
)
def test_it_knows_a_time_in_each_form(value):
    assert moment(value) == NOON
    assert timestamp(value) == SECONDS


@pytest.mark.parametrize(
    "value",
    [None, True, 0, -1, float("nan"), float("inf"), 1e300, 10**400, "", "soon", "9" * 5000, "١٢٣", [], {}]
    + [{"$date": None}, {"$date": {"$date": {"$date": 5}}}, "0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-23:59"],
)
def test_it_takes_nothing_else_for_a_time(value):
    assert (moment(value), timestamp(value)) == (None, 0.0)


@settings(deadline=None)
@given(
    st.integers() | st.floats() | st.text() | st.from_regex(r"\A\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d)?([+-]\d\d:\d\d)?\Z")
)
def test_it_gives_a_time_of_our_age_or_none(value):
    time = moment(value)
    assert time is None or 1970 <= time.year <= 2100


def test_it_takes_only_plain_ids_and_model_names():
    assert (identifier("a-B_9"), identifier("a b"), identifier(5), identifier("x" * 201)) == ("a-B_9", "", "", "")
    assert (model_name("gpt 5"), model_name("é"), model_name("a\n"), len(model_name("x" * 500))) == (
        "gpt 5",
        "",
        "",
        100,
    )


def test_it_finds_the_items_of_a_list_or_of_the_list_that_is_named():
    assert list(named_list([1], "a")) == list(named_list({"b": 5, "a": [1]}, "b", "a")) == [1]
    assert list(named_list({"a": {}}, "a")) == list(named_list("text", "a")) == []


def branch(nodes, current=None):
    """`nodes` maps an id to its parent and its time; a time of None is a node that is no message."""
    found = active_branch(
        {key: (key, *node) for key, node in nodes.items()},
        current,
        parent=lambda node: node[1],
        time=lambda node: node[2] or 0,
        is_message=lambda node: node[2] is not None,
    )
    return [node[0] for node in found.nodes], found.others, found.is_chosen


TREE = {"root": (None, None), "a": ("root", 1), "b": ("a", 2), "old": ("a", 3), "older": ("root", 4), "c": ("b", 5)}


@pytest.mark.parametrize(
    ("current", "expected"),
    [
        ("c", (["root", "a", "b", "c"], 2, True)),
        ("old", (["root", "a", "old"], 2, True)),
        ("b", (["root", "a", "b"], 3, True)),
        (None, (["root", "a", "b", "c"], 2, False)),
        ("nowhere", (["root", "a", "b", "c"], 2, False)),
        (["c"], (["root", "a", "b", "c"], 2, False)),
    ],
)
def test_it_walks_up_from_the_node_that_is_named_and_else_from_the_newest_leaf(current, expected):
    assert branch(TREE, current) == expected
    assert branch(dict(reversed(TREE.items())), current) == expected


def test_it_takes_the_last_of_leaves_of_the_same_time():
    assert branch({"a": (None, 0), "b": ("a", 0), "c": ("a", 0)}) == (["a", "c"], 1, False)


def test_it_ends_where_parents_form_a_circle_or_are_missing():
    assert branch({"a": ("b", 1), "b": ("a", 2)}) == (["a", "b"], 0, False)
    assert branch({"a": ("a", 1)}, "a") == (["a"], 0, True)
    assert branch({"b": ("gone", 1), "c": ("b", 2)}) == (["b", "c"], 0, False)
    assert branch({"b": ([], 1), "c": ({}, 2)}) == (["c"], 1, False)
    assert branch({}) == branch({"root": (None, None)}) == ([], 0, False)


def test_it_walks_a_long_chain_in_good_time():
    chain = {str(number): (str(number - 1), number) for number in range(50_000)}
    assert len(branch(chain)[0]) == 50_000

"""Pieces of a text replaced, and what a model is told of an edit that can't be made."""

import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chat.edits import Edit, Unfit, apply_edits, parse_edits
from config.limits import DESCRIPTION_CHARACTERS, DRAFT_EDITS

TEXT = "# Goal\n\nBuild a lamp of brass.\n\n- buy brass\n- cut it\n"


def edited(text: str, *pairs: tuple[str, str]) -> str:
    return apply_edits(text, [Edit(*pair) for pair in pairs])


def refused(text: str, *pairs: tuple[str, str]) -> str:
    with pytest.raises(Unfit) as caught:
        edited(text, *pairs)
    return str(caught.value)


# ── Made ──────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_it_replaces_adds_and_removes() -> None:
    pairs = (("of brass", "of steel"), ("- cut it\n", "- cut it\n- polish it\n"), ("# Goal\n\n", ""))
    assert edited(TEXT, *pairs) == "Build a lamp of steel.\n\n- buy brass\n- cut it\n- polish it\n"


def test_each_edit_is_made_to_what_the_one_before_has_left() -> None:
    assert edited("a b", ("a", "c d"), ("d b", "e"), ("c e", "f")) == "f"
    assert edited("a b", ("b", "a"), ("a a", "b")) == "b"


def test_it_takes_texts_for_what_they_are_and_not_for_patterns() -> None:
    assert edited("cost: $1 (net) \\d+", ("$1 (net)", "\\1 \\g<0>")) == "cost: \\1 \\g<0> \\d+"


@given(st.text(max_size=30), st.text(min_size=1, max_size=5), st.text(max_size=30), st.text(max_size=10))
def test_it_changes_that_piece_and_nothing_else(before: str, old: str, after: str, new: str) -> None:
    text = before + old + after
    if old != new and text.find(old) == text.rfind(old) and "\r\n" not in text:
        assert edited(text, (old, new)) == before + new + after


def test_it_writes_line_ends_as_the_draft_does() -> None:
    text = "one\r\ntwo\r\nthree\r\n"
    assert edited(text, ("one\ntwo", "one\n\n2")) == "one\r\n\r\n2\r\nthree\r\n"
    assert edited(text, ("one\r\ntwo", "1\r\n2")) == "1\r\n2\r\nthree\r\n"
    assert edited("one\r\ntwo\nthree", ("two\n", "2\n")) == "one\r\n2\nthree"


def test_it_stores_nothing_that_cannot_be_stored() -> None:
    assert parse_edits([{"old": "a\x00", "new": "b\ud800\x00"}]) == [Edit("a", "b\ufffd")]


# ── Refused ───────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("pairs", "number", "reason"),
    [
        ([("", "x")], 1, "`old` is empty"),
        ([("brass", "steel")], 1, "occurs 2 times"),
        ([("lamp", "lamp")], 1, "are the same"),
        ([("lamp", "tower"), ("gold", "tin")], 2, "does not occur in the description"),
        ([("Build a lamp", "Buy one"), ("a lamp of", "b")], 2, "An earlier edit of this call has changed it"),
        (
            [("build a  lamp\nof Brass", "x")],
            1,
            "With other white space or capitals it stands there as “Build a lamp of brass”",
        ),
        ([("Build one lamp of gold.", "x")], 1, "The line most like it is “Build a lamp of brass.”"),
    ],
)
def test_it_says_which_edit_is_wrong_and_how(pairs: list[tuple[str, str]], number: int, reason: str) -> None:
    told = refused(TEXT, *pairs)
    assert told.startswith(f"Edit {number}: ")
    assert reason in told


def test_it_counts_pieces_that_overlap() -> None:
    assert "occurs 2 times" in refused("aaa", ("aa", "b"))
    assert "occurs 3 times" in refused("ab ab ab", ("ab", "b"))


def test_it_gives_no_hint_where_nothing_is_alike() -> None:
    told = refused(TEXT, ("Ask the harbour master", "x"))
    assert "most like" not in told and "stands there" not in told
    assert "update_project_draft" in told


def test_its_hints_stay_short() -> None:
    told = refused("word " * 40_000, ("WORD " * 40_000, "x"), ("word word lamp", "y"))
    assert len(told) < 1_000


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (None, "`edits` must be a list"),
        ({"old": "a", "new": "b"}, "`edits` must be a list"),
        ("[]", "`edits` must be a list"),
        (["a"], "Edit 1: both `old` and `new`"),
        ([{"old": "a", "new": "b"}, {"old": "a"}], "Edit 2: both `old` and `new`"),
        ([{"old": "a", "new": None}], "Edit 1: both `old` and `new`"),
        ([{"old": 5, "new": "b"}], "Edit 1: both `old` and `new`"),
        ([{"old": "a", "new": "b"}] * (DRAFT_EDITS + 1), f"There are {DRAFT_EDITS + 1} edits; at most {DRAFT_EDITS}"),
    ],
)
def test_it_says_what_is_wrong_with_a_list_of_edits(value: Any, reason: str) -> None:
    with pytest.raises(Unfit, match=reason):
        parse_edits(value)


@pytest.mark.parametrize(
    ("text", "old"),
    [
        ("a " * 100_000, "a " * 140 + "b"),
        ("a" + " " * 199_999, "a  b"),
        ("a\n" * 100_000, "b a"),
        ("a" * 200_000, "a" * 100_000),
        ("ab" * 100_000, "ab" * 50_000 + "c"),
    ],
    ids=["words", "white space", "lines", "overlapping", "nearly there"],
)
def test_it_takes_little_time_to_refuse(text: str, old: str) -> None:
    assert len(text) <= DESCRIPTION_CHARACTERS
    began = time.process_time()
    refused(text, (old, "x"))
    assert time.process_time() - began < 1

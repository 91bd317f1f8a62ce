"""What is shown of a text."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from search.snippets import SNIPPET_CHARACTERS, Snippet, snippet

LONG = "once upon a time " * 60 + "a LIGHTHOUSE had a lamp of glass" + " and so it goes on" * 60


def marked(shown: Snippet) -> list[str]:
    return [shown.text[start:end] for start, end in shown.highlights]


def test_a_short_text_is_shown_whole():
    assert snippet("A lamp.", ["lamp"]) == Snippet("A lamp.", [(2, 6)])


def test_a_long_text_is_cut_around_what_was_found():
    shown = snippet(LONG, ["lamp", "lighthous", "glass"])
    assert len(shown.text) <= SNIPPET_CHARACTERS
    assert shown.text.startswith("…") and shown.text.endswith("…")
    assert marked(shown) == ["LIGHTHOUSE", "lamp", "glass"]


def test_it_shows_the_place_with_the_most_different_words():
    text = "lamp lamp lamp " + "x " * 400 + "the lamp of the pier " + "x " * 400
    assert marked(snippet(text, ["lamp", "pier"])) == ["lamp", "pier"]


def test_a_text_without_the_words_is_shown_from_its_start():
    shown = snippet(LONG, ["whale"])
    assert shown.text.startswith("once upon")
    assert (shown.highlights, shown.text[-1]) == ([], "…")


def test_it_shows_the_end_of_a_text_without_dots_after_it():
    shown = snippet("x " * 400 + "the lamp", ["lamp"])
    assert shown.text.endswith("the lamp") and shown.text.startswith("…")


@pytest.mark.parametrize(
    ("stem", "words", "others"),
    [
        ("build", ["build", "Building", "builds"], ["rebuild", "bui"]),
        ("librari", ["library", "libraries"], ["libra"]),
        ("run", ["run", "running", "runs"], ["runtime", "prune"]),
        ("nation", ["nation", "national", "nationality"], ["nat"]),
        ("c", ["c", "C"], ["ca"]),
    ],
)
def test_it_marks_the_forms_of_a_word(stem: str, words: list[str], others: list[str]):
    assert marked(snippet(", ".join([*words, *others]), [stem])) == words


def test_it_marks_a_quoted_phrase_as_a_whole():
    shown = snippet("A Glass\nlamp, a lamp", ["glass", "lamp"], ["glass lamp"])
    assert marked(shown) == ["Glass\nlamp", "lamp"]


def test_it_counts_code_points():
    shown = snippet("👩‍🚀 🙂 naïve lamp", ["lamp"])
    ((start, end),) = shown.highlights
    assert "👩‍🚀 🙂 naïve lamp"[start:end] == "lamp"


@given(st.text(max_size=2000), st.lists(st.text(max_size=12), max_size=6), st.lists(st.text(max_size=12), max_size=3))
def test_every_highlight_is_within_the_snippet_and_after_the_one_before(
    text: str, lexemes: list[str], phrases: list[str]
):
    shown = snippet(text, lexemes, [phrase for phrase in phrases if phrase.strip()])
    assert len(shown.text) <= SNIPPET_CHARACTERS
    assert shown.text.strip("…").strip() in text
    last = 0
    for start, end in shown.highlights:
        assert last <= start < end <= len(shown.text)
        last = end

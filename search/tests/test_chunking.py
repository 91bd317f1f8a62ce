"""How text is cut into pieces."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from search.chunking import Piece, pieces

WORDS = st.text(alphabet="ab .!?\n`~é😀\u3000。", max_size=400)
CODE = "```python\ndef lamp():\n\n    return 'lit'\n```"


def texts(text: str, limit: int) -> list[str]:
    return [piece.text for piece in pieces(text, limit)]


@given(WORDS, st.integers(5, 120))
def test_it_loses_nothing_but_white_space_and_repeats_nothing(text: str, limit: int):
    found, end = pieces(text, limit), 0
    for piece in found:
        assert piece.start >= end and not text[end : piece.start].strip()
        end = piece.start + len(piece.text)
        assert text[piece.start : end] == piece.text
        assert 0 < len(piece.text) <= limit and piece.text == piece.text.strip()
    assert not text[end:].strip()


@given(st.lists(st.text(alphabet="abc ", min_size=1, max_size=30).filter(str.strip), max_size=20))
def test_no_two_neighbours_would_have_fitted_into_one(paragraphs: list[str]):
    text = "\n\n".join(paragraphs)
    found = pieces(text, 50)
    for piece, following in zip(found, found[1:], strict=False):
        first_of_next = re.split(r"\n\s*\n", following.text)[0]
        assert following.start + len(first_of_next) - piece.start > 50


def test_it_packs_paragraphs_together():
    assert texts("One.\n\nTwo.\n \nThree.", 12) == ["One.\n\nTwo.", "Three."]


@pytest.mark.parametrize("text", ["", " ", "\n\n \t\n", "\u3000"])
def test_it_makes_nothing_of_nothing(text: str):
    assert pieces(text, 100) == []


def test_it_says_where_a_piece_stands_in_code_points():
    assert pieces("😀 é.\n\nfound", 8) == [Piece(0, "😀 é."), Piece(6, "found")]


def test_it_keeps_a_block_of_code_whole():
    assert texts(f"Before it.\n\n{CODE}\n\nAfter it.", len(CODE)) == ["Before it.", CODE, "After it."]


@pytest.mark.parametrize("fence", ["```", "~~~~", "   ```js"])
def test_it_knows_where_a_block_of_code_ends(fence: str):
    mark = fence.strip().rstrip("js")
    block = f"{fence}\na\n\nb\n{mark}"
    assert texts(f"{block}\n\nc\n\nd", len(block.strip())) == [block.strip(), "c\n\nd"]


def test_a_shorter_or_another_fence_does_not_end_a_block():
    block = "````\n```\n\n~~~~\n\nx\n````"
    assert texts(f"{block}\n\nafter", len(block)) == [block, "after"]


def test_a_block_that_nobody_closed_goes_to_the_end():
    assert texts("a\n\n```\nb\n\nc\n", 9) == ["a", "```\nb\n\nc"]


def test_it_cuts_long_code_at_the_ends_of_lines():
    code = "```\n" + "\n".join(f"line {number:03}" for number in range(30)) + "\n```"
    found = texts(code, 60)
    assert all(re.fullmatch(r"(```|line \d{3})(\n(```|line \d{3}))*", piece) for piece in found)
    assert "\n".join(found) == code


def test_it_cuts_a_long_paragraph_at_the_end_of_a_sentence():
    assert texts("It is lit. The sea is dark! Who is there? Nobody", 30) == [
        "It is lit. The sea is dark!",
        "Who is there? Nobody",
    ]


def test_it_cuts_a_long_sentence_between_words_and_a_long_word_anywhere():
    assert texts("one two three four five", 12) == ["one two", "three four", "five"]
    assert texts("x" * 25, 10) == ["x" * 10, "x" * 10, "x" * 5]


def test_it_does_not_cut_early_for_a_sentence_that_ends_at_the_beginning():
    assert texts("Oh. " + "word " * 20, 60)[0].startswith("Oh. word word")


def test_it_takes_a_whole_book_in_little_time():
    assert len(pieces("x" * 3_000_000, 2000)) == 1500
    assert len(pieces("A sentence of words. " * 150_000, 2000)) > 1500

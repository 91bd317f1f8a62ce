"""Long texts in pieces."""

import time

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from integrations.llm.splitting import map_budget, split
from integrations.llm.tokens import size

texts = st.text(st.sampled_from(list("ab \n\r\t.é你😀\u0301\u200d")) | st.characters())


@given(texts, st.integers(4, 40))
@example("a\r\n\r\nb" * 9, 7)
def test_it_keeps_every_character_that_is_not_space_in_order(text, budget):
    assert "".join("".join(split(text, budget)).split()) == "".join(text.split())


@given(texts, st.integers(4, 40))
def test_it_gives_trimmed_pieces_that_fit(text, budget):
    pieces = split(text, budget)
    assert all(piece and piece == piece.strip() and size(piece) <= budget for piece in pieces)


@given(st.lists(st.text("ab", min_size=1, max_size=9), min_size=1), st.integers(30, 60))
def test_it_tears_no_paragraph_if_there_is_a_blank_line_in_the_second_half(paragraphs, budget):
    pieces = split("\n\n".join(paragraphs), budget)
    assert [part for piece in pieces for part in piece.split("\n\n")] == paragraphs


@pytest.mark.parametrize(
    ("text", "pieces"),
    [
        ("", []),
        (" \n\n ", []),
        ("short", ["short"]),
        ("aaaaaa\n\nbbbb", ["aaaaaa", "bbbb"]),
        ("aaaaaa\n \t\nbbbb", ["aaaaaa", "bbbb"]),
        ("aaaaa\r\n\r\nbbbb", ["aaaaa", "bbbb"]),
        ("a\n\nbbbbbbbbb", ["a\n\nbbbbbbb", "bb"]),  # the blank line is before half of the piece
        ("aaaaa\n\nb\n\nc", ["aaaaa\n\nb", "c"]),  # the last one counts
        ("aaaaaa\nbbbbbbbb", ["aaaaaa\nbbb", "bbbbb"]),  # not a blank line
    ],
)
def test_it_cuts_at_the_last_blank_line_unless_that_is_too_early(text, pieces):
    assert split(text, 10) == pieces


@pytest.mark.parametrize(
    "character",
    [
        "e\u0301",
        "e\u0301\u0323",
        "👍🏽",
        "👩\u200d💻",
        "❤\ufe0f",
        "🇩🇪",
        "\u1112\u1161\u11ab",
        "\ud83d\ude00",
        "🏴\U000e0067\U000e0062\U000e007f",
    ],
)
def test_it_never_tears_a_character_apart(character):
    for before in range(20):
        pieces = split("x" * before + character + "y" * 30, 20)
        assert sum(piece.count(character) for piece in pieces) == 1


def test_it_keeps_the_two_characters_of_a_line_end_together():
    pieces = split("aaaaaaaaa\r\nb", 10)
    assert pieces == ["aaaaaaaaa", "b"]
    assert split("a" * 9 + "\u200d\r\nb", 13)[0].endswith("\u200d")


def test_it_tears_what_alone_is_longer_than_a_piece():
    text = "e" + "\u0301" * 50
    assert "".join(split(text, 11)) == text
    assert split("😀😀", 1) == ["😀", "😀"]


@pytest.mark.parametrize("budget", [0, -1])
def test_it_refuses_a_budget_without_room(budget):
    with pytest.raises(ValueError, match="positive"):
        split("text", budget)


@pytest.mark.parametrize(
    "unit", ["words and words ", "\n", "\n" + " " * 99, "\u0301", "你", "a paragraph\n\n", "\u200d", "🇩"]
)
def test_it_takes_linear_time(unit):
    def seconds(length: int) -> float:
        text = unit * (length // len(unit))
        began = time.process_time()
        split(text, 4_000)
        return time.process_time() - began

    assert seconds(800_000) < 8 * max(seconds(200_000), 0.005)


@pytest.mark.parametrize(
    ("window", "system", "instruction", "budget"),
    [(4_096, 300, 50, 12_072), (128_000, 1_000, 100, 504_688), (728, 0, 0, 0), (500, 10, 10, 0)],
)
def test_it_leaves_room_for_the_prompts_and_the_answer(window, system, instruction, budget):
    assert map_budget(window, system, instruction) == budget


def test_it_leaves_more_room_for_text_of_small_tokens():
    assert map_budget(8_192, 300, 50, 2.5) == int((8_192 - 300 - 50 - 728) * 2.5)

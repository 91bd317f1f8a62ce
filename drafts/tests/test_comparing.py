"""The hunks between two texts: they make the one of the other exactly, they read well, and they cost little."""

import random
import time
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from config.limits import DESCRIPTION_CHARACTERS
from drafts import comparing
from drafts.comparing import Comparison, Hunk, Line, Segment, compare, compare_words

SECONDS = 1.0
PIECES = ["a", "b", "the ", "lamp", "Lamp. ", "\n", "\n\n", "\r\n", "\r", "\t", " ", "- ", "# ", "_"]
PIECES += ["\u2028", "\x85", "\x0c", "\x1e", "e\u0301", "灯", "塔", "👩\u200d🚀", "\u200d"]
TEXTS = st.lists(st.sampled_from(PIECES), max_size=40).map("".join)
BOOKS = st.lists(
    st.sampled_from(["", "same\n", "one two three\n", "one 2 three\n", "four\n", "\n", "end"]), max_size=40
)


def lines_of(text: str) -> list[str]:
    """A text's lines with their ends, as `diff` counts them."""
    *whole, rest = text.split("\n")
    return [f"{line}\n" for line in whole] + ([rest] if rest else [])


def side(segments: list[Segment], op: str) -> str:
    return "".join(segment.text for segment in segments if segment.op in ("equal", op))


def side_of(hunk: Hunk, op: str) -> str:
    return "".join(side(line.segments, op) for line in hunk.lines)


def applied(old: str, hunks: list[Hunk]) -> str:
    """The text that the hunks make of `old`, each at the lines it names, after a look whether these are its lines."""
    lines, made, at = lines_of(old), list[str](), 0
    for hunk in hunks:
        begin = hunk.from_start - bool(hunk.from_lines)
        assert side_of(hunk, "delete") == "".join(lines[begin : begin + hunk.from_lines])
        made += lines[at:begin]
        assert len(lines_of("".join(made))) == hunk.to_start - bool(hunk.to_lines)
        made.append(side_of(hunk, "insert"))
        at = begin + hunk.from_lines
    return "".join([*made, *lines[at:]])


def check(old: str, new: str) -> Comparison:
    """Everything that holds for any two texts."""
    found = compare(old, new)
    assert applied(old, found.hunks) == new
    for hunk in found.hunks:
        assert any(line.op != "equal" for line in hunk.lines)
        for line in hunk.lines:
            check_line(line, lines_of(old), lines_of(new), found.is_coarse)
    return found


def check_line(line: Line, old: list[str], new: list[str], is_coarse: bool) -> None:
    ops = {segment.op for segment in line.segments}
    assert all(segment.text for segment in line.segments)
    assert ops == {line.op} or line.op == "change"
    assert (line.from_line is None, line.to_line is None) == (line.op == "insert", line.op == "delete")
    for op, number, lines in (("delete", line.from_line, old), ("insert", line.to_line, new)):
        text = side(line.segments, op)
        assert number is None or text == lines[number - 1] or (is_coarse and text.startswith(lines[number - 1]))


def told(found: Comparison) -> Iterator[str]:
    """The lines as a person might write them down: `[-gone-]`, `{+new+}`."""
    marks = {"equal": "{}", "delete": "[-{}-]", "insert": "{{+{}+}}"}
    for hunk in found.hunks:
        yield f"@@ {hunk.from_start},{hunk.from_lines} {hunk.to_start},{hunk.to_lines}"
        for line in hunk.lines:
            yield "".join(marks[segment.op].format(segment.text) for segment in line.segments).replace("\n", "¶")


# ── Exactly ───────────────────────────────────────────────────────────────────────────────────────────────────────────


@settings(max_examples=300, deadline=None)
@given(TEXTS, TEXTS)
def test_it_makes_the_new_text_of_the_old_one(old: str, new: str) -> None:
    check(old, new)


@settings(max_examples=200, deadline=None)
@given(BOOKS, BOOKS)
def test_it_makes_the_new_text_of_the_old_one_in_several_hunks(old: list[str], new: list[str]) -> None:
    check("".join(old), "".join(new))


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=60), st.text(max_size=60))
def test_it_compares_any_two_texts_as_one_piece(old: str, new: str) -> None:
    segments = compare_words(old, new)
    assert (side(segments, "delete"), side(segments, "insert")) == (old, new)


@given(TEXTS)
def test_it_finds_nothing_between_a_text_and_itself(text: str) -> None:
    assert compare(text, text) == Comparison(is_coarse=False, hunks=[])


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("", "a\n", ["@@ 0,0 1,1", "{+a¶+}"]),
        ("a\n", "", ["@@ 1,1 0,0", "[-a¶-]"]),
        ("end", "end\n", ["@@ 1,1 1,1", "end{+¶+}"]),
        ("a\r\nb\r\n", "a\nb\r\n", ["@@ 1,2 1,2", "a[-\r-]¶", "b\r¶"]),
        ("a\u2028b\n", "a\u2028c\n", ["@@ 1,1 1,1", "a\u2028[-b-]{+c+}¶"]),
        ("a\x0cb\x85c", "a\x0cd\x85c", ["@@ 1,1 1,1", "a\x0c[-b-]{+d+}\x85c"]),
    ],
    ids=["from nothing", "to nothing", "end of line", "CRLF", "line separator", "form feed"],
)
def test_it_ends_a_line_with_a_line_feed_and_with_nothing_else(old: str, new: str, expected: list[str]) -> None:
    assert list(told(check(old, new))) == expected


# ── So that people can read it ────────────────────────────────────────────────────────────────────────────────────────


def test_it_marks_the_words_of_lines_that_were_rewritten_among_others_that_are_new() -> None:
    old = "# Goal\n\nBuild a bird feeder of cedar.\n\n- buy cedar\n- cut it\n"
    new = "# Goal\n\nBuild a large bird feeder of oak.\n\nIt lasts.\n\n- buy oak\n- cut it well\n- glue\n"
    assert list(told(check(old, new))) == [
        "@@ 1,6 1,9",
        "# Goal¶",
        "¶",
        "Build a {+large +}bird feeder of [-cedar-]{+oak+}.¶",
        "¶",
        "{+It lasts.¶+}",
        "{+¶+}",
        "- buy [-cedar-]{+oak+}¶",
        "- cut it{+ well+}¶",
        "{+- glue¶+}",
    ]


def test_it_shows_three_lines_around_and_joins_what_is_close() -> None:
    old = "".join(f"line {number}\n" for number in range(1, 31))
    new = old.replace("line 5\n", "LINE 5\n").replace("line 12\n", "LINE 12\n").replace("line 25\n", "")
    headings = [line for line in told(check(old, new)) if line.startswith("@@")]
    assert headings == ["@@ 2,14 2,14", "@@ 22,7 22,6"]


def test_it_does_not_call_a_line_rewritten_that_has_little_in_common() -> None:
    assert list(told(check("Ask the mayor first.\n", "Buy a lamp.\n"))) == [
        "@@ 1,1 1,1",
        "[-Ask the mayor first.¶-]",
        "{+Buy a lamp.¶+}",
    ]
    assert [line.op for line in compare("## Goal\n", "## Risks\n").hunks[0].lines] == ["delete", "insert"]


def test_it_keeps_words_of_any_script_whole_but_tells_chinese_characters_apart() -> None:
    assert compare_words("cafe\u0301 noir", "café noir")[:2] == [
        Segment("delete", "cafe\u0301"),
        Segment("insert", "café"),
    ]
    assert compare_words("an 👩‍🚀 flies", "an 👨‍🚀 flies")[1:3] == [
        Segment("delete", "👩‍🚀"),
        Segment("insert", "👨‍🚀"),
    ]
    assert compare_words("建一座灯塔。", "建一座高塔。") == [
        Segment("equal", "建一座"),
        Segment("delete", "灯"),
        Segment("insert", "高"),
        Segment("equal", "塔。"),
    ]


def test_it_joins_words_that_changed_side_by_side() -> None:
    assert compare_words("Build a small red house", "Build one tall tower") == [
        Segment("equal", "Build "),
        Segment("delete", "a small red house"),
        Segment("insert", "one tall tower"),
    ]


# ── At any size ───────────────────────────────────────────────────────────────────────────────────────────────────────

RANDOM = random.Random(7)
WORDS = [f"word{number}" for number in range(5000)]
DISTINCT = [chr(code) + "\n" for first, last in ((0x4E00, 0x9FFF), (0x20000, 0x33FFF)) for code in range(first, last)]


def shuffled(lines: list[str]) -> list[str]:
    return RANDOM.sample(lines, len(lines))


def prose(words: int, per_line: int) -> str:
    chosen = RANDOM.choices(WORDS, k=words)
    return "".join(" ".join(chosen[at : at + per_line]) + "\n" for at in range(0, words, per_line))


HOSTILE = {
    "lines all alike": ("b\n" + "a\n" * 99_990 + "c\n", "d\n" + "a\n" * 99_980 + "e\n"),
    "lines of two kinds": tuple("".join(RANDOM.choices(["a\n", "b\n"], k=100_000)) for _ in range(2)),
    "blank lines": ("\n" * 200_000, "\n" * 100_000 + "x" + "\n" * 99_999),
    "lines shuffled": ("".join(DISTINCT[:100_000]), "".join(shuffled(DISTINCT[:100_000]))),
    "lines in reverse": ("".join(DISTINCT[:100_000]), "".join(DISTINCT[99_999::-1])),
    "every second line": ("".join(DISTINCT[:100_000]), "".join(line + "z\n" for line in DISTINCT[:98_000:2])),
    "lines of words": (prose(10_000, 1), prose(10_000, 1)),
    "lines of many words": (prose(20_000, 20), prose(20_000, 20)),
    "one line of words": (prose(20_000, 20_000), prose(20_000, 20_000)),
    "one line of characters": ("".join(DISTINCT[::2]).replace("\n", "a "), "".join(DISTINCT).replace("\n", "")),
    "one line of punctuation": (".-" * 100_000, "-!" * 100_000),
    "one line of another": ("ab " * 66_000, "abc " * 50_000),
    "one against many": ("x", "".join(DISTINCT)),
    "lines somewhat alike": ("a b c d\ne f\n" * 14_000, "b a c d\nf e\n" * 14_000),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_it_takes_little_time_over_any_two_texts(name: str) -> None:
    old, new = (text[:DESCRIPTION_CHARACTERS] for text in HOSTILE[name])
    began = time.process_time()
    found = compare(old, new)
    assert time.process_time() - began < SECONDS
    assert applied(old, found.hunks) == new
    assert sum(len(hunk.lines) for hunk in found.hunks) <= comparing.MOST_LINES
    assert sum(len(line.segments) for hunk in found.hunks for line in hunk.lines) <= 2 * comparing.MOST_SEGMENTS


def test_it_says_that_it_was_coarse_and_only_then() -> None:
    long = prose(30_000, 12)
    assert not check(long, long.replace("word7 ", "lamp ")).is_coarse
    assert check(*HOSTILE["lines all alike"]).is_coarse
    assert check(*HOSTILE["lines of many words"]).is_coarse


def test_it_replaces_all_from_the_first_change_to_the_last_where_there_are_too_many() -> None:
    old, new = (f"first\n{line * 6000}last\n" for line in ("x y\nsame\n", "x z\nsame\n"))
    (hunk,) = check(old, new).hunks
    assert [(line.op, line.from_line, line.to_line) for line in hunk.lines] == [
        ("equal", 1, 1),
        ("delete", 2, None),
        ("insert", None, 2),
        ("equal", 12_001, 12_001),
        ("equal", 12_002, 12_002),
    ]

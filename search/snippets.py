"""The part of a text that shows why it was found, and where in it the words of the query stand."""

import re
from bisect import bisect_right
from collections.abc import Sequence
from typing import NamedTuple

SNIPPET_CHARACTERS = 320
ELLIPSIS = "…"
BEFORE_CHARACTERS = 60  # of what comes before the first word
SHORT_STEM = 3
LONGEST_ENDING = 5  # as in `nation` and `national`, `connect` and `connection`

_WORD, _SPACE = re.compile(r"\w+"), re.compile(r"\s+")


class Snippet(NamedTuple):
    """`highlights` are the bounds of words in `text`, in code points, in their order and apart from each other."""

    text: str
    highlights: list[tuple[int, int]]


def snippet(text: str, lexemes: Sequence[str], phrases: Sequence[str] = ()) -> Snippet:
    """At most `SNIPPET_CHARACTERS` of `text`, as they stand there, around the place with the most different words.

    `lexemes` are stems as PostgreSQL's `english` makes them; a text that has none of them is shown from its start.
    """
    marks = _marks(text, lexemes, phrases)
    if len(text) <= SNIPPET_CHARACTERS:
        return Snippet(text, [(mark.start, mark.end) for mark in marks])
    start, end = _window(text, marks)
    shown = f"{ELLIPSIS if start else ''}{text[start:end].rstrip()}{ELLIPSIS if end < len(text) else ''}"
    shift = start - len(ELLIPSIS if start else "")
    inside = [mark for mark in marks if start <= mark.start and mark.end <= end]
    return Snippet(shown, [(mark.start - shift, mark.end - shift) for mark in inside])


class _Mark(NamedTuple):
    start: int
    end: int
    lexeme: str


def _marks(text: str, lexemes: Sequence[str], phrases: Sequence[str]) -> list[_Mark]:
    """Where words of the query stand. A quoted phrase that stands there letter by letter is marked as a whole."""
    whole = [mark for phrase in phrases for mark in _phrase_marks(text, phrase)]
    found: list[_Mark] = []
    for mark in sorted([*whole, *_word_marks(text, lexemes)], key=lambda mark: (mark.start, -mark.end)):
        if not found or mark.start >= found[-1].end:
            found.append(mark)
    return found


def _phrase_marks(text: str, phrase: str) -> list[_Mark]:
    pattern = r"\s+".join(re.escape(word) for word in phrase.split())
    return [_Mark(*match.span(), phrase) for match in re.finditer(rf"(?<!\w){pattern}(?!\w)", text, re.IGNORECASE)]


def _word_marks(text: str, lexemes: Sequence[str]) -> list[_Mark]:
    stems = [stem for lexeme in lexemes for stem in _WORD.findall(lexeme)]
    found = []
    for match in _WORD.finditer(text):
        word = match.group().casefold()
        stem = next((stem for stem in stems if _is_form_of(word, stem)), None)
        if stem is not None:
            found.append(_Mark(*match.span(), stem))
    return found


def _is_form_of(word: str, stem: str) -> bool:
    """Whether the word may have this stem, which ends in `i` where the word may have a `y`.

    A short stem takes short endings only, unless its last letter is doubled before them, as in `running`.
    """
    if word == stem:
        return True
    beginning = stem[:-1] if stem.endswith("i") else stem
    is_long = len(stem) > SHORT_STEM or word.startswith(stem + stem[-1])
    ending = len(word) - len(stem)
    return len(stem) > 2 and word.startswith(beginning) and ending <= (LONGEST_ENDING if is_long else 2)


def _window(text: str, marks: Sequence[_Mark]) -> tuple[int, int]:
    """Bounds of what is shown, without its ellipses: from the end of a word to the end of a word if that can be."""
    room = SNIPPET_CHARACTERS - 2 * len(ELLIPSIS)
    start = max(0, min(_best_start(marks, room) - BEFORE_CHARACTERS, len(text) - room))
    if start:
        gap = _SPACE.search(text, start, start + BEFORE_CHARACTERS // 2)
        start = gap.end() if gap else start
    end = min(len(text), start + room)
    if end < len(text):
        cut = max(text.rfind(" ", 0, end), text.rfind("\n", 0, end))
        end = cut if cut > end - BEFORE_CHARACTERS // 2 else end
    return start, end


def _best_start(marks: Sequence[_Mark], room: int) -> int:
    """The mark after which the most different words follow within what can be shown; the first of several."""
    best, most, ends = 0, 0, [mark.end for mark in marks]
    for number, mark in enumerate(marks):
        last = bisect_right(ends, mark.start + room - 2 * BEFORE_CHARACTERS)
        count = len({other.lexeme for other in marks[number:last]})
        if count > most:
            best, most = mark.start, count
    return best

"""What has changed between two texts: hunks of lines, and in lines that have changed the words.

Both are pure values, ready to be shown. A comparison takes less than a second whatever the texts are; where one would
take longer, larger pieces stand as replaced, and it `is_coarse`. It is never wrong: of any entry, what is equal and
what was inserted make the new text, what is equal and what was deleted the old one.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

from drafts.matching import Budget, Gap, Pair, Run, common, gaps

CONTEXT_LINES = 3  # as `diff -u` shows
MOST_CELLS = 100_000_000  # of tables with one bit each: 12 MB, 50 ms
MOST_LOOKS = 1_000_000  # at words of lines that may be versions of each other: 200 ms
PAIR_LOOKS = 8  # what it takes to begin with two lines
MOST_LINES = 10_000  # in an answer
MOST_SEGMENTS = 20_000
ALIKE = 0.4  # of the words of both: a line with so many in common is a new version of the other one
BLANK = 0.1  # of a word is what two lines without any have in common
MOST_FILLERS = 3

# A line's end; other white space; punctuation; a Chinese or Japanese character, as these write no spaces; other words.
_CHARACTER = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
_PUNCTUATION = "!-/:-@\\[-`{-~\u00a1-\u00bf\u2010-\u2027\u2030-\u205e\u3001-\u3011\uff01-\uff0f"
_TOKEN = re.compile(rf"\n|[^\S\n]+|[{_PUNCTUATION}]|[{_CHARACTER}]|[^\s{_PUNCTUATION}{_CHARACTER}]+")
_LINE = re.compile(r"[^\n]*\n|[^\n]+")


@dataclass(frozen=True, slots=True)
class Segment:
    op: Literal["equal", "delete", "insert"]
    text: str


@dataclass(frozen=True, slots=True)
class Line:
    """A line of the old text, of the new one, or of both. `change` is one that has become another.

    The line numbers count from 1 and are those of the side that has the line; text includes the line's end. In a coarse
    comparison `delete` and `insert` may stand for several lines in a row, the first of which is numbered.
    """

    op: Literal["equal", "delete", "insert", "change"]
    from_line: int | None
    to_line: int | None
    segments: list[Segment]


@dataclass(frozen=True, slots=True)
class Hunk:
    """Changes that lie close together, with the lines around them; numbered as in a unified diff.

    A side without lines has the number of the line before it, 0 at the start.
    """

    from_start: int
    from_lines: int
    to_start: int
    to_lines: int
    lines: list[Line]


@dataclass(frozen=True, slots=True)
class Comparison:
    is_coarse: bool
    hunks: list[Hunk]


def compare(old: str, new: str) -> Comparison:
    """The hunks that make `new` of `old`. A line ends with LF alone, a CR before it belongs to its text."""
    return _Comparing(_LINE.findall(old), _LINE.findall(new)).result()


def compare_words(old: str, new: str) -> list[Segment]:
    """Two short texts as one piece."""
    return _words(_TOKEN.findall(old), _TOKEN.findall(new), Budget(MOST_CELLS))


def most_alike(wanted: str, lines: Sequence[str]) -> str | None:
    """The line that shares the greatest part of its words and `wanted`'s, unless even that is a small one."""
    bag = _bag(wanted)
    rated = ((_share(bag, other), line) for line in lines if (other := _bag(line)))
    share, line = max(rated, key=lambda pair: pair[0], default=(0.0, ""))
    return line if share >= ALIKE else None


class _Comparing:
    """One comparison, and what it may still cost."""

    def __init__(self, old: list[str], new: list[str]) -> None:
        self.old, self.new = old, new
        self.cells, self.looks = Budget(MOST_CELLS), Budget(MOST_LOOKS)
        self.segments, self.lines = Budget(MOST_SEGMENTS), Budget(MOST_LINES)

    def result(self) -> Comparison:
        runs = _settled(common(self.old, self.new, self.cells), self.old, lambda line: not line.strip())
        changes = list(gaps(runs))
        shown = sum(sum(change.sizes) + 2 * CONTEXT_LINES for change in changes)
        if not self.lines.allows(shown):
            changes = [Gap(changes[0].old, changes[-1].old_end, changes[0].new, changes[-1].new_end)]
        hunks = [self._hunk(group) for group in _grouped(changes)]
        return Comparison(any(b.is_spent for b in (self.cells, self.looks, self.segments, self.lines)), hunks)

    def _hunk(self, changes: Sequence[Gap]) -> Hunk:
        first, last = changes[0], changes[-1]
        lead = min(CONTEXT_LINES, first.old, first.new)
        trail = min(CONTEXT_LINES, len(self.old) - last.old_end, len(self.new) - last.new_end)
        whole = Gap(first.old - lead, last.old_end + trail, first.new - lead, last.new_end + trail)
        lines = list(self._equal(whole.old, first.old, whole.new))
        for change, following in pairwise([*changes, Gap(whole.old_end, 0, 0, 0)]):
            lines += self._changed(change)
            lines += self._equal(change.old_end, following.old, change.new_end)
        (from_lines, to_lines) = whole.sizes
        return Hunk(whole.old + bool(from_lines), from_lines, whole.new + bool(to_lines), to_lines, lines)

    def _equal(self, begin: int, end: int, new: int) -> Iterator[Line]:
        for place in range(begin, end):
            yield Line("equal", place + 1, new + place - begin + 1, [Segment("equal", self.old[place])])

    def _changed(self, change: Gap) -> Iterator[Line]:
        """The lines of a change: those that have become others, and between them what is gone and what is new."""
        if self.lines.is_spent:
            yield from self._replaced(change, whole=True)
            return
        old, new = change.old, change.new
        for old_offset, new_offset in self._alike(change):
            pair = Gap(old, change.old + old_offset, new, change.new + new_offset)
            yield from self._replaced(pair)
            yield from self._rewritten(pair.old_end, pair.new_end)
            old, new = pair.old_end + 1, pair.new_end + 1
        yield from self._replaced(Gap(old, change.old_end, new, change.new_end))

    def _replaced(self, change: Gap, *, whole: bool = False) -> Iterator[Line]:
        """Lines that are gone, then lines that are new; each an entry, or with `whole` all of them one."""
        old, new = self.old[change.old : change.old_end], self.new[change.new : change.new_end]
        if whole:
            old, new = ["".join(old)], ["".join(new)]
        for place, text in enumerate(filter(None, old), change.old + 1):
            yield Line("delete", place, None, [Segment("delete", text)])
        for place, text in enumerate(filter(None, new), change.new + 1):
            yield Line("insert", None, place, [Segment("insert", text)])

    def _rewritten(self, old: int, new: int) -> Iterator[Line]:
        if self.old[old] == self.new[new]:
            yield from self._equal(old, old + 1, new)
            return
        segments = _words(_TOKEN.findall(self.old[old]), _TOKEN.findall(self.new[new]), self.cells)
        if self.segments.allows(len(segments)):
            yield Line("change", old + 1, new + 1, segments)
        else:
            yield from self._replaced(Gap(old, old + 1, new, new + 1))

    def _alike(self, change: Gap) -> list[Pair]:
        """Which line has become which, in order, as offsets: so that they have as many words in common as can be."""
        olds = [_bag(line) for line in self.old[change.old : change.old_end]]
        news = [_bag(line) for line in self.new[change.new : change.new_end]]
        looks = len(olds) * sum(map(len, news)) + len(news) * sum(map(len, olds)) + PAIR_LOOKS * len(olds) * len(news)
        if not self.looks.allows(looks):
            return []
        return _heaviest([[_likeness(old, new) for new in news] for old in olds])


def _heaviest(weights: list[list[float]]) -> list[Pair]:
    """Places in the table, ascending in both, whose sum is the greatest."""
    sums = [[0.0] * (len(weights[0]) + 1) if weights else [0.0]]
    for row in weights:
        above, sums_here = sums[-1], [0.0]
        for place, weight in enumerate(row):
            sums_here.append(max(above[place] + weight, above[place + 1], sums_here[place]))
        sums.append(sums_here)
    pairs, row_number, column = [], len(weights), len(sums[0]) - 1
    while row_number and column:
        if sums[row_number][column] == sums[row_number - 1][column]:
            row_number -= 1
        elif sums[row_number][column] == sums[row_number][column - 1]:
            column -= 1
        else:
            row_number, column = row_number - 1, column - 1
            pairs.append((row_number, column))
    return pairs[::-1]


def _bag(line: str) -> Counter[str]:
    """The line's words, how often each; punctuation says nothing about likeness."""
    return Counter(token for token in _TOKEN.findall(line) if token[0].isalnum())


def _likeness(old: Counter[str], new: Counter[str]) -> float:
    """How many words two lines have in common; 0 if these are only a few of theirs."""
    if not old and not new:
        return BLANK
    return (old & new).total() if _share(old, new) >= ALIKE else 0.0


def _share(old: Counter[str], new: Counter[str]) -> float:
    """Of the words of both, from 0 to 1."""
    return 2 * (old & new).total() / (old.total() + new.total())


def _words(old: list[str], new: list[str], budget: Budget) -> list[Segment]:
    segments: list[Segment] = []
    begin = Run(0, 0, 0)
    for run in _settled(common(old, new, budget), old, str.isspace):
        pieces = (
            Segment("delete", "".join(old[begin.old + begin.size : run.old])),
            Segment("insert", "".join(new[begin.new + begin.size : run.new])),
            Segment("equal", "".join(old[run.old : run.old + run.size])),
        )
        segments += (piece for piece in pieces if piece.text)
        begin = run
    return segments


def _settled(runs: Sequence[Run], old: Sequence[str], is_filler: Callable[[str], bool]) -> list[Run]:
    """Without the runs between two changes that are nothing but filler: a change is easier to read in one piece."""
    end = runs[-1]

    def is_between(run: Run) -> bool:
        return (run.old, run.new) != (0, 0) and (run.old + run.size, run.new + run.size) != (end.old, end.new)

    def is_all_filler(run: Run) -> bool:
        return run.size <= MOST_FILLERS and all(map(is_filler, old[run.old : run.old + run.size]))

    return [run for run in runs if not (is_between(run) and is_all_filler(run))]


def _grouped(changes: Sequence[Gap]) -> list[list[Gap]]:
    """Changes whose contexts touch stand together."""
    groups: list[list[Gap]] = []
    for change in changes:
        if groups and change.old - groups[-1][-1].old_end <= 2 * CONTEXT_LINES:
            groups[-1].append(change)
        else:
            groups.append([change])
    return groups

"""What two sequences have in common, in order, at a cost that is known beforehand."""

from bisect import bisect_left
from collections import Counter
from collections.abc import Hashable, Iterator, Sequence
from typing import NamedTuple

Elements = Sequence[Hashable]
Pair = tuple[int, int]
"""Positions of equal elements, in the old sequence and in the new one."""


class Budget:
    """Steps that a comparison may still take. `is_spent` once one was left out for the lack of them."""

    def __init__(self, steps: int) -> None:
        self._left = steps
        self.is_spent = False

    def allows(self, steps: int) -> bool:
        """Takes so many, if there are."""
        if steps > self._left:
            self.is_spent = True
            return False
        self._left -= steps
        return True


class Run(NamedTuple):
    """`size` equal elements in a row, from these positions on."""

    old: int
    new: int
    size: int


class Gap(NamedTuple):
    """A stretch of either sequence; the ends are exclusive."""

    old: int
    old_end: int
    new: int
    new_end: int

    @property
    def sizes(self) -> tuple[int, int]:
        return self.old_end - self.old, self.new_end - self.new


def common(old: Elements, new: Elements, budget: Budget) -> list[Run]:
    """The runs of equal elements, in order, closed by an empty one at the ends of both.

    Equal beginnings and ends are taken first; then what occurs once on either side (Bram Cohen's patience diff), since
    people recognise a text by that; and between those a longest common subsequence. A stretch for which `budget` does
    not allow the cells of its table, has nothing in common.
    """
    pairs, middle = _ends(old, new, Gap(0, len(old), 0, len(new)))
    anchors = _anchors(old, new, middle)
    pairs += anchors
    for gap in _between(anchors, middle):
        ends, rest = _ends(old, new, gap)
        pairs += ends
        pairs += _subsequence(old, new, rest, budget)
    return [*_runs(sorted(pairs)), Run(len(old), len(new), 0)]


def gaps(runs: Sequence[Run]) -> Iterator[Gap]:
    """What lies between the runs, and is not empty on both sides."""
    old = new = 0
    for run in runs:
        if (run.old, run.new) != (old, new):
            yield Gap(old, run.old, new, run.new)
        old, new = run.old + run.size, run.new + run.size


def _runs(pairs: Sequence[Pair]) -> Iterator[Run]:
    begin = size = 0
    for number, (old, new) in enumerate(pairs):
        if size and pairs[number - 1] != (old - 1, new - 1):
            yield Run(*pairs[begin], size)
            begin, size = number, 0
        size += 1
    if size:
        yield Run(*pairs[begin], size)


def _ends(old: Elements, new: Elements, gap: Gap) -> tuple[list[Pair], Gap]:
    """What the stretches begin with and end with alike, and the rest of them."""
    most = min(gap.sizes)
    head = tail = 0
    while head < most and old[gap.old + head] == new[gap.new + head]:
        head += 1
    while tail < most - head and old[gap.old_end - tail - 1] == new[gap.new_end - tail - 1]:
        tail += 1
    pairs = [(gap.old + place, gap.new + place) for place in range(head)]
    pairs += [(gap.old_end - place, gap.new_end - place) for place in range(tail, 0, -1)]
    return pairs, Gap(gap.old + head, gap.old_end - tail, gap.new + head, gap.new_end - tail)


def _anchors(old: Elements, new: Elements, gap: Gap) -> list[Pair]:
    """What occurs once on either side, as much of it as stands in the same order."""
    there = dict(_once(new, gap.new, gap.new_end))
    here = _once(old, gap.old, gap.old_end)
    return _longest_ascending([(place, there[element]) for element, place in here if element in there])


def _once(elements: Elements, begin: int, end: int) -> Iterator[tuple[Hashable, int]]:
    counts = Counter(elements[begin:end])
    return ((elements[place], place) for place in range(begin, end) if counts[elements[place]] == 1)


def _longest_ascending(pairs: Sequence[Pair]) -> list[Pair]:
    """Of pairs that ascend in the old positions, as many as possible that ascend in the new ones too."""
    least: list[int] = []  # the least new position at which a series of each length ends so far
    last: list[int] = []  # the number of the pair that stands there
    before: list[int] = []
    for number, (_, place) in enumerate(pairs):
        length = bisect_left(least, place)
        before.append(last[length - 1] if length else -1)
        least[length : length + 1], last[length : length + 1] = [place], [number]
    chosen, number = [], last[-1] if last else -1
    while number >= 0:
        chosen.append(pairs[number])
        number = before[number]
    return chosen[::-1]


def _between(anchors: Sequence[Pair], whole: Gap) -> Iterator[Gap]:
    """The stretches before, between and after the anchors that hold something on both sides."""
    old, new = whole.old, whole.new
    for anchor_old, anchor_new in [*anchors, (whole.old_end, whole.new_end)]:
        if old < anchor_old and new < anchor_new:
            yield Gap(old, anchor_old, new, anchor_new)
        old, new = anchor_old + 1, anchor_new + 1


def _subsequence(old: Elements, new: Elements, gap: Gap, budget: Budget) -> list[Pair]:
    olds, news = old[gap.old : gap.old_end], new[gap.new : gap.new_end]
    if not budget.allows(len(olds) * len(news)):
        return []
    if len(olds) <= len(news):
        return [(gap.old + column, gap.new + row) for column, row in _longest_common(olds, news)]
    return [(gap.old + row, gap.new + column) for column, row in _longest_common(news, olds)]


def _longest_common(columns: Elements, rows: Elements) -> Iterator[Pair]:
    """A longest common subsequence, from its end: Hyyrö, "Bit-parallel LCS-length computation revisited" (2004).

    The table of lengths has a column for each element of the shorter sequence. Of a row only the steps are kept, as one
    integer: its bit is 0 where the length grows from a column to the next. So a row costs a few operations on an
    integer of as many bits as there are columns.
    """
    steps = _steps(columns, rows)
    column, row = len(columns), len(rows)
    while column and row:
        if steps[row - 1] >> (column - 1) & 1:
            column -= 1
        elif row > 1 and not steps[row - 2] >> (column - 1) & 1:
            row -= 1
        else:
            column, row = column - 1, row - 1
            yield column, row


def _steps(columns: Elements, rows: Elements) -> list[int]:
    places: dict[Hashable, int] = {}
    for column, element in enumerate(columns):
        places[element] = places.get(element, 0) | 1 << column
    mask = (1 << len(columns)) - 1
    state, states = mask, []
    for element in rows:
        hits = state & places.get(element, 0)
        state = ((state + hits) | (state - hits)) & mask
        states.append(state)
    return states

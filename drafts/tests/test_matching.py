"""Runs of equal elements, against the definition of what a longest common subsequence is."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drafts.matching import Budget, Gap, Run, common, gaps

AMPLE = 10**9
SEQUENCES = st.lists(st.sampled_from("abc"), max_size=14)


def runs_of(old: str, new: str, steps: int = AMPLE) -> list[Run]:
    return common(list(old), list(new), Budget(steps))


def shared(old: str, new: str, steps: int = AMPLE) -> str:
    """The elements that the runs say both have."""
    return "|".join(old[run.old : run.old + run.size] for run in runs_of(old, new, steps)[:-1])


def longest(old: list[str], new: list[str]) -> int:
    """The length of a longest common subsequence, by the textbook."""
    table = [[0] * (len(new) + 1) for _ in range(len(old) + 1)]
    for row, one in enumerate(old):
        for column, other in enumerate(new):
            best = max(table[row][column + 1], table[row + 1][column])
            table[row + 1][column + 1] = table[row][column] + 1 if one == other else best
    return table[-1][-1]


@given(SEQUENCES, SEQUENCES)
def test_it_gives_runs_that_are_equal_and_in_order_and_end_at_the_ends(old: list[str], new: list[str]) -> None:
    runs = common(old, new, Budget(AMPLE))
    assert runs[-1] == Run(len(old), len(new), 0)
    for run in runs:
        assert old[run.old : run.old + run.size] == new[run.new : run.new + run.size]
    for run, following in pairwise(runs):
        assert run.size > 0
        assert run.old + run.size <= following.old and run.new + run.size <= following.new


@given(SEQUENCES, SEQUENCES)
def test_it_finds_as_much_as_there_is_where_nothing_is_unique(old: list[str], new: list[str]) -> None:
    # Other ends, and nothing that occurs once: no more than a longest common subsequence is left to look for.
    old, new = [*"(aabbcc", *old, ")"], [*"[aabbcc", *new, "]"]
    assert sum(run.size for run in common(old, new, Budget(AMPLE))) == longest(old, new)


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("", "", ""),
        ("abc", "abc", "abc"),
        ("abc", "", ""),
        ("", "abc", ""),
        ("axc", "ayc", "a|c"),
        ("xxaxx", "xxbxx", "xx|xx"),
        ("1a2b3", "4a5b6", "a|b"),
        ("abcd", "bcda", "bcd"),
    ],
)
def test_it_finds_what_people_see(old: str, new: str, expected: str) -> None:
    assert shared(old, new) == expected


def test_it_recognises_by_what_is_unique() -> None:
    # Of `xx` three would fit, if `A` did not stand before two of them in both.
    assert shared("1xxx1Axx2x2", "3AxxBxxx33") == "Axx|x"


def test_without_a_budget_it_finds_ends_and_what_is_unique_and_says_that_it_left_something_out() -> None:
    budget = Budget(0)
    runs = common(list("ab_cdcd_Z_efef_yz"), list("ab-dcdc-Z-fefe-yz"), budget)
    assert [(run.old, run.new, run.size) for run in runs] == [(0, 0, 2), (8, 8, 1), (15, 15, 2), (17, 17, 0)]
    assert budget.is_spent


def test_a_budget_is_spent_by_what_it_does_not_allow() -> None:
    budget = Budget(10)
    assert [budget.allows(6), budget.is_spent, budget.allows(5), budget.is_spent] == [True, False, False, True]
    assert budget.allows(4)


def test_it_knows_what_lies_between_the_runs() -> None:
    assert list(gaps(runs_of("axcd", "aycde"))) == [Gap(1, 2, 1, 2), Gap(4, 4, 4, 5)]
    assert list(gaps(runs_of("abc", "abc"))) == []
    assert list(gaps(runs_of("abc", ""))) == [Gap(0, 3, 0, 0)]

"""What is sent by raw socket to real web processes; `python -m bench.fuzz --bodies 10000` sends many more of it."""

import random
from collections import Counter
from collections.abc import Iterable
from random import Random

import pytest

from config.tests.api_routes import Route
from config.tests.hostile import Hostile
from config.tests.raw_sending import Target, stored_rows
from config.tests.stack import Stack

SPOILT, UNASKED, ODD = 260, 60, 80


@pytest.fixture
def dice() -> Random:
    return Random(random.getrandbits(32))  # pytest-randomly has seeded it, and says with what


def send(target: Target, requests: Iterable[tuple[Route, Hostile]]) -> tuple[Counter[int], list[str]]:
    """How often there was each status, and what was wrong."""
    statuses, wrong = Counter[int](), []
    for route, hostile in requests:
        answer = target.send(route, hostile)
        statuses[answer.status] += 1
        if reason := target.wrong_with(route, hostile, answer):
            wrong.append(f"{route}: {reason}: {answer} to {hostile}")
    return statuses, wrong


def test_it_refuses_what_is_spoilt_and_stores_nothing(stack: Stack, dice: Random) -> None:
    target = Target(stack.port)
    before = stored_rows()
    statuses, wrong = send(target, target.spoilt(dice, SPOILT))
    assert wrong == []
    assert stored_rows() == before
    assert statuses[400] > SPOILT / 4 and statuses[415] > SPOILT / 10


def test_it_is_not_brought_down_by_a_body_that_nobody_asked_for(stack: Stack, dice: Random) -> None:
    target = Target(stack.port)
    statuses, wrong = send(target, target.unasked(dice, UNASKED))
    assert wrong == []
    assert statuses[401] == 0


def test_it_stores_what_is_odd_as_it_was_meant_or_refuses_it(stack: Stack, dice: Random) -> None:
    target = Target(stack.port)
    statuses, wrong = send(target, target.odd(dice, ODD))
    assert wrong == []
    assert statuses[200] + statuses[201] > ODD / 2

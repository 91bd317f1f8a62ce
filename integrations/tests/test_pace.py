from concurrent.futures import ThreadPoolExecutor

import pytest

from integrations.importers.base import ImporterError
from integrations.pace import INTERVAL_SECONDS, LONGEST_WAIT_SECONDS, Pace


class Time:
    """A clock that stands still, and notes how long somebody would have slept."""

    def __init__(self) -> None:
        self.now = 100.0
        self.slept: list[float] = []

    def clock(self) -> float:
        return self.now


@pytest.fixture
def time() -> Time:
    return Time()


@pytest.fixture
def pace(time: Time) -> Pace:
    return Pace(time.clock, time.slept.append)


def test_it_lets_requests_to_one_host_take_turns(time, pace):
    for _ in range(3):
        pace.wait("a.example")
    assert time.slept == [0, INTERVAL_SECONDS, 2 * INTERVAL_SECONDS]


def test_it_makes_no_host_wait_for_another(time, pace):
    for host in ("a.example", "b.example"):
        pace.wait(host)
    assert time.slept == [0, 0]


def test_it_lets_a_request_pass_when_the_last_one_is_long_ago(time, pace):
    pace.wait("a.example")
    time.now += INTERVAL_SECONDS
    pace.wait("a.example")
    assert time.slept == [0, 0]


def test_it_turns_away_who_would_wait_too_long(time, pace):
    for _ in range(1 + int(LONGEST_WAIT_SECONDS / INTERVAL_SECONDS)):
        pace.wait("a.example")
    with pytest.raises(ImporterError) as caught:
        pace.wait("a.example")
    assert (caught.value.code, caught.value.extra) == ("rate_limited", {"stage": "queue"})
    time.now += INTERVAL_SECONDS
    pace.wait("a.example")
    assert max(time.slept) <= LONGEST_WAIT_SECONDS


def test_it_gives_each_thread_a_turn_of_its_own(time, pace):
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(pace.wait, ["a.example"] * 16))
    assert sorted(time.slept) == [number * INTERVAL_SECONDS for number in range(16)]

"""A runner that is too busy to renew its leases takes its own runs anew: each then has one owner all the same.

Runs of the kind `bulk`, which the other processes of the suite leave alone, once the one that does not is gone."""

import asyncio
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone

from config.live import Entry, first_seq, log_key
from config.redis import client
from config.tests.making import make_run
from config.tests.stack import empty_database, wait_until
from conftest import make_user
from conversations.models import Run
from conversations.runs import handlers, lifecycle
from conversations.runs.context import RunContext
from conversations.runs.event_log import EventLog, Teller
from conversations.runs.events import Event, Status
from conversations.runs.runner import Runner

SECONDS = 15.0


class Slow:
    """Waits for ever the first time, and until it is let go on the second time. `ends` is how each time ended."""

    def __init__(self) -> None:
        self.began: list[int] = []
        self.ends: list[str] = []
        self.go_on = threading.Event()

    async def execute(self, context: RunContext) -> None:
        self.began.append(context.run.fence)
        try:
            while context.run.fence == 1 or not self.go_on.is_set():  # noqa: ASYNC110 - set by another thread
                await asyncio.sleep(0.01)
            await context.finish(lambda run: {})
        except asyncio.CancelledError:
            self.ends.append(f"{context.run.fence} stopped")
            raise
        self.ends.append(f"{context.run.fence} finished")

    def interrupted(self, run: Run, text: str, reason: str) -> dict[str, Any]:
        return {}

    def terminal(self, run: Run) -> Event:
        return Status("over")

    def salvaged(self, run: Run) -> Event | None:
        return None


class Tidy(ThreadPoolExecutor):
    """Leaves no connection behind, which would keep the test database from being dropped."""

    def submit(self, function: Callable[..., Any], /, *args: Any, **options: Any) -> Future[Any]:
        def call() -> Any:
            try:
                return function(*args, **options)
            finally:
                connection.close()

        return super().submit(call)


class Running:
    """A runner in a thread of its own, as it is in a process of its own."""

    def __init__(self) -> None:
        self.error: BaseException | None = None
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        asyncio.run(self._work())

    async def _work(self) -> None:
        asyncio.get_running_loop().set_exception_handler(lambda _, told: setattr(self, "error", told.get("exception")))
        self._loop, self.runner = asyncio.get_running_loop(), Runner([Run.Kind.BULK], 5)
        self.runner._threads, self.runner._lease_thread = Tidy(4), Tidy(1)
        await self.runner.run()

    def stop(self) -> None:
        self._loop.call_soon_threadsafe(self.runner.stop)
        self._thread.join(SECONDS)


@pytest.fixture
def slow(monkeypatch: pytest.MonkeyPatch) -> Slow:
    handler = Slow()
    monkeypatch.setitem(handlers._handlers, Run.Kind.BULK, handler)
    return handler


@pytest.fixture
def running(django_db_setup: None, django_db_blocker: Any, slow: Slow) -> Iterator[Running]:
    with django_db_blocker.unblock():
        running = Running()
        yield running
        running.stop()
        empty_database()
        connection.close()


def take_anew(run: Run, slow: Slow) -> None:
    """Lets the first lease lapse and wakes the runner, until it has taken its own run; it may renew in between."""

    def lapse_and_ring() -> bool:
        Run.objects.filter(pk=run.pk, fence=1).update(lease_until=timezone.now() - timedelta(seconds=1))
        lifecycle.ring("queued")
        return len(slow.began) > 1

    wait_until(lapse_and_ring, SECONDS)


def test_it_stops_the_execution_whose_lease_lapsed_and_finishes_with_the_other(running: Running, slow: Slow):
    run = make_run(make_user("busy@example.org"), kind=Run.Kind.BULK, state=Run.State.QUEUED)
    lifecycle.ring("queued")
    wait_until(lambda: slow.began == [1], SECONDS)
    take_anew(run, slow)
    slow.go_on.set()
    wait_until(lambda: Run.objects.get(pk=run.pk).state == Run.State.DONE, SECONDS)
    wait_until(lambda: len(slow.ends) == len(slow.began), SECONDS)
    assert (Run.objects.get(pk=run.pk).fence, slow.began) == (2, [1, 2])
    assert sorted(slow.ends) == ["1 stopped", "2 finished"]
    assert running.error is None


def test_it_goes_on_renewing_the_lease_of_the_execution_that_is_left(running: Running, slow: Slow):
    run = make_run(make_user("busy@example.org"), kind=Run.Kind.BULK, state=Run.State.QUEUED)
    lifecycle.ring("queued")
    wait_until(lambda: slow.began == [1], SECONDS)
    take_anew(run, slow)
    wait_until(lambda: bool(slow.ends), SECONDS)
    before = Run.objects.get(pk=run.pk).lease_until
    wait_until(lambda: _lease(run) > before, SECONDS)
    slow.go_on.set()
    wait_until(lambda: Run.objects.get(pk=run.pk).state == Run.State.DONE, SECONDS)


def _lease(run: Run) -> Any:
    return Run.objects.get(pk=run.pk).lease_until


async def written(log: EventLog, *entries: Entry) -> None:
    writing = asyncio.create_task(log.write_forever())
    for entry in entries:
        log.append("self", entry)
    await asyncio.wait_for(log.drained(), SECONDS)
    writing.cancel()


@pytest.fixture
def log_of_nobody(django_db_setup: None) -> Iterator[None]:
    yield
    client().delete(log_key("self"))


def teller(fence: int, stopped: list[int]) -> Teller:
    def stop() -> None:
        stopped.append(fence)

    return Teller(fence, _nothing, stop)


def _nothing() -> None:
    pass


async def test_it_stops_only_the_owner_whose_event_redis_refuses(log_of_nobody: None):
    log, stopped = EventLog(), list[int]()
    log.open("self", teller(2, stopped))
    late, early = Entry(first_seq(2) + 1, "status", b"{}"), Entry(first_seq(1) + 5, "status", b"{}")
    await written(log, late, early)
    assert stopped == []
    await written(log, late)
    assert stopped == [2]


async def test_it_forgets_an_owner_only_by_its_own_fence(log_of_nobody: None):
    log, stopped = EventLog(), list[int]()
    log.open("self", teller(1, stopped))
    log.open("self", teller(2, stopped))
    log.close("self", 1)
    entry = Entry(first_seq(2) + 1, "status", b"{}")
    await written(log, entry, entry)
    assert stopped == [2]
    log.close("self", 2)
    await written(log, entry)
    assert stopped == [2]

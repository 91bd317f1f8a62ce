"""The writing side of the live event log: one connection, one pipeline for whatever has come together meanwhile.

Nothing that is kept depends on it. While Redis is away events are dropped; when it is back, every run that lost some
tells its story again from a `reset`.
"""

import asyncio
import logging
from collections.abc import Callable
from typing import NamedTuple

import redis.exceptions

from config.live import LOG_LENGTH, LOG_SECONDS_AFTER_END, LOG_SECONDS_WHILE_RUNNING, Entry, log_key
from config.redis import async_client

log = logging.getLogger(__name__)

BATCH = 500
PROBE_SECONDS = 0.5
PATIENCE_SECONDS = 5.0  # a busy event loop must not look like a Redis that is away
REDIS_ERRORS = (redis.exceptions.RedisError, OSError, asyncio.TimeoutError)


class Teller(NamedTuple):
    """What the log asks of a run's owner, who holds `fence`: to tell everything again, or to stop because another owner
    has written."""

    fence: int
    tell_again: Callable[[], None]
    stop: Callable[[], None]


class EventLog:
    def __init__(self) -> None:
        self._redis = async_client(connections=2, answer_seconds=PATIENCE_SECONDS)
        self._queue: asyncio.Queue[tuple[str, Entry]] = asyncio.Queue()
        self._tellers: dict[str, Teller] = {}
        self._broken: set[str] = set()

    def open(self, run_id: str, teller: Teller) -> None:
        self._tellers[run_id] = teller

    def close(self, run_id: str, fence: int) -> None:
        """Forgets the owner that holds `fence`, unless a later one has taken its place."""
        if (teller := self._tellers.get(run_id)) and teller.fence == fence:
            del self._tellers[run_id]

    def append(self, run_id: str, entry: Entry) -> None:
        self._queue.put_nowait((run_id, entry))

    async def drained(self) -> None:
        await self._queue.join()

    async def write_forever(self) -> None:
        while True:
            batch = [await self._queue.get()]
            while len(batch) < BATCH and not self._queue.empty():
                batch.append(self._queue.get_nowait())
            await self._write_or_drop(batch)
            for _ in batch:
                self._queue.task_done()

    async def _write_or_drop(self, batch: list[tuple[str, Entry]]) -> None:
        try:
            if self._broken:
                await self._recover()
            await self._write(batch)
        except REDIS_ERRORS as error:
            if not self._broken:
                log.warning("Events are dropped until Redis is back: %s", type(error).__name__)
            self._broken.update(run_id for run_id, _ in batch)
            await asyncio.sleep(PROBE_SECONDS)

    async def _recover(self) -> None:
        await self._redis.ping()
        broken, self._broken = self._broken, set()
        for run_id in broken:
            if teller := self._tellers.get(run_id):
                teller.tell_again()

    async def _write(self, batch: list[tuple[str, Entry]]) -> None:
        pipe = self._redis.pipeline(transaction=False)
        owners: list[tuple[str, int]] = []  # whose command each answer belongs to
        for run_id, entry in batch:
            key = log_key(run_id)
            pipe.xadd(key, {"t": entry.type, "d": entry.data}, id=f"{entry.seq}-0", maxlen=LOG_LENGTH, approximate=True)
            pipe.publish(key, entry.packed())
            owners += [(run_id, entry.fence)] * 2
            if entry.opens_fence or entry.is_terminal:
                pipe.expire(key, LOG_SECONDS_AFTER_END if entry.is_terminal else LOG_SECONDS_WHILE_RUNNING)
                owners.append((run_id, entry.fence))
        for (run_id, fence), answer in zip(owners, await pipe.execute(raise_on_error=False), strict=True):
            if isinstance(answer, redis.exceptions.ResponseError):
                self._refused(run_id, fence, answer)

    def _refused(self, run_id: str, fence: int, error: redis.exceptions.ResponseError) -> None:
        """Redis takes no number below one it has: then a newer owner has written, and this one must stop."""
        if "equal or smaller" not in str(error):
            log.warning("Redis refused an event of run %s", run_id)
            self._broken.add(run_id)
        elif (teller := self._tellers.get(run_id)) and teller.fence == fence:
            teller.stop()

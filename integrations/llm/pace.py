"""How long we wait for a provider, from the connection to the last byte."""

import asyncio
import math
from collections.abc import AsyncGenerator
from contextlib import aclosing, suppress
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Timeouts:
    """All in seconds.

    `first_byte` counts from the start of the call, `between_bytes` is the longest silence after it, `total` is for the
    whole answer, and `drain` for what may follow once the answer is over.
    """

    connect: float = 5.0
    first_byte: float = 60.0
    between_bytes: float = 30.0
    total: float = 600.0
    drain: float = 0.2


class _Watch:
    """Cancels a task that waits too long, with one timer for many waits: most end long before it would ring.

    A timer for each wait costs more than reading what has come.
    """

    def __init__(self, total: float) -> None:
        self._loop = asyncio.get_running_loop()
        self._deadline = self._loop.time() + total
        self._due = self._rings_at = math.inf
        self._timer: asyncio.TimerHandle | None = None
        self._task: asyncio.Task[object] | None = None
        self._cancels_before, self._has_cancelled = 0, False

    def start(self, patience: float) -> None:
        """The running task waits from now on, for `patience` seconds at most."""
        self._task = asyncio.current_task()
        self._due = min(self._loop.time() + patience, self._deadline)
        if self._due < self._rings_at:
            self._set(self._due)

    def stop(self) -> None:
        """It has what it waited for."""
        self._task = None

    def close(self) -> None:
        self.stop()
        if self._timer:
            self._timer.cancel()

    def has_run_out(self) -> bool:
        """Whether the `CancelledError` that has just arrived is this watch's and nobody else's."""
        if not (self._has_cancelled and self._task):
            return False
        return self._task.uncancel() <= self._cancels_before

    def _set(self, when: float) -> None:
        if self._timer:
            self._timer.cancel()
        self._rings_at = when
        self._timer = self._loop.call_at(when, self._ring)

    def _ring(self) -> None:
        self._rings_at = math.inf
        if self._task is None:
            return
        if self._loop.time() < self._due:
            self._set(self._due)
            return
        self._cancels_before = self._task.cancelling()
        self._has_cancelled = self._task.cancel()


async def paced(chunks: AsyncGenerator[bytes, None], timeouts: Timeouts) -> AsyncGenerator[bytes, None]:
    """The same chunks; raises `TimeoutError`, with `chunks` closed, when one takes too long.

    Only the waiting for the provider is timed, never what the consumer does between two chunks, apart from `total`.
    """
    watch = _Watch(timeouts.total)
    try:
        async with aclosing(chunks):
            watch.start(timeouts.first_byte)
            async for chunk in chunks:
                watch.stop()
                yield chunk
                watch.start(timeouts.between_bytes)
    except asyncio.CancelledError:
        if watch.has_run_out():
            raise TimeoutError from None
        raise
    finally:
        watch.close()


async def drain(chunks: AsyncGenerator[bytes, None], seconds: float) -> None:
    """Reads the rest of an answer that is over, so that its connection can serve the next call; gives up soon."""
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            async for _ in chunks:
                pass

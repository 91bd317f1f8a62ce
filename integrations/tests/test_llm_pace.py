"""How long somebody who reads from a provider waits at most."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing

import pytest

from integrations.llm.pace import Timeouts, drain, paced


class Source:
    """Chunks, each after its number of seconds."""

    def __init__(self, *waits: float) -> None:
        self._waits = waits
        self.is_closed = False

    async def chunks(self) -> AsyncGenerator[bytes, None]:
        try:
            for wait in self._waits:
                await asyncio.sleep(wait)
                yield b"x"
        finally:
            self.is_closed = True


async def read(source: Source, timeouts: Timeouts, pause: float = 0) -> int:
    """How many chunks came; the reader takes `pause` seconds for each."""
    seen = 0
    async with aclosing(paced(source.chunks(), timeouts)) as chunks:
        async for _ in chunks:
            seen += 1
            await asyncio.sleep(pause)
    return seen


async def test_it_gives_what_comes_in_time():
    source = Source(0.05, 0.01, 0.01)
    assert await read(source, Timeouts(first_byte=1, between_bytes=0.5)) == 3
    assert source.is_closed


@pytest.mark.parametrize(
    ("waits", "timeouts", "seconds"),
    [
        ((9,), Timeouts(first_byte=0.1), 0.1),
        ((0.05, 9), Timeouts(first_byte=5, between_bytes=0.1), 0.15),
        ((0.01, *[0.06] * 9, 9), Timeouts(first_byte=5, between_bytes=0.1), 0.65),
        ((0.01, *[0.01] * 99), Timeouts(total=0.2), 0.2),
    ],
    ids=["the first", "the second", "a late one", "all"],
)
async def test_it_gives_up_in_time_and_closes_the_source(waits, timeouts, seconds):
    source, clock = Source(*waits), asyncio.get_running_loop().time
    began = clock()
    with pytest.raises(TimeoutError):
        await read(source, timeouts)
    assert source.is_closed
    assert seconds - 0.01 < clock() - began < seconds + 1


async def test_it_does_not_count_what_the_reader_takes():
    assert await read(Source(0.01, 0.01, 0.01), Timeouts(first_byte=0.1, between_bytes=0.1), pause=0.15) == 3


async def test_it_watches_each_task_that_reads_in_its_turn():
    source = Source(0.01, 9)
    async with aclosing(paced(source.chunks(), Timeouts(between_bytes=0.1))) as chunks:
        assert await asyncio.wait_for(anext(chunks), 5) == b"x"
        with pytest.raises(TimeoutError):
            await asyncio.create_task(anext(chunks))
    current = asyncio.current_task()
    assert current is not None and current.cancelling() == 0


async def test_it_lets_a_cancellation_through():
    source = Source(9)
    task = asyncio.create_task(read(source, Timeouts()))
    await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert source.is_closed


async def test_it_keeps_within_another_limit_around_it():
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05):
            await read(Source(9), Timeouts())
    current = asyncio.current_task()
    assert current is not None and current.cancelling() == 0


async def test_it_drains_what_is_there_and_waits_no_longer():
    source = Source(0, 0, 9)
    chunks = source.chunks()
    await asyncio.wait_for(drain(chunks, 0.05), 1)
    assert source.is_closed

"""How long we wait for a provider, from the connection to the last byte."""

import asyncio
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


async def paced(chunks: AsyncGenerator[bytes, None], timeouts: Timeouts) -> AsyncGenerator[bytes, None]:
    """The same chunks; raises `TimeoutError`, with `chunks` closed, when one takes too long.

    Only the waiting for the provider is timed, never what the consumer does between two chunks, apart from `total`.
    """
    clock = asyncio.get_running_loop().time
    deadline, patience = clock() + timeouts.total, timeouts.first_byte
    async with aclosing(chunks):
        while True:
            async with asyncio.timeout_at(min(clock() + patience, deadline)):
                chunk = await anext(chunks, None)
            if chunk is None:
                return
            yield chunk
            patience = timeouts.between_bytes


async def drain(chunks: AsyncGenerator[bytes, None], seconds: float) -> None:
    """Reads the rest of an answer that is over, so that its connection can serve the next call; gives up soon."""
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            async for _ in chunks:
                pass

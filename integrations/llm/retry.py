"""The only retry loop there is around a language model."""

import asyncio
import random
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing

from integrations.llm.base import LLMProvider
from integrations.llm.errors import LLMError
from integrations.llm.events import LLMEvent
from integrations.llm.messages import ChatRequest

LONGEST_WAIT = 20.0


async def stream_with_retry(
    provider: LLMProvider,
    request: ChatRequest,
    *,
    attempts: int = 3,
    on_retry: Callable[[LLMError, float], Awaitable[None]] | None = None,
    backoff: float = 0.5,
) -> AsyncGenerator[LLMEvent, None]:
    """`provider.stream(request)`, asked up to `attempts` times while nothing of the answer has been seen.

    A retryable error is answered by `await on_retry(error, seconds)`, that many seconds of waiting and another attempt;
    the wait is what the provider asked for, else `backoff` seconds, doubled each time. After the first event every
    error is final, since a second answer would repeat or contradict what is on the screen.
    """
    for attempt in range(attempts):
        has_begun = False
        try:
            async with aclosing(provider.stream(request)) as events:
                async for event in events:
                    has_begun = True
                    yield event
            return
        except LLMError as error:
            if has_begun or not error.retryable or attempt == attempts - 1:
                raise
            wait = _wait(error, backoff * 2**attempt)
            if on_retry:
                await on_retry(error, wait)
        await asyncio.sleep(wait)


def _wait(error: LLMError, backoff: float) -> float:
    asked = backoff * random.uniform(0.75, 1.25) if error.retry_after is None else error.retry_after
    return min(asked, LONGEST_WAIT)

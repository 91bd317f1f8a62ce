"""The retry loop, and what it reads from a refusal."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import aclosing
from email.utils import formatdate

import pytest

from integrations.llm.completion import Completion, completion_of
from integrations.llm.errors import AuthenticationFailed, Interrupted, LLMError, ProviderUnavailable, RateLimited
from integrations.llm.events import Finished, LLMEvent, TextDelta, Usage
from integrations.llm.messages import ChatRequest, text_message
from integrations.llm.openai import OpenAIProvider
from integrations.llm.refusals import retry_after
from integrations.llm.retry import stream_with_retry
from integrations.tests.fake_openai import DONE, FakeOpenAI, Reply, chunk, finish, refused, text

REQUEST = ChatRequest("gpt-4o", (text_message("user", "Hello"),))
HELLO = [TextDelta("Hello"), Usage(7, 1, 3), Finished("stop")]


class Notes:
    """What `on_retry` was told."""

    def __init__(self) -> None:
        self.errors: list[type[LLMError]] = []
        self.waits: list[float] = []

    async def __call__(self, error: LLMError, seconds: float) -> None:
        self.errors.append(type(error))
        self.waits.append(seconds)


@pytest.fixture
async def fake() -> AsyncIterator[FakeOpenAI]:
    async with FakeOpenAI() as server:
        yield server


@pytest.fixture
async def provider(fake: FakeOpenAI) -> AsyncIterator[OpenAIProvider]:
    made = OpenAIProvider("openai", "sk-secret", fake.url)
    yield made
    await made.aclose()


async def collect(provider: OpenAIProvider, notes: Notes, attempts: int = 3) -> list[LLMEvent]:
    stream = stream_with_retry(provider, REQUEST, attempts=attempts, on_retry=notes, backoff=0.01)
    return [event async for event in stream]


async def test_it_tries_again_until_the_provider_has_time(fake, provider):
    fake.replies(refused(429), refused(429), text("Hello"))
    notes = Notes()
    assert await collect(provider, notes) == HELLO
    assert notes.errors == [RateLimited, RateLimited]
    assert len(fake.requests) == 3


async def test_it_waits_longer_each_time_but_never_in_step_with_others(fake, provider):
    fake.replies(refused(529))
    notes = Notes()
    with pytest.raises(ProviderUnavailable):
        await collect(provider, notes, attempts=4)
    assert [0.75 <= wait / (0.01 * 2**number) <= 1.25 for number, wait in enumerate(notes.waits)] == [True] * 3


async def test_it_gives_up_after_three_attempts(fake, provider):
    fake.replies(refused(529))
    with pytest.raises(ProviderUnavailable):
        await collect(provider, Notes())
    assert len(fake.requests) == 3


async def test_it_waits_as_long_as_the_provider_asks(fake, provider):
    fake.replies(refused(429, retry_after="0.2"), text("Hello"))
    notes, clock = Notes(), asyncio.get_running_loop().time
    began = clock()
    assert await collect(provider, notes) == HELLO
    assert notes.waits == [0.2]
    assert clock() - began >= 0.19


async def test_it_never_waits_longer_than_twenty_seconds(fake, provider):
    fake.replies(refused(503, retry_after="86400"))
    told: list[float] = []

    async def leave(_: LLMError, seconds: float) -> None:
        told.append(seconds)
        raise asyncio.CancelledError

    with pytest.raises(asyncio.CancelledError):
        await anext(stream_with_retry(provider, REQUEST, on_retry=leave))
    assert told == [20.0]


async def test_it_does_not_repeat_what_cannot_succeed(fake, provider):
    fake.replies(refused(401), text("Hello"))
    with pytest.raises(AuthenticationFailed):
        await collect(provider, Notes())
    assert len(fake.requests) == 1


async def test_it_never_starts_over_once_something_was_seen(fake, provider):
    fake.replies(Reply((chunk(content="So"),), ending="cut"), text("Hello"))
    seen: list[LLMEvent] = []
    with pytest.raises(Interrupted):
        async for event in stream_with_retry(provider, REQUEST, backoff=0.01):
            seen.append(event)
    assert seen == [TextDelta("So")]
    assert len(fake.requests) == 1


async def test_it_starts_over_when_an_answer_broke_before_anything_was_seen(fake, provider):
    fake.replies(Reply((chunk(role="assistant", content=""),), ending="cut"), text("Hello"))
    notes = Notes()
    assert await collect(provider, notes) == HELLO
    assert notes.errors == [ProviderUnavailable]


async def test_it_closes_the_connection_when_it_is_closed(fake, provider):
    fake.replies(Reply((chunk(content="a"),), ending="hang"))
    async with aclosing(stream_with_retry(provider, REQUEST)) as events:
        assert await anext(events) == TextDelta("a")
    await asyncio.wait_for(fake.gone.wait(), 1)


async def test_it_completes_after_a_retry_and_without_a_count(fake, provider):
    fake.replies(refused(503, retry_after="0"), Reply((chunk(content="So"), finish("length"), DONE)))
    assert await completion_of(stream_with_retry(provider, REQUEST)) == Completion("So", "length")


@pytest.mark.parametrize(
    ("value", "seconds"), [("3", 3.0), ("0.5", 0.5), ("-4", None), ("soon", None), ("", None), ("3 s", None)]
)
def test_it_reads_seconds(value, seconds):
    assert retry_after({"retry-after": value}) == seconds


def test_it_reads_a_date():
    assert retry_after({"retry-after": formatdate(time.time() + 30, usegmt=True)}) == pytest.approx(30, abs=2)
    assert retry_after({"retry-after": formatdate(0, usegmt=True)}) == 0.0
    assert retry_after({}) is None

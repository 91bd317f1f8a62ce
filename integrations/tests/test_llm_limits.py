"""How much and how long every provider takes from its vendor, whatever the wire."""

import asyncio
import contextlib
import socket
import time
from collections.abc import AsyncIterator

import pytest

from integrations.llm.errors import Interrupted, LLMError, ProviderUnavailable
from integrations.llm.events import Finished, Usage
from integrations.llm.messages import ChatRequest
from integrations.llm.openai import OpenAIProvider
from integrations.llm.pace import Timeouts
from integrations.tests.fake_model import Reply
from integrations.tests.llm_cases import CASES, MEGABYTE, Conversation, conversation, memory


@pytest.fixture(params=CASES)
async def talk(request: pytest.FixtureRequest) -> AsyncIterator[Conversation]:
    async with conversation(request.param) as made:
        yield made


# ── Too much ──────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("what", ["said", "thought", "call"])
async def test_it_stops_a_flood_at_the_cap(talk, what):
    fake, before = talk.fake, memory()
    piece = "x" * 30_000
    writes = {"said": [fake.said(piece)], "thought": [fake.thought(piece)], "call": fake.call(0, "c", "n", piece)}
    flood = next(write for write in writes[what] if len(write) > len(piece))
    fake.replies(Reply((*fake.head(), *fake.call(0, "c", "n"), flood), ending="flood"))
    events = await asyncio.wait_for(talk.collect(), 10)
    seen = sum(len(event.text) for event in events if not isinstance(event, Usage | Finished))
    assert seen == (0 if what == "call" else 399_999)  # a call counts as one
    assert events[-1] == Finished("length")
    await asyncio.wait_for(fake.gone.wait(), 1)
    assert fake.sent < 20 * MEGABYTE
    assert memory() - before < 50 * MEGABYTE


async def test_it_reads_only_the_beginning_of_an_endless_refusal(talk):
    before = memory()
    talk.fake.replies(Reply((b"x" * 65_536,), 529, ending="flood"))
    _, error = await asyncio.wait_for(talk.broken(), 10)
    assert type(error) is ProviderUnavailable
    assert talk.fake.sent < 20 * MEGABYTE
    assert memory() - before < 50 * MEGABYTE


# ── Too slow ──────────────────────────────────────────────────────────────────────────────────────────────────────────


async def time_to_break(name: str, timeouts: Timeouts, *writes: str) -> tuple[str, LLMError, float]:
    async with conversation(name, timeouts) as talk:
        talk.fake.replies(Reply(tuple(talk.fake.said(piece) for piece in writes), ending="hang"))
        await talk.provider.prepare()
        began = time.monotonic()
        said, error = await asyncio.wait_for(talk.broken(), 5)
        took = time.monotonic() - began
        await asyncio.wait_for(talk.fake.gone.wait(), 1)
        return said, error, took


@pytest.mark.parametrize("name", ["openai-chat", "openai-responses", "anthropic"])
async def test_it_waits_only_so_long(name):
    said, error, took = await time_to_break(name, Timeouts(first_byte=0.2, between_bytes=9))
    assert (said, type(error)) == ("", ProviderUnavailable)
    assert 0.19 < took < 1.2
    said, error, took = await time_to_break(name, Timeouts(first_byte=9, between_bytes=0.2), "a")
    assert (said, type(error)) == ("a", Interrupted)
    assert 0.19 < took < 1.2
    said, error, took = await time_to_break(name, Timeouts(total=0.2), "a")
    assert (said, type(error)) == ("a", Interrupted)
    assert 0.19 < took < 1.2


async def test_it_does_not_wait_for_a_connection_that_stays_open_after_the_end():
    async with conversation("openai-chat", Timeouts(between_bytes=30, drain=0.05)) as talk:
        talk.fake.replies(Reply(talk.fake.text("So").writes, ending="hang"))
        async with asyncio.timeout(5):
            assert (await talk.collect())[-1] == Finished("stop")
            await talk.fake.gone.wait()


async def test_it_gives_up_on_pings_without_end_and_keeps_none():
    async with conversation("openai-chat", Timeouts(total=1)) as talk:
        before = memory()
        talk.fake.replies(Reply((b": ping\n\n" * 8_000,), ending="flood"))
        said, error = await asyncio.wait_for(talk.broken(), 5)
        assert (said, type(error)) == ("", ProviderUnavailable)
        assert talk.fake.sent > MEGABYTE
        assert memory() - before < 50 * MEGABYTE


async def test_it_waits_only_so_long_for_a_connection():
    with socket.create_server(("127.0.0.1", 0), backlog=0) as full:
        address = full.getsockname()
        with contextlib.ExitStack() as waiting:
            for _ in range(3):  # nobody accepts them, and what comes after them gets no answer
                client = waiting.enter_context(socket.socket())
                client.setblocking(False)
                client.connect_ex(address)
            made = OpenAIProvider("full", "sk", f"http://127.0.0.1:{address[1]}", Timeouts(connect=0.2))
            await made.prepare()
            began = time.monotonic()
            with pytest.raises(ProviderUnavailable):
                await anext(made.stream(ChatRequest("m", ())))
            assert 0.19 < time.monotonic() - began < 1.2
            await made.aclose()

"""What holds for every provider, whatever its wire."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing

import pytest

from integrations.llm.base import LLMProvider
from integrations.llm.completion import Completion, complete
from integrations.llm.demo import DemoProvider
from integrations.llm.events import Finished, LLMEvent, TextDelta, ToolCall, Usage
from integrations.llm.messages import ChatRequest, ToolSpec, text_message
from integrations.llm.openai import OpenAIProvider
from integrations.llm.retry import stream_with_retry
from integrations.tests.fake_openai import DONE, FakeOpenAI, Reply, chunk, finish, text, tool_piece

TOOL = ToolSpec("update_project_draft", "Changes the draft.", {"type": "object"})
TALK = ChatRequest("a-model", (text_message("user", "Hello"),))
WISH = ChatRequest("a-model", (text_message("user", "rename it to Apollo"),), (TOOL,))

Ask = Callable[[ChatRequest], LLMProvider]


def wire_reply(request: ChatRequest) -> Reply:
    """What a model would say to `TALK` or `WISH`."""
    if not request.tools:
        return text("Hello", " you", reason="stop")
    pieces = [tool_piece(0, '{"title": "Apollo"', id="call_1", name=TOOL.name), tool_piece(0, "}")]
    return Reply((chunk(tool_calls=pieces), finish("tool_calls"), DONE))


@pytest.fixture(params=["openai", "demo"])
async def ask(request: pytest.FixtureRequest) -> AsyncIterator[Ask]:
    """Gives the provider that is going to answer a request."""
    async with FakeOpenAI() as server:
        openai = OpenAIProvider("openai", "sk", server.url)

        def prepared(asked: ChatRequest) -> LLMProvider:
            server.replies(wire_reply(asked))
            return openai if request.param == "openai" else DemoProvider(delay_ms=0)

        yield prepared
        await openai.aclose()


async def collect(provider: LLMProvider, asked: ChatRequest) -> list[LLMEvent]:
    return [event async for event in provider.stream(asked)]


@pytest.mark.parametrize("asked", [TALK, WISH], ids=["talk", "wish"])
async def test_it_finishes_once_and_last_and_counts_at_most_once(ask, asked):
    events = await collect(ask(asked), asked)
    assert [type(event) for event in events].count(Finished) == 1
    assert isinstance(events[-1], Finished)
    assert [type(event) for event in events].count(Usage) <= 1


async def test_it_talks_in_pieces_that_are_never_empty(ask):
    events = await collect(ask(TALK), TALK)
    pieces = [event.text for event in events if isinstance(event, TextDelta)]
    assert len(pieces) > 1
    assert all(pieces)
    assert events[-1] == Finished("stop")


async def test_it_calls_a_tool_with_complete_arguments(ask):
    events = await collect(ask(WISH), WISH)
    calls = [event for event in events if isinstance(event, ToolCall)]
    assert [call.name for call in calls] == [TOOL.name]
    assert calls[0].call_id
    assert json.loads(calls[0].arguments)["title"] == "Apollo"
    assert events[-1] == Finished("tool_calls")


async def test_it_can_be_closed_in_the_middle_and_asked_again(ask):
    provider = ask(TALK)
    async with aclosing(provider.stream(TALK)) as events:
        first = await anext(events)
    assert (await collect(provider, TALK))[0] == first


async def test_it_answers_several_at_once_without_mixing_them(ask):
    provider = ask(TALK)
    alone = await collect(provider, TALK)
    assert await asyncio.gather(*(collect(provider, TALK) for _ in range(5))) == [alone] * 5


async def test_it_gives_the_same_events_through_the_retry_loop(ask):
    provider = ask(TALK)
    assert [event async for event in stream_with_retry(provider, TALK)] == await collect(provider, TALK)


async def test_it_completes_a_request_in_one_piece(ask):
    provider = ask(TALK)
    events = await collect(provider, TALK)
    said = "".join(event.text for event in events if isinstance(event, TextDelta))
    counted = next(event for event in events if isinstance(event, Usage))
    assert await complete(provider, TALK) == Completion(said, "stop", counted)

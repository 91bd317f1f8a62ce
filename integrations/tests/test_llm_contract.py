"""What holds for every provider, whatever its wire."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing

import pytest

from integrations.llm.base import LLMProvider
from integrations.llm.completion import Completion, completion_of
from integrations.llm.demo import DemoProvider
from integrations.llm.events import Finished, LLMEvent, ReasoningDelta, TextDelta, ToolCall, Usage
from integrations.llm.messages import ChatRequest, text_message
from integrations.llm.retry import stream_with_retry
from integrations.tests.fake_model import Reply
from integrations.tests.llm_cases import CASES, TOOL, Conversation, conversation

TALK = (text_message("user", "Hello"),)
WISH = (text_message("user", "rename it to Apollo"),)


@pytest.fixture(params=CASES)
async def talk(request: pytest.FixtureRequest) -> AsyncIterator[Conversation]:
    async with conversation(request.param) as made:
        yield made


# ── What holds for the demo, too ──────────────────────────────────────────────────────────────────────────────────────

Ask = Callable[[str], tuple[LLMProvider, ChatRequest]]


@pytest.fixture(params=[*CASES, "demo"])
async def ask(request: pytest.FixtureRequest) -> AsyncIterator[Ask]:
    """Gives a provider that answers a talk or a wish, and the request."""
    if request.param == "demo":
        demo = DemoProvider(delay_ms=0)
        yield lambda what: (demo, ChatRequest("demo-1", WISH, (TOOL,)) if what == "wish" else ChatRequest("a", TALK))
        return
    async with conversation(request.param) as made:
        fake = made.fake
        called = fake.call(0, "call_1", TOOL.name, '{"title": "Apollo"', "}")
        replies = {
            "talk": fake.text("Hello", " you"),
            "wish": Reply((*fake.head(), *called, *fake.finish("tool_calls"))),
        }

        def prepared(what: str) -> tuple[LLMProvider, ChatRequest]:
            fake.replies(replies[what])
            asked = made.request(TOOL, messages=WISH) if what == "wish" else made.request(messages=TALK)
            return made.provider, asked

        yield prepared


async def collect(provider: LLMProvider, asked: ChatRequest) -> list[LLMEvent]:
    return [event async for event in provider.stream(asked)]


@pytest.mark.parametrize("what", ["talk", "wish"])
async def test_it_finishes_once_and_last_and_counts_at_most_once(ask, what):
    events = await collect(*ask(what))
    assert [type(event) for event in events].count(Finished) == 1
    assert isinstance(events[-1], Finished)
    assert [type(event) for event in events].count(Usage) <= 1


async def test_it_talks_in_pieces_that_are_never_empty(ask):
    events = await collect(*ask("talk"))
    pieces = [event.text for event in events if isinstance(event, TextDelta)]
    assert len(pieces) > 1
    assert all(pieces)
    assert events[-1] == Finished("stop")


async def test_it_calls_a_tool_with_complete_arguments(ask):
    events = await collect(*ask("wish"))
    calls = [event for event in events if isinstance(event, ToolCall)]
    assert [call.name for call in calls] == [TOOL.name]
    assert calls[0].call_id
    assert json.loads(calls[0].arguments)["title"] == "Apollo"
    assert events[-1] == Finished("tool_calls")


async def test_it_can_be_closed_in_the_middle_and_asked_again(ask):
    provider, asked = ask("talk")
    async with aclosing(provider.stream(asked)) as events:
        first = await anext(events)
    assert (await collect(provider, asked))[0] == first


async def test_it_answers_several_at_once_without_mixing_them(ask):
    provider, asked = ask("talk")
    alone = await collect(provider, asked)
    assert await asyncio.gather(*(collect(provider, asked) for _ in range(5))) == [alone] * 5


async def test_it_gives_the_same_events_through_the_retry_loop(ask):
    provider, asked = ask("talk")
    assert [event async for event in stream_with_retry(provider, asked)] == await collect(provider, asked)


async def test_it_completes_a_request_in_one_piece(ask):
    provider, asked = ask("talk")
    events = await collect(provider, asked)
    said = "".join(event.text for event in events if isinstance(event, TextDelta))
    counted = next(event for event in events if isinstance(event, Usage))
    assert await completion_of(stream_with_retry(provider, asked)) == Completion(said, "stop", counted)


# ── What comes back ───────────────────────────────────────────────────────────────────────────────────────────────────


async def test_it_streams_text_and_counts_tokens(talk):
    talk.fake.replies(talk.fake.text("Hello", " Wörld", " 🌍"))
    assert await talk.collect() == [
        TextDelta("Hello"),
        TextDelta(" Wörld"),
        TextDelta(" 🌍"),
        Usage(7, 3, 3),
        Finished("stop"),
    ]


async def test_it_keeps_thoughts_apart_from_the_answer(talk):
    fake = talk.fake
    fake.replies(Reply((*fake.head(), fake.thought("Let me "), fake.thought("see."), *fake.text("Yes.").writes)))
    assert (await talk.collect())[:3] == [ReasoningDelta("Let me "), ReasoningDelta("see."), TextDelta("Yes.")]


async def test_it_gives_out_a_tool_call_when_it_is_complete(talk):
    fake = talk.fake
    called = fake.call(0, "call_1", "update", '{"tit', 'le": "ü"}')
    fake.replies(Reply((*fake.head(), fake.said("One moment."), *called, *fake.finish("tool_calls", 5, 6))))
    assert await talk.collect(talk.request(TOOL)) == [
        TextDelta("One moment."),
        ToolCall("call_1", "update", '{"title": "ü"}'),
        Usage(5, 6),
        Finished("tool_calls"),
    ]


async def test_it_gives_out_two_tool_calls_in_their_order(talk):
    fake = talk.fake
    calls = (*fake.call(0, "call_a", "first", '{"a"', ": 1}"), *fake.call(1, "call_b", "second", '{"b": 2}'))
    fake.replies(Reply((*fake.head(), *calls, *fake.finish("tool_calls", 5, 6))))
    assert await talk.collect(talk.request(TOOL)) == [
        ToolCall("call_a", "first", '{"a": 1}'),
        ToolCall("call_b", "second", '{"b": 2}'),
        Usage(5, 6),
        Finished("tool_calls"),
    ]


async def test_it_passes_malformed_arguments_through(talk):
    fake = talk.fake
    called = fake.call(0, "call_1", "update", '{"title": "x", "desc', "}}}bad")
    fake.replies(Reply((*fake.head(), *called, *fake.finish("tool_calls"))))
    assert (await talk.collect(talk.request(TOOL)))[0] == ToolCall("call_1", "update", '{"title": "x", "desc}}}bad')


async def test_it_takes_a_call_without_arguments_for_one_with_none(talk):
    fake = talk.fake
    fake.replies(Reply((*fake.head(), *fake.call(0, "call_1", "create"), *fake.finish("tool_calls"))))
    assert (await talk.collect(talk.request(TOOL)))[0] == ToolCall("call_1", "create", "{}")


async def test_it_finishes_an_empty_answer(talk):
    talk.fake.replies(talk.fake.text())
    assert await talk.collect() == [Usage(7, 0, 3), Finished("stop")]


@pytest.mark.parametrize("reason", ["stop", "length", "refusal"])
async def test_it_says_why_the_model_stopped(talk, reason):
    talk.fake.replies(talk.fake.text("So", reason=reason))
    assert await talk.collect() == [TextDelta("So"), Usage(7, 1, 3), Finished(reason)]


async def test_it_takes_a_refusal_for_the_answer(talk):
    talk.fake.replies(Reply((*talk.fake.head(), *talk.fake.refusal())))
    events = await talk.collect()
    assert events[0] == TextDelta("I can't.")
    assert events[-1] == Finished("refusal")


async def test_it_leaves_out_a_tool_call_that_was_cut_off_by_the_length(talk):
    fake = talk.fake
    fake.replies(Reply((*fake.head(), *fake.call(0, "c", "u", '{"ti'), *fake.finish("length", 5, 6))))
    assert await talk.collect() == [Usage(5, 6), Finished("length")]


async def test_it_reads_through_comments_and_carriage_returns_and_split_characters(talk):
    stream = b": hello\r\n\r\nid: x\r\n" + b"".join(talk.fake.text("ä🌍").writes).replace(b"\n", b"\r\n")
    raw = stream.replace(b"\\u00e4\\ud83c\\udf0d", "ä🌍".encode())
    talk.fake.replies(Reply(tuple(raw[at : at + 5] for at in range(0, len(raw), 5))))
    assert await talk.collect() == [TextDelta("ä🌍"), Usage(7, 1, 3), Finished("stop")]


async def test_it_drops_nul_and_joins_a_character_that_comes_in_two_halves(talk):
    talk.fake.replies(talk.fake.text("a\x00b", "x\ud83d", "\ude00y", "\udc00", "\ud800", "z", "end\ud83d"))
    assert [event.text for event in await talk.collect() if isinstance(event, TextDelta)] == [
        *("ab", "x", "😀y", "\ufffd", "\ufffdz", "end", "\ufffd")
    ]


async def test_it_cleans_thoughts_and_tool_calls_too(talk):
    fake = talk.fake
    called = fake.call(0, "c\x00", "n\x00", '"\ud83d', '\ude00\x00\udc00"')
    fake.replies(Reply((*fake.head(), fake.thought("h\x00m"), *called, *fake.finish("tool_calls"))))
    assert (await talk.collect())[:2] == [ReasoningDelta("hm"), ToolCall("c", "n", '"😀\ufffd"')]


# ── Connections ───────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_it_adds_what_the_models_row_says_to_the_request(talk):
    options = {**talk.case.options, "extra_body": {"reasoning_effort": "low"}}
    await talk.collect(talk.request(options=options))
    assert talk.fake.requests[0]["reasoning_effort"] == "low"


async def test_it_closes_the_connection_when_the_iterator_is_closed(talk):
    talk.fake.replies(Reply((*talk.fake.head(), talk.fake.said("a")), ending="hang"))
    async with aclosing(talk.provider.stream(talk.request())) as events:
        assert await anext(events) == TextDelta("a")
    await asyncio.wait_for(talk.fake.gone.wait(), 1)


@pytest.mark.parametrize("has_begun", [False, True])
async def test_it_closes_the_connection_when_its_task_is_cancelled(talk, has_begun):
    talk.fake.replies(Reply((talk.fake.said("a"),) if has_begun else (), ending="hang"))
    task = asyncio.create_task(talk.collect())
    await asyncio.wait_for(talk.fake.asked.wait(), 5)
    await asyncio.sleep(0.02)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await asyncio.wait_for(talk.fake.gone.wait(), 1)


async def test_it_uses_a_connection_again(talk):
    for _ in range(3):
        await talk.collect()
    assert len(talk.fake.requests) == 3
    assert len(talk.fake.peers) == 1


async def test_it_serves_the_others_when_the_first_of_them_gives_up(talk):
    tasks = [asyncio.create_task(talk.collect()) for _ in range(3)]
    await asyncio.sleep(0)
    tasks[0].cancel()
    with pytest.raises(asyncio.CancelledError):
        await tasks[0]
    assert await asyncio.gather(*tasks[1:]) == [[TextDelta("Hello"), Usage(7, 1, 3), Finished("stop")]] * 2


@pytest.mark.parametrize("name", CASES)
def test_it_works_in_one_event_loop_after_another(name):
    fake = CASES[name].fake()

    async def address() -> str:
        async with fake as server:
            return server.url

    async def ask() -> list[LLMEvent]:
        async with fake:
            try:
                return [event async for event in provider.stream(ChatRequest("m", TALK, options=CASES[name].options))]
            finally:
                await provider.aclose()

    provider = CASES[name].provider(name, "sk", asyncio.run(address()))
    assert asyncio.run(ask()) == asyncio.run(ask()) == [TextDelta("Hello"), Usage(7, 1, 3), Finished("stop")]

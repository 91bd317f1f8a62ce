"""The OpenAI provider against a server that speaks its wire."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing

import pytest

from integrations.llm.errors import (
    AuthenticationFailed,
    ContextTooLong,
    Interrupted,
    LLMError,
    NotConfigured,
    ProviderRefused,
    ProviderUnavailable,
    RateLimited,
    UnknownModel,
)
from integrations.llm.events import Finished, LLMEvent, ReasoningDelta, TextDelta, ToolCall, Usage
from integrations.llm.messages import ChatRequest, Message, ToolCallPart, ToolResultPart, ToolSpec, text_message
from integrations.llm.openai import OpenAIProvider
from integrations.llm.openai_wire import Answer
from integrations.llm.pace import Timeouts
from integrations.tests.fake_openai import (
    DONE,
    FakeOpenAI,
    Reply,
    chunk,
    event,
    finish,
    refused,
    text,
    tool_piece,
    usage,
)

REQUEST = ChatRequest("gpt-4o", (text_message("system", "Be brief."), text_message("user", "Hello")))
IMPATIENT = Timeouts(first_byte=20, between_bytes=0.3)


@pytest.fixture
async def fake() -> AsyncIterator[FakeOpenAI]:
    async with FakeOpenAI() as server:
        yield server


@pytest.fixture
async def provider(fake: FakeOpenAI) -> AsyncIterator[OpenAIProvider]:
    made = OpenAIProvider("openai", "sk-secret", fake.url, IMPATIENT)
    yield made
    await made.aclose()


async def collect(provider: OpenAIProvider, request: ChatRequest = REQUEST) -> list[LLMEvent]:
    return [event async for event in provider.stream(request)]


async def broken(provider: OpenAIProvider) -> tuple[list[LLMEvent], LLMError]:
    """The events that came before the error, and the error."""
    seen: list[LLMEvent] = []
    with pytest.raises(LLMError) as caught:
        async for item in provider.stream(REQUEST):
            seen.append(item)
    return seen, caught.value


# ── What is sent ──────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_it_sends_the_request_as_the_vendor_wants_it(fake, provider):
    tool = ToolSpec("update_project_draft", "Changes the draft.", {"type": "object", "properties": {}})
    await collect(provider, ChatRequest("gpt-4o", REQUEST.messages, (tool,), 100))
    assert fake.requests == [
        {
            "model": "gpt-4o",
            "messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hello"}],
            "max_tokens": 100,
            "stream": True,
            "stream_options": {"include_usage": True},
            "tools": [
                {
                    "type": "function",
                    "function": {
                        "name": "update_project_draft",
                        "description": "Changes the draft.",
                        "parameters": {"type": "object", "properties": {}},
                    },
                }
            ],
        }
    ]
    assert fake.headers[0]["Authorization"] == "Bearer sk-secret"


async def test_it_sends_tool_rounds_back(fake, provider):
    calls = (ToolCallPart("call_1", "a", '{"x": 1}'), ToolCallPart("call_2", "b", "{}"))
    results = (ToolResultPart("call_1", "a", "done"), ToolResultPart("call_2", "b", "no", is_error=True))
    history = (text_message("user", "Go"), Message("assistant", calls), Message("tool", results))
    await collect(provider, ChatRequest("gpt-4o", history))
    assert fake.requests[0]["messages"][1:] == [
        {
            "role": "assistant",
            "content": None,
            "tool_calls": [
                {"id": "call_1", "type": "function", "function": {"name": "a", "arguments": '{"x": 1}'}},
                {"id": "call_2", "type": "function", "function": {"name": "b", "arguments": "{}"}},
            ],
        },
        {"role": "tool", "tool_call_id": "call_1", "content": "done"},
        {"role": "tool", "tool_call_id": "call_2", "content": "no"},
    ]


async def test_it_names_the_cap_as_the_models_row_says(fake, provider):
    options = {"max_tokens_field": "max_completion_tokens"}
    await collect(provider, ChatRequest("o3", REQUEST.messages, max_output_tokens=99, options=options))
    assert fake.requests[0]["max_completion_tokens"] == 99
    assert "max_tokens" not in fake.requests[0]


async def test_it_sends_text_that_no_json_could_hold(fake, provider):
    await collect(provider, ChatRequest("gpt-4o", (text_message("user", "a\ud800b\x00c"),)))
    assert fake.requests[0]["messages"][0]["content"] == "a\ufffdbc"


# ── What comes back ───────────────────────────────────────────────────────────────────────────────────────────────────


async def test_it_streams_text(fake, provider):
    fake.replies(text("Hello", " Wörld", " 🌍"))
    assert await collect(provider) == [
        TextDelta("Hello"),
        TextDelta(" Wörld"),
        TextDelta(" 🌍"),
        Usage(7, 3, 3),
        Finished("stop"),
    ]


async def test_it_keeps_thoughts_apart_from_the_answer(fake, provider):
    thoughts = (chunk(reasoning_content="Let me see."), chunk(reasoning="Hm."))
    fake.replies(Reply((*thoughts, chunk(content="Yes."), finish("stop"), DONE)))
    assert await collect(provider) == [
        ReasoningDelta("Let me see."),
        ReasoningDelta("Hm."),
        TextDelta("Yes."),
        Finished("stop"),
    ]


async def test_it_gives_out_a_tool_call_when_it_is_complete(fake, provider):
    pieces = (
        chunk(content="One moment."),
        chunk(tool_calls=[tool_piece(0, id="call_1", name="update")]),
        chunk(tool_calls=[tool_piece(0, '{"tit')]),
        chunk(tool_calls=[tool_piece(0, 'le": "ü"}')]),
    )
    fake.replies(Reply((*pieces, finish("tool_calls"), usage(5, 6), DONE)))
    assert await collect(provider) == [
        TextDelta("One moment."),
        ToolCall("call_1", "update", '{"title": "ü"}'),
        Usage(5, 6),
        Finished("tool_calls"),
    ]


async def test_it_sorts_interleaved_tool_calls_by_their_index(fake, provider):
    pieces = (
        chunk(tool_calls=[tool_piece(1, '{"b"', id="call_b", name="second")]),
        chunk(tool_calls=[tool_piece(0, '{"a"', id="call_a", name="first"), tool_piece(1, ": 2")]),
        chunk(tool_calls=[tool_piece(0, ": 1}"), tool_piece(1, "}")]),
    )
    fake.replies(Reply((*pieces, finish("tool_calls"), DONE)))
    assert await collect(provider) == [
        ToolCall("call_a", "first", '{"a": 1}'),
        ToolCall("call_b", "second", '{"b": 2}'),
        Finished("tool_calls"),
    ]


async def test_it_takes_tool_calls_from_servers_that_leave_out_index_and_reason(fake, provider):
    whole = [{"id": f"call_{name}", "function": {"name": name, "arguments": "{}"}} for name in "ab"]
    fake.replies(Reply((chunk(tool_calls=whole), finish("stop"), DONE)))
    assert await collect(provider) == [
        ToolCall("call_a", "a", "{}"),
        ToolCall("call_b", "b", "{}"),
        Finished("tool_calls"),
    ]


async def test_it_gives_a_call_without_an_id_one_of_its_own(fake, provider):
    nameless = [tool_piece(0, "{}", name="a"), tool_piece(1, "{}", name="b")]
    fake.replies(Reply((chunk(tool_calls=nameless), finish("tool_calls"), DONE)))
    calls = [event for event in await collect(provider) if isinstance(event, ToolCall)]
    assert len({call.call_id for call in calls if call.call_id}) == 2


async def test_it_passes_malformed_arguments_through(fake, provider):
    pieces = [tool_piece(0, '{"title": "x", "desc', id="call_1", name="update"), tool_piece(0, "}}}bad")]
    fake.replies(Reply((chunk(tool_calls=pieces), finish("tool_calls"), DONE)))
    assert await collect(provider) == [
        ToolCall("call_1", "update", '{"title": "x", "desc}}}bad'),
        Finished("tool_calls"),
    ]


@pytest.mark.parametrize(
    ("reason", "stop_reason"),
    [("length", "length"), ("content_filter", "refusal"), ("stop", "stop"), ("eos", "stop"), ("tool_calls", "stop")],
)
async def test_it_says_why_the_model_stopped(fake, provider, reason, stop_reason):
    fake.replies(Reply((chunk(content="So"), finish(reason), DONE)))
    assert await collect(provider) == [TextDelta("So"), Finished(stop_reason)]


async def test_it_takes_a_refusal_for_the_answer(fake, provider):
    fake.replies(Reply((chunk(refusal="I can't."), finish("stop"), DONE)))
    assert await collect(provider) == [TextDelta("I can't."), Finished("refusal")]


async def test_it_leaves_out_a_tool_call_that_was_cut_off_by_the_length(fake, provider):
    fake.replies(Reply((chunk(tool_calls=[tool_piece(0, '{"ti', id="c", name="u")]), finish("length"), DONE)))
    assert await collect(provider) == [Finished("length")]


async def test_it_finishes_an_empty_answer(fake, provider):
    fake.replies(text())
    assert await collect(provider) == [Usage(7, 0, 3), Finished("stop")]


async def test_it_gives_the_last_of_several_counts(fake, provider):
    fake.replies(Reply((chunk(content="a"), usage(1, 1), finish("stop"), usage(1, 2), DONE)))
    assert await collect(provider) == [TextDelta("a"), Usage(1, 2), Finished("stop")]


async def test_it_reads_through_comments_and_carriage_returns_and_split_characters(fake, provider):
    stream = b": hello\r\n\r\nevent: x\r\n" + chunk(content="ä🌍").replace(b"\n", b"\r\n") + finish("stop") + DONE
    raw = stream.replace(b"\\u00e4\\ud83c\\udf0d", "ä🌍".encode())
    fake.replies(Reply(tuple(raw[at : at + 1] for at in range(len(raw)))))
    assert await collect(provider) == [TextDelta("ä🌍"), Finished("stop")]


async def test_it_drops_nul_and_joins_a_character_that_comes_in_two_halves(fake, provider):
    pieces = ("a\x00b", "x\ud83d", "\ude00y", "\udc00", "\ud800", "z", "end\ud83d")
    fake.replies(Reply((*(chunk(content=piece) for piece in pieces), finish("stop"), DONE)))
    assert await collect(provider) == [
        TextDelta("ab"),
        TextDelta("x"),
        TextDelta("😀y"),
        TextDelta("\ufffd"),
        TextDelta("\ufffdz"),
        TextDelta("end"),
        TextDelta("\ufffd"),
        Finished("stop"),
    ]


async def test_it_cleans_thoughts_and_tool_calls_too(fake, provider):
    call = [tool_piece(0, '"\ud83d', id="c\x00", name="n\x00"), tool_piece(0, '\ude00\x00\udc00"')]
    fake.replies(Reply((chunk(reasoning="h\x00m"), chunk(tool_calls=call), finish("tool_calls"), DONE)))
    assert await collect(provider) == [
        ReasoningDelta("hm"),
        ToolCall("c", "n", '"😀\ufffd"'),
        Finished("tool_calls"),
    ]


async def test_it_stops_a_flood_at_the_cap(fake, provider):
    fake.replies(Reply((*[chunk(content="x" * 30_000)] * 20,), ending="hang"))
    events = await collect(provider)
    assert sum(len(event.text) for event in events if isinstance(event, TextDelta)) == 400_000
    assert events[-1] == Finished("length")
    await asyncio.wait_for(fake.gone.wait(), 1)


async def test_it_stops_a_flood_of_arguments(fake, provider):
    flood = [chunk(tool_calls=[tool_piece(0, "x" * 30_000, id="c", name="n")])] * 20
    fake.replies(Reply((*flood, finish("tool_calls"), DONE)))
    assert await collect(provider) == [Finished("length")]


def test_it_says_that_it_was_cut_even_if_the_model_was_done():
    last = {"choices": [{"delta": {"content": "abcd"}, "finish_reason": "stop"}]}
    answer = Answer(cap=3)
    assert [*answer.read(event(last) + DONE), *answer.ending()] == [TextDelta("abc"), Finished("length")]


async def test_it_gives_up_on_a_line_without_an_end(fake, provider):
    fake.replies(Reply((chunk(content="a"), b"data: " + b"x" * 5_000_000)))
    seen, error = await broken(provider)
    assert (seen, type(error)) == ([TextDelta("a")], Interrupted)


# ── What goes wrong ───────────────────────────────────────────────────────────────────────────────────────────────────

FAULTS = {
    "a cut": Reply(ending="cut"),
    "silence": Reply((b": ping\n\n",), ending="hang"),
    "an end without a reason": Reply(),
    "only [DONE]": Reply((DONE,)),
    "garbage": Reply((b"data: {nonsense\n\n", finish("stop"), DONE)),
    "another shape": Reply((b'data: {"choices": [{"delta": {"content": 5}}]}\n\n', finish("stop"), DONE)),
    "arguments of another shape": Reply((chunk(tool_calls=[tool_piece(0) | {"function": {"arguments": {}}}]), DONE)),
    "no object": Reply((b"data: [1]\n\n", finish("stop"), DONE)),
    "deep nesting": Reply((b"data: " + b"[" * 100_000 + b"\n\n", finish("stop"), DONE)),
    "an error": Reply((event({"error": {"message": "sk-secret overloaded", "code": 502}}), finish("stop"), DONE)),
    "an error as the reason": Reply((finish("error"), DONE)),
}


@pytest.mark.parametrize("fault", FAULTS)
async def test_it_interrupts_an_answer_that_breaks_after_text(fake, provider, fault):
    reply = FAULTS[fault]
    fake.replies(Reply((chunk(content="So"), *reply.writes), ending=reply.ending))
    seen, error = await broken(provider)
    assert seen == [TextDelta("So")]
    assert (type(error), error.retryable) == (Interrupted, True)


@pytest.mark.parametrize("fault", FAULTS)
async def test_it_is_unavailable_when_an_answer_breaks_before_anything_was_seen(fake, provider, fault):
    reply = FAULTS[fault]
    fake.replies(Reply((chunk(role="assistant", content=""), *reply.writes), ending=reply.ending))
    seen, error = await broken(provider)
    assert seen == []
    assert (type(error), error.retryable) == (ProviderUnavailable, True)


@pytest.mark.parametrize("ending", ["cut", "hang"])
async def test_it_counts_an_answer_as_finished_whatever_follows_the_reason(fake, provider, ending):
    fake.replies(Reply((chunk(content="So"), finish("stop")), ending=ending))
    assert await collect(provider) == [TextDelta("So"), Finished("stop")]


async def test_it_does_not_wait_for_a_connection_that_stays_open_after_the_end(fake):
    slow = OpenAIProvider("openai", "sk-secret", fake.url, Timeouts(between_bytes=30, drain=0.05))
    fake.replies(Reply((chunk(content="So"), finish("stop"), DONE), ending="hang"))
    async with asyncio.timeout(5):
        assert await collect(slow) == [TextDelta("So"), Finished("stop")]
        await fake.gone.wait()
    await slow.aclose()


async def test_it_waits_only_so_long_for_the_first_byte(fake):
    strict = OpenAIProvider("openai", "sk-secret", fake.url, Timeouts(first_byte=0.3))
    fake.replies(Reply(ending="hang"))
    seen, error = await asyncio.wait_for(broken(strict), 5)
    assert (seen, type(error)) == ([], ProviderUnavailable)
    await asyncio.wait_for(fake.gone.wait(), 1)
    await strict.aclose()


async def test_it_waits_only_so_long_between_bytes(fake):
    strict = OpenAIProvider("openai", "sk-secret", fake.url, Timeouts(first_byte=20, between_bytes=0.1))
    fake.replies(Reply((chunk(content="a"),), ending="hang"))
    seen, error = await asyncio.wait_for(broken(strict), 5)
    assert (seen, type(error)) == ([TextDelta("a")], Interrupted)
    await asyncio.wait_for(fake.gone.wait(), 1)
    await strict.aclose()


async def test_it_waits_only_so_long_in_all(fake):
    hurried = OpenAIProvider("openai", "sk-secret", fake.url, Timeouts(total=0.5))
    fake.replies(Reply((chunk(content="a"),), ending="hang"))
    seen, error = await asyncio.wait_for(broken(hurried), 5)
    assert (seen, type(error)) == ([TextDelta("a")], Interrupted)
    await hurried.aclose()


@pytest.mark.parametrize(
    ("reply", "kind", "is_retryable"),
    [
        (refused(400, "context_length_exceeded"), ContextTooLong, False),
        (refused(400, message="This model's maximum context length is 10."), ContextTooLong, False),
        (refused(413), ContextTooLong, False),
        (refused(401, "invalid_api_key"), AuthenticationFailed, False),
        (refused(403), AuthenticationFailed, False),
        (refused(404, "model_not_found"), UnknownModel, False),
        (refused(400, "unsupported_parameter"), ProviderRefused, False),
        (refused(422), ProviderRefused, False),
        (refused(429, "insufficient_quota"), ProviderRefused, False),
        (refused(429, "rate_limit_exceeded"), RateLimited, True),
        *((refused(status), ProviderUnavailable, True) for status in (408, 500, 502, 503, 504, 529)),
    ],
    ids=lambda value: f"{value.status}" if isinstance(value, Reply) else None,
)
async def test_it_turns_a_refusal_into_one_of_our_errors_after_one_request(fake, provider, reply, kind, is_retryable):
    fake.replies(reply)
    seen, error = await broken(provider)
    assert (seen, type(error), error.retryable) == ([], kind, is_retryable)
    assert len(fake.requests) == 1


async def test_it_never_repeats_what_the_vendor_says(fake, provider):
    fake.replies(refused(401))
    _, error = await broken(provider)
    assert "openai" in error.message
    assert "sk-" not in error.message
    assert error.__cause__ is None
    assert error.__suppress_context__


@pytest.mark.parametrize("status", [429, 503, 529])
async def test_it_reads_how_long_to_wait(fake, provider, status):
    fake.replies(refused(status, retry_after="7"))
    _, error = await broken(provider)
    assert error.retry_after == 7.0


async def test_it_knows_a_context_that_is_too_long_in_the_middle_of_a_stream(fake, provider):
    fake.replies(Reply((event({"error": {"code": "context_length_exceeded", "message": "..."}}),)))
    _, error = await broken(provider)
    assert type(error) is ContextTooLong


async def test_it_is_unavailable_when_nobody_listens(fake, provider):
    await fake.__aexit__()
    seen, error = await broken(provider)
    assert (seen, type(error)) == ([], ProviderUnavailable)


@pytest.mark.parametrize(
    ("key", "address"),
    [("sk-ключ", "http://127.0.0.1:1/v1"), ("sk-a", "http://127.0.0.1:port/v1"), ("sk-a", "127.0.0.1/v1")],
)
async def test_it_says_that_a_key_or_an_address_is_mistyped(key, address):
    with pytest.raises(NotConfigured) as caught:
        await collect(OpenAIProvider("openai", key, address))
    assert key not in caught.value.message


# ── Connections ───────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_it_closes_the_connection_when_the_iterator_is_closed(fake, provider):
    fake.replies(Reply((chunk(content="a"),), ending="hang"))
    async with aclosing(provider.stream(REQUEST)) as events:
        assert await anext(events) == TextDelta("a")
    await asyncio.wait_for(fake.gone.wait(), 1)


@pytest.mark.parametrize("writes", [(), (chunk(content="a"),)], ids=["before", "after"])
async def test_it_closes_the_connection_when_its_task_is_cancelled(fake, provider, writes):
    fake.replies(Reply(writes, ending="hang"))
    task = asyncio.create_task(collect(provider))
    await asyncio.wait_for(fake.asked.wait(), 5)
    await asyncio.sleep(0.02)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await asyncio.wait_for(fake.gone.wait(), 1)


async def test_it_uses_a_connection_again(fake, provider):
    for _ in range(3):
        await collect(provider)
    assert len(fake.requests) == 3
    assert len(fake.peers) == 1


async def test_it_answers_many_at_once(fake):
    patient = OpenAIProvider("openai", "sk-secret", fake.url)
    fake.replies(text("a", "b"))
    answers = await asyncio.gather(*(collect(patient) for _ in range(20)))
    assert answers == [[TextDelta("a"), TextDelta("b"), Usage(7, 2, 3), Finished("stop")]] * 20
    await patient.aclose()


async def test_it_serves_the_others_when_the_first_of_them_gives_up(fake, provider):
    tasks = [asyncio.create_task(collect(provider)) for _ in range(3)]
    await asyncio.sleep(0)
    tasks[0].cancel()
    with pytest.raises(asyncio.CancelledError):
        await tasks[0]
    assert await asyncio.gather(*tasks[1:]) == [[TextDelta("Hello"), Usage(7, 1, 3), Finished("stop")]] * 2


def test_it_works_in_one_event_loop_after_another():
    async def address() -> str:
        async with FakeOpenAI() as server:
            return server.url

    async def ask() -> list[LLMEvent]:
        async with FakeOpenAI(port=int(url.rpartition(":")[2].removesuffix("/v1"))):
            try:
                return await collect(provider)
            finally:
                await provider.aclose()

    url = asyncio.run(address())
    provider = OpenAIProvider("openai", "sk", url)
    assert asyncio.run(ask()) == asyncio.run(ask()) == [TextDelta("Hello"), Usage(7, 1, 3), Finished("stop")]

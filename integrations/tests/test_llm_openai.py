"""What is OpenAI's own, in its Chat Completions and in servers that speak them."""

from collections.abc import AsyncIterator

import pytest

from integrations.llm.errors import NotConfigured, ProviderRefused
from integrations.llm.events import Finished, ReasoningDelta, TextDelta, ToolCall, Usage
from integrations.llm.messages import (
    FilePart,
    Message,
    TextPart,
    ToolCallPart,
    ToolResultPart,
    ToolSpec,
    text_message,
)
from integrations.llm.openai_chat import ChatAnswer
from integrations.tests.fake_openai import DONE, chunk, event, finish, tool_piece, usage
from integrations.tests.llm_cases import Conversation, conversation, read


@pytest.fixture
async def talk() -> AsyncIterator[Conversation]:
    async with conversation("openai-chat") as made:
        yield made


# ── What is sent ──────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_it_sends_the_request_as_the_vendor_wants_it(talk):
    tool = ToolSpec("update_project_draft", "Changes the draft.", {"type": "object", "properties": {}})
    await talk.collect(talk.request(tool, max_output_tokens=100))
    assert talk.fake.requests == [
        {
            "model": "a-model",
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
    assert talk.fake.headers[0]["Authorization"] == "Bearer sk-secret"
    assert talk.fake.headers[0]["Content-Type"] == "application/json"


async def test_it_sends_tool_rounds_back(talk):
    calls = (ToolCallPart("call_1", "a", '{"x": 1}'), ToolCallPart("call_2", "b", "{}"))
    results = (ToolResultPart("call_1", "a", "done"), ToolResultPart("call_2", "b", "no", is_error=True))
    history = (text_message("user", "Go"), Message("assistant", calls), Message("tool", results))
    await talk.collect(talk.request(messages=history))
    assert talk.fake.requests[0]["messages"][1:] == [
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


async def test_it_caps_the_answer_as_the_models_row_says(talk):
    options = {"max_tokens_field": "max_completion_tokens", "output_cap": 16_000}
    await talk.collect(talk.request(max_output_tokens=99, options=options))
    assert talk.fake.requests[0]["max_completion_tokens"] == 16_000
    assert "max_tokens" not in talk.fake.requests[0]
    await talk.collect(talk.request(max_output_tokens=99, options={"output_cap": 50}))
    assert talk.fake.requests[1]["max_tokens"] == 99


async def test_it_sends_text_that_no_json_could_hold(talk):
    await talk.collect(talk.request(messages=(text_message("user", "a\ud800b\x00c"),)))
    assert talk.fake.requests[0]["messages"][0]["content"] == "a\ufffdbc"


async def test_it_sends_images_and_documents(talk):
    files = (
        FilePart("image/png", "a.png", data=b"\x89PNG"),
        FilePart("image/jpeg", "b.jpg", url="https://files.example.org/b.jpg?signed"),
        FilePart("application/pdf", "c.pdf", data=b"%PDF"),
    )
    await talk.collect(talk.request(messages=(Message("user", (TextPart("Look"), *files)),)))
    assert talk.fake.requests[0]["messages"][0]["content"] == [
        {"type": "text", "text": "Look"},
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw=="}},
        {"type": "image_url", "image_url": {"url": "https://files.example.org/b.jpg?signed"}},
        {"type": "file", "file": {"filename": "c.pdf", "file_data": "data:application/pdf;base64,JVBERg=="}},
    ]


async def test_it_refuses_a_document_of_which_it_has_only_the_address(talk):
    part = FilePart("application/pdf", "c.pdf", url="https://files.example.org/c.pdf")
    with pytest.raises(ProviderRefused, match="only with its bytes"):
        await talk.collect(talk.request(messages=(Message("user", (part,)),)))
    assert talk.fake.requests == []


async def test_it_refuses_an_api_flavour_that_there_is_not(talk):
    with pytest.raises(NotConfigured, match="must be one of chat, responses"):
        await talk.collect(talk.request(options={"api_flavour": "telepathy"}))


# ── What comes back ───────────────────────────────────────────────────────────────────────────────────────────────────


def test_it_knows_both_names_for_thoughts():
    writes = (chunk(reasoning_content="Let me see."), chunk(reasoning="Hm."), finish("stop"))
    assert read(ChatAnswer(), *writes) == [ReasoningDelta("Let me see."), ReasoningDelta("Hm."), Finished("stop")]


def test_it_sorts_interleaved_tool_calls_by_their_index():
    pieces = (
        chunk(tool_calls=[tool_piece(1, '{"b"', id="call_b", name="second")]),
        chunk(tool_calls=[tool_piece(0, '{"a"', id="call_a", name="first"), tool_piece(1, ": 2")]),
        chunk(tool_calls=[tool_piece(0, ": 1}"), tool_piece(1, "}")]),
    )
    assert read(ChatAnswer(), *pieces, finish("tool_calls"), DONE) == [
        ToolCall("call_a", "first", '{"a": 1}'),
        ToolCall("call_b", "second", '{"b": 2}'),
        Finished("tool_calls"),
    ]


def test_it_takes_tool_calls_from_servers_that_leave_out_index_and_reason():
    whole = [{"id": f"call_{name}", "function": {"name": name, "arguments": "{}"}} for name in "ab"]
    assert read(ChatAnswer(), chunk(tool_calls=whole), finish("stop"), DONE) == [
        ToolCall("call_a", "a", "{}"),
        ToolCall("call_b", "b", "{}"),
        Finished("tool_calls"),
    ]


def test_it_gives_a_call_without_an_id_one_of_its_own():
    nameless = [tool_piece(0, "{}", name="a"), tool_piece(1, "{}", name="b")]
    events = read(ChatAnswer(), chunk(tool_calls=nameless), finish("tool_calls"), DONE)
    assert len({event.call_id for event in events if isinstance(event, ToolCall) and event.call_id}) == 2


@pytest.mark.parametrize("reason", ["eos", "tool_calls", "function_call"])
def test_it_takes_a_reason_that_it_does_not_know_for_a_proper_end(reason):
    assert read(ChatAnswer(), chunk(content="So"), finish(reason)) == [TextDelta("So"), Finished("stop")]


def test_it_gives_the_last_of_several_counts():
    writes = (usage(1, 1), finish("stop"), usage(1, 2), DONE)
    assert read(ChatAnswer(), *writes) == [Usage(1, 2), Finished("stop")]


def test_it_counts_thoughts_that_are_in_the_total_only():
    counts = {"prompt_tokens": 32, "completion_tokens": 9, "total_tokens": 135}
    writes = (finish("stop"), event({"choices": [], "usage": counts}))
    assert read(ChatAnswer(), *writes) == [Usage(32, 103), Finished("stop")]


def test_it_says_that_it_was_cut_even_if_the_model_was_done():
    last = {"choices": [{"delta": {"content": "abcd"}, "finish_reason": "stop"}]}
    assert read(ChatAnswer(cap=3), event(last) + DONE) == [TextDelta("abc"), Finished("length")]


@pytest.mark.parametrize(
    "fault",
    [
        event({"choices": [{"delta": {"content": 5}}]}),
        chunk(tool_calls=[tool_piece(0) | {"function": {"arguments": {"a": 1}}}]),
        event({"error": {"message": "sk-secret overloaded", "code": 502}}),
        finish("error"),
    ],
    ids=["text of another shape", "arguments of another shape", "an error", "an error as the reason"],
)
def test_it_keeps_what_came_before_a_fault_in_the_same_bytes(fault):
    answer = ChatAnswer()
    assert read(answer, chunk(content="So") + fault + finish("stop")) == [TextDelta("So")]
    assert (answer.is_over, answer.has_begun, answer.has_finished) == (True, True, False)

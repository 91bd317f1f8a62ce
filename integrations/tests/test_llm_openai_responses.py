"""What is OpenAI's own, in its Responses."""

from collections.abc import AsyncIterator

import pytest

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
from integrations.llm.openai_responses import ResponsesAnswer
from integrations.tests.fake_model import event
from integrations.tests.fake_openai_responses import ended, typed
from integrations.tests.llm_cases import Conversation, conversation, read

DONE = ended("completed")


@pytest.fixture
async def talk() -> AsyncIterator[Conversation]:
    async with conversation("openai-responses") as made:
        yield made


# ── What is sent ──────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_it_sends_the_request_as_the_vendor_wants_it(talk):
    await talk.collect(talk.request(max_output_tokens=100))
    assert talk.fake.requests == [
        {
            "model": "a-model",
            "input": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hello"}],
            "stream": True,
            "store": False,
        }
    ]
    assert talk.fake.headers[0]["Authorization"] == "Bearer sk-secret"


async def test_it_caps_the_answer_only_if_the_models_row_says_so(talk):
    await talk.collect(talk.request(options={**talk.case.options, "output_cap": 9_000}))
    assert talk.fake.requests[0]["max_output_tokens"] == 9_000


async def test_it_sends_tool_rounds_back(talk):
    calls = (TextPart("One moment."), ToolCallPart("call_1", "a", '{"x": 1}'), ToolCallPart("call_2", "b", "{bad"))
    results = (ToolResultPart("call_1", "a", "done"), ToolResultPart("call_2", "b", "n\x00o", is_error=True))
    history = (text_message("user", "Go"), Message("assistant", calls), Message("tool", results))
    await talk.collect(talk.request(messages=history))
    assert talk.fake.requests[0]["input"] == [
        {"role": "user", "content": "Go"},
        {"role": "assistant", "content": "One moment."},
        {"type": "function_call", "call_id": "call_1", "name": "a", "arguments": '{"x": 1}'},
        {"type": "function_call", "call_id": "call_2", "name": "b", "arguments": "{bad"},
        {"type": "function_call_output", "call_id": "call_1", "output": "done"},
        {"type": "function_call_output", "call_id": "call_2", "output": "no"},
    ]


async def test_it_sends_images_and_documents(talk):
    files = (
        FilePart("image/png", "a.png", data=b"\x89PNG"),
        FilePart("image/jpeg", "b.jpg", url="https://files.example.org/b.jpg?signed"),
        FilePart("application/pdf", "c.pdf", data=b"%PDF"),
        FilePart("application/pdf", "d.pdf", url="https://files.example.org/d.pdf?signed"),
    )
    await talk.collect(talk.request(messages=(Message("user", (TextPart("Look"), *files)),)))
    assert talk.fake.requests[0]["input"][0]["content"] == [
        {"type": "input_text", "text": "Look"},
        {"type": "input_image", "image_url": "data:image/png;base64,iVBORw=="},
        {"type": "input_image", "image_url": "https://files.example.org/b.jpg?signed"},
        {"type": "input_file", "filename": "c.pdf", "file_data": "data:application/pdf;base64,JVBERg=="},
        {"type": "input_file", "file_url": "https://files.example.org/d.pdf?signed"},
    ]


TEXT = {"type": "string"}
OPEN = {"type": "object", "properties": {"b": TEXT}, "required": ["b"]}
LIST_OF_OPEN = {"type": "array", "items": OPEN}
LIST_OF_CLOSED = {"type": "array", "items": {**OPEN, "additionalProperties": False}}


@pytest.mark.parametrize(
    ("schema", "is_strict"),
    [
        ({"type": "object", "properties": {"a": TEXT, "b": TEXT}, "required": ["b", "a"]}, True),
        ({"type": "object", "properties": {}}, True),
        ({"type": "object"}, True),
        ({"type": "object", "properties": {"a": TEXT, "b": TEXT}, "required": ["a"]}, False),
        ({"type": "object", "properties": {"a": TEXT}, "required": ["a"], "additionalProperties": True}, False),
        ({"type": "object", "properties": {"a": {"type": "array"}}, "required": ["a"]}, False),
        ({"type": "object", "properties": {"a": {}}, "required": ["a"]}, False),
        ({"type": "object", "properties": {"a": {"type": "array", "items": TEXT}}, "required": ["a"]}, True),
        ({"type": "object", "properties": {"a": LIST_OF_CLOSED}, "required": ["a"]}, True),
        ({"type": "object", "properties": {"a": LIST_OF_OPEN}, "required": ["a"]}, False),
        ({"type": "object", "properties": {"a": {"type": ["string", "null"]}}, "required": ["a"]}, True),
    ],
)
async def test_it_keeps_the_model_to_a_schema_that_allows_it(talk, schema, is_strict):
    await talk.collect(talk.request(ToolSpec("update", "Changes.", schema)))
    closed = {"additionalProperties": False} if is_strict else {}
    assert talk.fake.requests[0]["tools"] == [
        {
            "type": "function",
            "name": "update",
            "description": "Changes.",
            "parameters": schema | closed,
            "strict": is_strict,
        }
    ]


# ── What comes back ───────────────────────────────────────────────────────────────────────────────────────────────────


def test_it_knows_both_kinds_of_thoughts():
    writes = (typed("reasoning_summary_text.delta", delta="Short."), typed("reasoning_text.delta", delta="Long."))
    assert read(ResponsesAnswer(), *writes, DONE) == [
        ReasoningDelta("Short."),
        ReasoningDelta("Long."),
        Finished("stop"),
    ]


def test_it_sorts_interleaved_tool_calls_by_their_place():
    writes = (
        typed("output_item.added", output_index=2, item={"type": "function_call", "call_id": "c2", "name": "second"}),
        typed("function_call_arguments.delta", output_index=2, delta='{"b"'),
        typed("output_item.added", output_index=1, item={"type": "function_call", "call_id": "c1", "name": "first"}),
        typed("function_call_arguments.delta", output_index=1, delta='{"a": 1}'),
        typed("function_call_arguments.delta", output_index=2, delta=": 2}"),
    )
    assert read(ResponsesAnswer(), *writes, DONE) == [
        ToolCall("c1", "first", '{"a": 1}'),
        ToolCall("c2", "second", '{"b": 2}'),
        Finished("tool_calls"),
    ]


def test_it_takes_calls_by_their_id_from_servers_that_leave_out_the_place():
    items = [{"type": "function_call", "id": f"fc_{name}", "call_id": f"c_{name}", "name": name} for name in "ab"]
    writes = (
        *(typed("output_item.added", item=item) for item in items),
        typed("function_call_arguments.delta", item_id="fc_b", delta='{"b": 2}'),
        typed("function_call_arguments.delta", item_id="fc_a", delta='{"a": 1}'),
    )
    assert read(ResponsesAnswer(), *writes, DONE) == [
        ToolCall("c_a", "a", '{"a": 1}'),
        ToolCall("c_b", "b", '{"b": 2}'),
        Finished("tool_calls"),
    ]


def test_it_takes_calls_that_come_whole():
    item = {"type": "function_call", "id": "fc_1", "call_id": "c1", "name": "a", "arguments": '{"a": 1}'}
    assert read(ResponsesAnswer(), typed("output_item.done", output_index=0, item=item), DONE) == [
        ToolCall("c1", "a", '{"a": 1}'),
        Finished("tool_calls"),
    ]


def test_it_passes_over_what_it_does_not_know():
    strange = (typed("audio.delta", delta="beep"), event({"type": "keepalive"}))
    assert read(ResponsesAnswer(), *strange, typed("output_text.delta", delta="So"), DONE) == [
        TextDelta("So"),
        Finished("stop"),
    ]


def test_it_counts_what_was_cached_among_what_was_asked():
    usage = {"input_tokens": 9, "output_tokens": 4, "input_tokens_details": {"cached_tokens": 8}}
    assert read(ResponsesAnswer(), ended("completed", usage)) == [Usage(9, 4, 8), Finished("stop")]


@pytest.mark.parametrize("error", [{"code": "server_error", "message": "no"}, None])
def test_it_does_not_finish_a_response_that_failed(error):
    answer = ResponsesAnswer()
    assert read(answer, typed("output_text.delta", delta="So"), ended("failed", error=error)) == [TextDelta("So")]
    assert (answer.is_over, answer.has_finished, answer.error) == (True, False, error)


def test_it_hears_of_errors_outside_of_a_response():
    answer = ResponsesAnswer()
    read(answer, event({"type": "error", "code": "rate_limit_exceeded", "message": "slow down"}))
    assert (answer.is_over, answer.has_finished, answer.error["code"]) == (True, False, "rate_limit_exceeded")

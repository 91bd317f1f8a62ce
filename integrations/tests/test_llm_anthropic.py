"""What is Anthropic's own."""

from collections.abc import AsyncIterator

import pytest

from integrations.llm.anthropic_wire import AnthropicAnswer
from integrations.llm.events import Finished, TextDelta, ToolCall, Usage
from integrations.llm.messages import (
    FilePart,
    Message,
    Role,
    TextPart,
    ToolCallPart,
    ToolResultPart,
    ToolSpec,
    text_message,
)
from integrations.tests.fake_anthropic import delta, named, stopped
from integrations.tests.llm_cases import Conversation, conversation, read


@pytest.fixture
async def talk() -> AsyncIterator[Conversation]:
    async with conversation("anthropic") as made:
        yield made


def text(words: str) -> dict[str, str]:
    return {"type": "text", "text": words}


async def sent(talk: Conversation, *messages: Message) -> list[dict[str, object]]:
    """What these messages are on the wire."""
    await talk.collect(talk.request(messages=messages))
    turns: list[dict[str, object]] = talk.fake.requests[-1]["messages"]
    return turns


# ── What is sent ──────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_it_sends_the_request_as_the_vendor_wants_it(talk):
    tool = ToolSpec("update_project_draft", "Changes the draft.", {"type": "object", "properties": {}})
    await talk.collect(talk.request(tool, max_output_tokens=100))
    assert talk.fake.requests == [
        {
            "model": "a-model",
            "system": "Be brief.",
            "messages": [{"role": "user", "content": [text("Hello")]}],
            "max_tokens": 100,
            "stream": True,
            "tools": [
                {
                    "name": "update_project_draft",
                    "description": "Changes the draft.",
                    "input_schema": {"type": "object", "properties": {}},
                }
            ],
        }
    ]
    assert talk.fake.headers[0]["Authorization"] == "Bearer sk-secret"
    assert talk.fake.headers[0]["anthropic-version"]


async def test_it_lets_the_models_row_raise_the_cap(talk):
    await talk.collect(talk.request(max_output_tokens=100, options={"output_cap": 9_000}))
    assert talk.fake.requests[0]["max_tokens"] == 9_000


async def test_it_sends_tool_rounds_back(talk):
    calls = (TextPart("One moment."), ToolCallPart("toolu_1", "a", '{"x": 1}'), ToolCallPart("toolu_2", "b", "{bad"))
    results = (ToolResultPart("toolu_1", "a", "done"), ToolResultPart("toolu_2", "b", "n\x00o", is_error=True))
    history = (Message("assistant", calls), Message("tool", results), text_message("user", "And now?"))
    assert await sent(talk, text_message("user", "Go"), *history) == [
        {"role": "user", "content": [text("Go")]},
        {
            "role": "assistant",
            "content": [
                text("One moment."),
                {"type": "tool_use", "id": "toolu_1", "name": "a", "input": {"x": 1}},
                {"type": "tool_use", "id": "toolu_2", "name": "b", "input": {}},
            ],
        },
        {
            "role": "user",
            "content": [
                {"type": "tool_result", "tool_use_id": "toolu_1", "content": "done"},
                {"type": "tool_result", "tool_use_id": "toolu_2", "content": "no", "is_error": True},
                text("And now?"),
            ],
        },
    ]


async def test_it_sends_no_arguments_that_are_no_object(talk):
    call = Message("assistant", (ToolCallPart("toolu_1", "a", "[1]"),))
    (_, turn) = await sent(talk, text_message("user", "Go"), call)
    assert turn["content"] == [{"type": "tool_use", "id": "toolu_1", "name": "a", "input": {}}]


async def test_it_sends_each_message_by_itself_and_leaves_out_what_is_empty(talk):
    said: list[tuple[Role, str]] = [("user", "a"), ("user", "b\ud800"), ("assistant", " \n"), ("user", "")]
    said += [("assistant", "c"), ("user", "d")]
    assert await sent(talk, *(text_message(role, words) for role, words in said)) == [
        {"role": "user", "content": [text("a")]},
        {"role": "user", "content": [text("b\ufffd")]},
        {"role": "assistant", "content": [text("c")]},
        {"role": "user", "content": [text("d")]},
    ]


async def test_it_joins_system_messages_wherever_they_are(talk):
    said: list[tuple[Role, str]] = [("system", "One."), ("user", "a"), ("system", "Two."), ("system", " ")]
    assert await sent(talk, *(text_message(role, words) for role, words in said)) == [
        {"role": "user", "content": [text("a")]}
    ]
    assert talk.fake.requests[0]["system"] == "One.\n\nTwo."


@pytest.mark.parametrize("messages", [(), (text_message("assistant", "Hi"), text_message("user", "a"))])
async def test_it_lets_the_user_begin(talk, messages):
    turns = await sent(talk, *messages)
    assert turns[0]["role"] == "user"
    assert [turn["role"] for turn in turns[1:]] == [message.role for message in messages]
    assert "system" not in talk.fake.requests[0]


async def test_it_sends_images_and_documents(talk):
    files = (
        FilePart("image/png", "a.png", data=b"\x89PNG"),
        FilePart("image/jpeg", "b.jpg", url="https://files.example.org/b.jpg?signed"),
        FilePart("application/pdf", "c.pdf", data=b"%PDF"),
        FilePart("application/pdf", "d.pdf", url="https://files.example.org/d.pdf?signed"),
    )
    (turn,) = await sent(talk, Message("user", (TextPart("Look"), *files)))
    assert turn["content"] == [
        text("Look"),
        {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "iVBORw=="}},
        {"type": "image", "source": {"type": "url", "url": "https://files.example.org/b.jpg?signed"}},
        {
            "type": "document",
            "title": "c.pdf",
            "source": {"type": "base64", "media_type": "application/pdf", "data": "JVBERg=="},
        },
        {
            "type": "document",
            "title": "d.pdf",
            "source": {"type": "url", "url": "https://files.example.org/d.pdf?signed"},
        },
    ]


# ── What comes back ───────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("reason", "stop_reason"),
    [
        ("end_turn", "stop"),
        ("stop_sequence", "stop"),
        ("pause_turn", "stop"),
        ("max_tokens", "length"),
        ("model_context_window_exceeded", "length"),
        ("refusal", "refusal"),
    ],
)
def test_it_says_why_the_model_stopped(reason, stop_reason):
    writes = (delta(0, "text_delta", text="So"), stopped(reason), named("message_stop"))
    assert read(AnthropicAnswer(), *writes)[0::2] == [TextDelta("So"), Finished(stop_reason)]


def test_it_counts_what_went_through_the_cache_among_what_was_asked():
    begin = {"input_tokens": 5, "cache_read_input_tokens": 100, "cache_creation_input_tokens": 20, "output_tokens": 1}
    writes = (named("message_start", message={"usage": begin}), stopped("end_turn", output_tokens=40))
    assert read(AnthropicAnswer(), *writes) == [Usage(125, 40, 100), Finished("stop")]


def test_it_takes_the_text_that_a_block_begins_with():
    block = {"type": "text", "text": "So"}
    writes = (named("content_block_start", index=0, content_block=block), delta(0, "text_delta", text=" be it"))
    assert read(AnthropicAnswer(), *writes) == [TextDelta("So"), TextDelta(" be it")]


def test_it_tells_interleaved_blocks_apart_by_their_index():
    uses = [{"type": "tool_use", "id": f"toolu_{name}", "name": name, "input": {}} for name in "ab"]
    writes = (
        named("content_block_start", index=2, content_block=uses[1]),
        named("content_block_start", index=1, content_block=uses[0]),
        delta(2, "input_json_delta", partial_json='{"b"'),
        delta(1, "input_json_delta", partial_json='{"a": 1}'),
        delta(2, "input_json_delta", partial_json=": 2}"),
    )
    assert read(AnthropicAnswer(), *writes, stopped("tool_use")) == [
        ToolCall("toolu_a", "a", '{"a": 1}'),
        ToolCall("toolu_b", "b", '{"b": 2}'),
        Usage(0, 0),
        Finished("tool_calls"),
    ]


def test_it_passes_over_signatures_citations_and_what_it_does_not_know():
    writes = (
        delta(0, "signature_delta", signature="abc"),
        delta(0, "citations_delta", citation={}),
        named("content_block_start", index=1, content_block={"type": "redacted_thinking", "data": "x"}),
        named("surprise"),
    )
    assert read(AnthropicAnswer(), *writes) == []

"""Anthropic's Messages on the wire: the body of a request and the events in an answer's bytes. No SDK here."""

from collections.abc import Iterator
from typing import Any

import orjson

from config.limits import ANSWER_CHARACTERS
from config.text import clean_text
from integrations.llm.answer import Answer
from integrations.llm.events import StopReason, Usage
from integrations.llm.messages import ChatRequest, FilePart, Message, Part, TextPart, ToolCallPart, ToolResultPart

_STOP_REASONS: dict[str, StopReason] = {
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "refusal": "refusal",
}
_INPUTS = ("input_tokens", "cache_read_input_tokens", "cache_creation_input_tokens")
_OPENING = {"role": "user", "content": [{"type": "text", "text": "(The conversation begins with your message.)"}]}


def request_body(request: ChatRequest) -> dict[str, Any]:
    """The JSON members of `POST /v1/messages`."""
    body: dict[str, Any] = {
        "model": request.model,
        "messages": _turns(request.messages),
        "max_tokens": request.output_cap,
        "stream": True,
    }
    if system := "\n\n".join(text for text in map(_system_text, request.messages) if text):
        body["system"] = system
    if request.tools:
        body["tools"] = [
            {"name": tool.name, "description": tool.description, "input_schema": dict(tool.schema)}
            for tool in request.tools
        ]
    return body


def _system_text(message: Message) -> str:
    return clean_text(message.text).strip() if message.role == "system" else ""


def _turns(messages: tuple[Message, ...]) -> list[dict[str, Any]]:
    """The messages, the user's first; the results of a round of tools and what the user says to them are one.

    The vendor itself takes several messages of one side in a row as one turn.
    """
    turns: list[dict[str, Any]] = []
    before = ""
    for message in messages:
        content = [block for part in message.parts for block in _blocks(part)]
        if message.role == "system" or not content:
            continue
        if before == "tool" and message.role in {"tool", "user"}:
            turns[-1]["content"] += content
        else:
            turns.append({"role": "user" if message.role == "tool" else message.role, "content": content})
        before = message.role
    return turns if turns and turns[0]["role"] == "user" else [_OPENING, *turns]


def _blocks(part: Part) -> Iterator[dict[str, Any]]:
    """One block, or none for text without a letter, which the vendor refuses."""
    match part:
        case TextPart():
            if (text := clean_text(part.text)).strip():
                yield {"type": "text", "text": text}
        case FilePart():
            kind = {"type": "image"} if part.is_image else {"type": "document", "title": clean_text(part.filename)}
            yield kind | {"source": _source(part)}
        case ToolCallPart():
            yield {"type": "tool_use", "id": part.call_id, "name": part.name, "input": _input(part.arguments)}
        case ToolResultPart():
            result = {"type": "tool_result", "tool_use_id": part.call_id, "content": clean_text(part.content)}
            yield result | ({"is_error": True} if part.is_error else {})


def _source(part: FilePart) -> dict[str, str]:
    if part.url:
        return {"type": "url", "url": part.url}
    return {"type": "base64", "media_type": part.media_type, "data": part.base64}


def _input(arguments: str) -> dict[str, Any]:
    """The wire has no place for arguments that are no JSON object; their error is in the result that follows."""
    try:
        value = orjson.loads(arguments)
    except orjson.JSONDecodeError:
        return {}
    return value if isinstance(value, dict) else {}


class AnthropicAnswer(Answer):
    """An answer in content blocks, each with an index of its own, ended by `message_stop`."""

    def __init__(self, cap: int = ANSWER_CHARACTERS) -> None:
        super().__init__(cap)
        self._counts: dict[str, int] = {}

    def _take(self, document: Any) -> None:
        match document.get("type"):
            case "content_block_delta":
                self._delta(document["index"], document["delta"])
            case "content_block_start":
                self._start(document["index"], document["content_block"])
            case "message_start":
                self._count(document["message"].get("usage") or {})
            case "message_delta":
                self._count(document.get("usage") or {})
                if reason := document["delta"].get("stop_reason"):
                    self._finish(_STOP_REASONS.get(reason, "stop"))
            case "message_stop":
                self.is_over = True
            case "error":
                self._fail(document.get("error"))

    def _delta(self, index: int, delta: dict[str, Any]) -> None:
        match delta["type"]:
            case "text_delta":
                self._say(delta["text"])
            case "thinking_delta":
                self._think(delta["thinking"])
            case "input_json_delta":
                self._argue(index, delta["partial_json"])

    def _start(self, index: int, block: dict[str, Any]) -> None:
        if block["type"] == "tool_use":
            call = self._call(index)
            call.call_id, call.name = block["id"], block["name"]
        elif text := block.get("text"):
            self._say(text)

    def _count(self, usage: dict[str, Any]) -> None:
        """Later counts replace earlier ones. What went through the vendor's cache is not among its `input_tokens`."""
        self._counts |= {name: int(count) for name, count in usage.items() if isinstance(count, int)}
        counts = self._counts
        given = sum(counts.get(name, 0) for name in _INPUTS)
        self._usage = Usage(given, counts.get("output_tokens", 0), counts.get("cache_read_input_tokens", 0))

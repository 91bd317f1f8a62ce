"""OpenAI's Chat Completions on the wire: the body of a request and the events in an answer's bytes. No SDK here."""

import io
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import orjson

from config.limits import ANSWER_CHARACTERS
from config.text import clean_text, uuid7
from integrations.llm.errors import ContextTooLong, Interrupted
from integrations.llm.events import Finished, LLMEvent, ReasoningDelta, StopReason, TextDelta, ToolCall, Usage
from integrations.llm.messages import ChatRequest, Message, ToolCallPart, ToolResultPart, ToolSpec
from integrations.llm.sse_lines import DataLines
from integrations.llm.streamed_text import StreamedText

_STOP_REASONS: dict[str, StopReason] = {"length": "length", "content_filter": "refusal"}
_BROKEN = {"error", "insufficient_system_resource"}  # what compatible servers give as the reason when they failed


def request_body(request: ChatRequest) -> dict[str, Any]:
    """The JSON members of `POST /chat/completions`.

    `request.options["max_tokens_field"]` names the member that caps the answer, `max_tokens` if absent.
    """
    body: dict[str, Any] = {
        "model": request.model,
        "messages": [entry for message in request.messages for entry in _entries(message)],
        request.options.get("max_tokens_field", "max_tokens"): request.max_output_tokens,
        "stream": True,
        "stream_options": {"include_usage": True},
    }
    if request.tools:
        body["tools"] = [_tool(tool) for tool in request.tools]
    return body


def _entries(message: Message) -> list[dict[str, Any]]:
    """A message of ours; each tool result is a message of its own."""
    if message.role == "tool":
        results = [part for part in message.parts if isinstance(part, ToolResultPart)]
        return [{"role": "tool", "tool_call_id": part.call_id, "content": clean_text(part.content)} for part in results]
    entry: dict[str, Any] = {"role": message.role, "content": clean_text(message.text)}
    if calls := [_call(part) for part in message.parts if isinstance(part, ToolCallPart)]:
        entry |= {"content": entry["content"] or None, "tool_calls": calls}
    return [entry]


def _call(part: ToolCallPart) -> dict[str, Any]:
    return {"id": part.call_id, "type": "function", "function": {"name": part.name, "arguments": part.arguments}}


def _tool(tool: ToolSpec) -> dict[str, Any]:
    described = {"name": tool.name, "description": tool.description, "parameters": dict(tool.schema)}
    return {"type": "function", "function": described}


@dataclass(slots=True)
class _PartialCall:
    call_id: str = ""
    name: str = ""
    arguments: io.StringIO = field(default_factory=io.StringIO)

    def complete(self) -> ToolCall:
        cleaner = StreamedText()
        arguments = cleaner.feed(self.arguments.getvalue()) + cleaner.end()
        return ToolCall(clean_text(self.call_id) or f"call_{uuid7().hex}", clean_text(self.name), arguments)


class Answer:
    """Reads one streamed answer: give the bytes to `read` as they come, then take `ending`.

    `has_begun`: an event has been given out. `has_finished`: the model said why it stopped, or was stopped by us.
    `is_over`: nothing more is worth reading. `is_capped`: that is since the answer outgrew `cap` characters.
    """

    def __init__(self, cap: int = ANSWER_CHARACTERS) -> None:
        self.has_begun = self.has_finished = self.is_over = self.is_capped = self._is_refusal = False
        self._room = cap
        self._lines, self._text, self._reasoning = DataLines(), StreamedText(), StreamedText()
        self._calls: dict[int, _PartialCall] = {}
        self._usage: Usage | None = None
        self._stop_reason: StopReason = "stop"

    def read(self, chunk: bytes) -> Iterator[LLMEvent]:
        """Events that `chunk` completes. Raises `Interrupted` for bytes that make no sense."""
        try:
            for payload in self._lines.feed(chunk):
                for event in self._events(payload):
                    self.has_begun = True
                    yield event
                if self.is_over:
                    return
        except (AttributeError, TypeError, ValueError, RecursionError):
            raise Interrupted("The provider sent something that cannot be read.") from None

    def ending(self) -> Iterator[LLMEvent]:
        """The complete tool calls, the usage and the stop reason; once `has_finished`."""
        if rest := self._text.end():
            yield TextDelta(rest)
        calls = self._calls if self._stop_reason == "stop" else {}
        for index in sorted(calls):
            yield calls[index].complete()
        if self._usage:
            yield self._usage
        yield Finished("tool_calls" if calls else self._stop_reason)

    def _events(self, payload: bytes) -> Iterator[LLMEvent]:
        if payload == b"[DONE]":
            self.is_over = True
            return
        document = _parse(payload)
        if error := document.get("error"):
            raise _failure(error)
        if usage := document.get("usage"):
            self._usage = _usage(usage)
        for choice in document.get("choices") or ():
            yield from self._delta(choice.get("delta") or {})
            if reason := choice.get("finish_reason"):
                self._finish(reason)

    def _delta(self, delta: dict[str, Any]) -> Iterator[LLMEvent]:
        thought = delta.get("reasoning_content") or delta.get("reasoning")
        if thought and (text := self._within_cap(self._reasoning.feed(thought))):
            yield ReasoningDelta(text)
        refusal = delta.get("refusal")
        self._is_refusal = self._is_refusal or bool(refusal)
        said = delta.get("content") or refusal
        if said and (text := self._within_cap(self._text.feed(said))):
            yield TextDelta(text)
        for piece in delta.get("tool_calls") or ():
            self._collect(piece)

    def _collect(self, piece: dict[str, Any]) -> None:
        """A piece of a call belongs to the call with its `index`; a server that sends none sends whole calls."""
        index = piece.get("index")
        call = self._calls.setdefault(len(self._calls) if index is None else int(index), _PartialCall())
        function = piece.get("function") or {}
        call.call_id = piece.get("id") or call.call_id
        call.name = function.get("name") or call.name
        arguments = function.get("arguments") or ""
        call.arguments.write(arguments)
        self._spend(1 + len(arguments))

    def _finish(self, reason: str) -> None:
        if reason in _BROKEN:
            raise Interrupted("The provider failed in the middle of the answer.")
        if not self.is_capped:
            self.has_finished = True
            self._stop_reason = "refusal" if self._is_refusal else _STOP_REASONS.get(reason, "stop")

    def _within_cap(self, text: str) -> str:
        kept = text[: self._room]
        self._spend(len(text))
        return kept

    def _spend(self, characters: int) -> None:
        if characters > self._room:
            self.has_finished = self.is_over = self.is_capped = True
            self._stop_reason = "length"
        self._room = max(0, self._room - characters)


def _parse(payload: bytes) -> Any:
    try:
        return orjson.loads(payload)
    except orjson.JSONDecodeError:  # half a surrogate pair is no JSON for orjson, but vendors send it
        return json.loads(payload.decode(errors="replace"))


def _failure(error: Any) -> ContextTooLong | Interrupted:
    if isinstance(error, dict) and error.get("code") == "context_length_exceeded":
        return ContextTooLong("This is more text than the model can take; use less of it or another model.")
    return Interrupted("The provider failed in the middle of the answer.")


def _usage(usage: dict[str, Any]) -> Usage:
    details = usage.get("prompt_tokens_details") or {}
    return Usage(
        int(usage.get("prompt_tokens") or 0),
        int(usage.get("completion_tokens") or 0),
        int(details.get("cached_tokens") or 0),
    )

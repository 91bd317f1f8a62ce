"""A model's answer while it arrives: what the wires of all vendors have in common. No SDK here."""

import io
import json
from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import orjson

from config.limits import ANSWER_CHARACTERS
from config.text import clean_text, uuid7
from integrations.llm.events import Finished, LLMEvent, ReasoningDelta, StopReason, TextDelta, ToolCall, Usage
from integrations.llm.sse_lines import DataLines
from integrations.llm.streamed_text import StreamedText, join_pairs

_UNREADABLE = (AttributeError, LookupError, TypeError, ValueError, RecursionError)


@dataclass(slots=True)
class PartialCall:
    """A tool call whose arguments are still coming in. The raw JSON text is only joined, never repaired."""

    call_id: str = ""
    name: str = ""
    arguments: io.StringIO = field(default_factory=io.StringIO)

    def complete(self) -> ToolCall:
        """Some vendors send no id, and no arguments for a tool that has none."""
        call_id, arguments = clean_text(self.call_id), clean_text(join_pairs(self.arguments.getvalue()))
        return ToolCall(call_id or f"call_{uuid7().hex}", clean_text(self.name), arguments or "{}")


class Answer(ABC):
    """Turns the bytes of one answer into events; a vendor's wire says in `_take` what its documents mean.

    `has_begun` once an event was given out, `has_finished` once the vendor has said why the model stopped, `is_over`
    once nothing more needs to be read. `error` is what the vendor said went wrong in the middle. All text is storable.
    After `cap` characters, reasoning and arguments included, the answer is cut off as if the model had reached its
    length, and `is_capped`.
    """

    def __init__(self, cap: int = ANSWER_CHARACTERS) -> None:
        self.has_begun = self.has_finished = self.is_over = self.is_capped = False
        self.error: Any = None
        self._room = cap
        self._lines, self._text, self._reasoning = DataLines(), StreamedText(), StreamedText()
        self._events: list[LLMEvent] = []
        self._calls: dict[int, PartialCall] = {}
        self._usage: Usage | None = None
        self._stop_reason: StopReason = "stop"
        self._is_refusal = False

    def read(self, chunk: bytes) -> list[LLMEvent]:
        """Events that `chunk` completes. Bytes that make no sense end the answer, unfinished."""
        self._events = []
        try:
            for payload in self._lines.feed(chunk):
                if payload == b"[DONE]":
                    self.is_over = True
                else:
                    self._take(_parse(payload))
                if self.is_over:
                    break
        except _UNREADABLE:
            self.is_over = True
        self.has_begun = self.has_begun or bool(self._events)
        return self._events

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

    @abstractmethod
    def _take(self, document: Any) -> None:
        """Reads one document of the stream. May stumble over a shape that it does not expect."""

    def _say(self, piece: str) -> None:
        if text := self._within_cap(self._text.feed(piece)):
            self._events.append(TextDelta(text))

    def _think(self, piece: str) -> None:
        if text := self._within_cap(self._reasoning.feed(piece)):
            self._events.append(ReasoningDelta(text))

    def _refuse(self, piece: str) -> None:
        """Text that the vendor marks as the model's refusal."""
        self._is_refusal = True
        self._say(piece)

    def _call(self, index: int) -> PartialCall:
        """The call at `index` among all calls of the answer."""
        if index not in self._calls:
            self._calls[index] = PartialCall()
            self._spend(1)
        return self._calls[index]

    def _argue(self, index: int, piece: str) -> None:
        """A piece of the arguments of the call at `index`."""
        self._call(index).arguments.write(piece)
        self._spend(len(piece))

    def _finish(self, reason: StopReason) -> None:
        if not self.is_capped:
            self.has_finished = True
            self._stop_reason = "refusal" if self._is_refusal else reason

    def _fail(self, error: Any) -> None:
        """`error` is the vendor's document about it."""
        self.error, self.is_over = error, True

    def _within_cap(self, text: str) -> str:
        kept = text[: self._room]
        self._spend(len(text))
        return kept

    def _spend(self, characters: int) -> None:
        self._room -= characters
        if self._room < 0:
            self._room = 0
            self.has_finished = self.is_over = self.is_capped = True
            self._stop_reason = "length"


def _parse(payload: bytes) -> Any:
    try:
        return orjson.loads(payload)
    except orjson.JSONDecodeError:  # half a surrogate pair is no JSON for orjson, but vendors send it
        return json.loads(payload.decode(errors="replace"))

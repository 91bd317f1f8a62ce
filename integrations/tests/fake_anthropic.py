"""A small server that speaks Anthropic's Messages."""

from typing import Any

from integrations.llm.events import StopReason
from integrations.tests.fake_model import FakeModel, event

REASONS = {"stop": "end_turn", "tool_calls": "tool_use", "length": "max_tokens", "refusal": "refusal"}


def named(kind: str, **members: Any) -> bytes:
    """An event as this vendor writes it, with its type on a line of its own, too."""
    return f"event: {kind}\n".encode() + event({"type": kind, **members})


def delta(index: int, kind: str, **members: Any) -> bytes:
    return named("content_block_delta", index=index, delta={"type": kind, **members})


def stopped(reason: str, **usage: int) -> bytes:
    return named("message_delta", delta={"stop_reason": reason, "stop_sequence": None}, usage=usage)


class FakeAnthropic(FakeModel):
    path, url_path = "/v1/messages", ""

    def head(self) -> tuple[bytes, ...]:
        usage = {"input_tokens": 1, "cache_read_input_tokens": 0, "cache_creation_input_tokens": 0, "output_tokens": 1}
        return (
            named("message_start", message={"id": "msg_1", "role": "assistant", "content": [], "usage": usage}),
            named("content_block_start", index=0, content_block={"type": "text", "text": ""}),
            named("ping"),
        )

    def said(self, piece: str) -> bytes:
        return delta(0, "text_delta", text=piece)

    def thought(self, piece: str) -> bytes:
        return delta(0, "thinking_delta", thinking=piece)

    def refusal(self) -> tuple[bytes, ...]:
        return (self.said("I can't."), *self.finish("refusal"))

    def call(self, index: int, call_id: str, name: str, *pieces: str) -> tuple[bytes, ...]:
        block = {"type": "tool_use", "id": call_id, "name": name, "input": {}}
        deltas = (delta(index + 1, "input_json_delta", partial_json=piece) for piece in ("", *pieces))
        return (
            named("content_block_start", index=index + 1, content_block=block),
            *deltas,
            named("content_block_stop", index=index + 1),
        )

    def finish(self, reason: StopReason, given: int = 1, made: int = 1, cached: int = 0) -> tuple[bytes, ...]:
        usage = {"input_tokens": given - cached, "cache_read_input_tokens": cached, "output_tokens": made}
        return named("content_block_stop", index=0), stopped(REASONS[reason], **usage), named("message_stop")

    def failed(self, code: str) -> bytes:
        return named("error", error={"type": code, "message": "sk-secret"})

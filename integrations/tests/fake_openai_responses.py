"""A small server that speaks OpenAI's Responses."""

from typing import Any

from integrations.llm.events import StopReason
from integrations.tests.fake_model import FakeModel, event

INCOMPLETE = {"length": "max_output_tokens", "refusal": "content_filter"}


def typed(kind: str, **members: Any) -> bytes:
    return event({"type": f"response.{kind}", **members})


def ended(status: str, usage: dict[str, Any] | None = None, **members: Any) -> bytes:
    return typed(status, response={"id": "resp_1", "status": status, "usage": usage, **members})


class FakeResponses(FakeModel):
    path, url_path = "/v1/responses", "/v1"

    def head(self) -> tuple[bytes, ...]:
        item = {"type": "message", "id": "msg_1", "role": "assistant", "content": []}
        return (typed("created", response={"id": "resp_1"}), typed("output_item.added", output_index=0, item=item))

    def said(self, piece: str) -> bytes:
        return typed("output_text.delta", item_id="msg_1", output_index=0, content_index=0, delta=piece)

    def thought(self, piece: str) -> bytes:
        return typed("reasoning_summary_text.delta", item_id="rs_1", output_index=0, summary_index=0, delta=piece)

    def refusal(self) -> tuple[bytes, ...]:
        return (typed("refusal.delta", item_id="msg_1", output_index=0, delta="I can't."), ended("completed"))

    def call(self, index: int, call_id: str, name: str, *pieces: str) -> tuple[bytes, ...]:
        place: dict[str, Any] = {"output_index": index + 1}
        whole = "".join(pieces)
        item = {"type": "function_call", "id": f"fc_{index}", "call_id": call_id, "name": name}
        deltas = (typed("function_call_arguments.delta", item_id=item["id"], delta=piece, **place) for piece in pieces)
        return (
            typed("output_item.added", item=item | {"arguments": ""}, **place),
            *deltas,
            typed("function_call_arguments.done", item_id=item["id"], arguments=whole, **place),
            typed("output_item.done", item=item | {"arguments": whole}, **place),
        )

    def finish(self, reason: StopReason, given: int = 1, made: int = 1, cached: int = 0) -> tuple[bytes, ...]:
        details = {"input_tokens_details": {"cached_tokens": cached}}
        usage = {"input_tokens": given, "output_tokens": made, "total_tokens": given + made, **details}
        if reason in INCOMPLETE:
            return (ended("incomplete", usage, incomplete_details={"reason": INCOMPLETE[reason]}),)
        return (ended("completed", usage, incomplete_details=None),)

    def failed(self, code: str) -> bytes:
        return ended("failed", error={"code": code, "message": "sk-secret"})

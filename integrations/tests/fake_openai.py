"""A small server that speaks OpenAI's Chat Completions."""

from typing import Any

from integrations.llm.events import StopReason
from integrations.tests.fake_model import FakeModel, Reply, event, refused

__all__ = ["DONE", "FakeOpenAI", "Reply", "chunk", "event", "finish", "refused", "text", "tool_piece", "usage"]

DONE = b"data: [DONE]\n\n"
REASONS = {"stop": "stop", "tool_calls": "tool_calls", "length": "length", "refusal": "content_filter"}


def chunk(**delta: Any) -> bytes:
    """One event with a `delta`."""
    return event({"object": "chat.completion.chunk", "choices": [{"index": 0, "delta": delta, "finish_reason": None}]})


def finish(reason: str) -> bytes:
    return event({"choices": [{"index": 0, "delta": {}, "finish_reason": reason}]})


def usage(given: int, made: int, cached: int = 0) -> bytes:
    counts = {"prompt_tokens": given, "completion_tokens": made, "prompt_tokens_details": {"cached_tokens": cached}}
    return event({"choices": [], "usage": counts | {"total_tokens": given + made}})


def tool_piece(index: int, arguments: str = "", **members: str) -> dict[str, Any]:
    """A piece of the call at `index`; `id` and `name` come with the first piece only."""
    function = {"arguments": arguments} | ({"name": members.pop("name")} if "name" in members else {})
    return {"index": index, "function": function, **members}


def text(*pieces: str, reason: StopReason = "stop") -> Reply:
    return FakeOpenAI().text(*pieces, reason=reason)


class FakeOpenAI(FakeModel):
    path, url_path = "/v1/chat/completions", "/v1"

    def head(self) -> tuple[bytes, ...]:
        return (chunk(role="assistant", content=""),)

    def said(self, piece: str) -> bytes:
        return chunk(content=piece)

    def thought(self, piece: str) -> bytes:
        return chunk(reasoning_content=piece)

    def refusal(self) -> tuple[bytes, ...]:
        return (chunk(refusal="I can't."), finish("stop"), DONE)

    def call(self, index: int, call_id: str, name: str, *pieces: str) -> tuple[bytes, ...]:
        first = chunk(tool_calls=[tool_piece(index, id=call_id, name=name)])
        return (first, *(chunk(tool_calls=[tool_piece(index, piece)]) for piece in pieces))

    def finish(self, reason: StopReason, given: int = 1, made: int = 1, cached: int = 0) -> tuple[bytes, ...]:
        return finish(REASONS[reason]), usage(given, made, cached), DONE

    def failed(self, code: str) -> bytes:
        return event({"error": {"message": "sk-secret", "type": "some_error", "code": code}})

"""A whole answer at once, for callers that show nothing while it is written."""

from contextlib import aclosing
from dataclasses import dataclass

from integrations.llm.base import LLMProvider
from integrations.llm.events import Finished, StopReason, TextDelta, Usage
from integrations.llm.messages import ChatRequest
from integrations.llm.retry import stream_with_retry


@dataclass(frozen=True, slots=True)
class Completion:
    """`usage` is None if the provider did not count."""

    text: str
    stop_reason: StopReason
    usage: Usage | None = None


async def complete(provider: LLMProvider, request: ChatRequest) -> Completion:
    """Drains the stream of `request`, retries included. Raises an `LLMError`; `request` offers no tools."""
    text: list[str] = []
    usage: Usage | None = None
    stop_reason: StopReason = "stop"
    async with aclosing(stream_with_retry(provider, request)) as events:
        async for event in events:
            match event:
                case TextDelta(piece):
                    text.append(piece)
                case Usage():
                    usage = event
                case Finished(reason):
                    stop_reason = reason
    return Completion("".join(text), stop_reason, usage)

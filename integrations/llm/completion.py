"""A whole answer at once, for callers that show nothing while it is written."""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass

from integrations.llm.events import Finished, LLMEvent, StopReason, TextDelta, Usage


@dataclass(frozen=True, slots=True)
class Completion:
    """`usage` is None if the provider did not count."""

    text: str
    stop_reason: StopReason
    usage: Usage | None = None


async def completion_of(answer: AsyncGenerator[LLMEvent, None]) -> Completion:
    """Drains the events of an answer that calls no tools. Raises the `LLMError` that they raise."""
    text: list[str] = []
    usage: Usage | None = None
    stop_reason: StopReason = "stop"
    async with aclosing(answer) as events:
        async for event in events:
            match event:
                case TextDelta(piece):
                    text.append(piece)
                case Usage():
                    usage = event
                case Finished(reason):
                    stop_reason = reason
    return Completion("".join(text), stop_reason, usage)

"""What comes back from a language model: typed events, in the order in which the model made them.

A stream is any number of `TextDelta`, `ReasoningDelta` and `ToolCall`, at most one `Usage`, and exactly one `Finished`,
last. A stream that ends in another way raises an `LLMError`.
"""

from dataclasses import dataclass
from typing import Literal

StopReason = Literal["stop", "tool_calls", "length", "refusal"]


@dataclass(frozen=True, slots=True)
class TextDelta:
    text: str


@dataclass(frozen=True, slots=True)
class ReasoningDelta:
    """The model thinking aloud; never part of the answer."""

    text: str


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A complete call. `arguments` is the raw JSON text; whoever executes the tool parses it strictly."""

    call_id: str
    name: str
    arguments: str


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens as the provider counted them; `cached_tokens` are among the `input_tokens`."""

    input_tokens: int
    output_tokens: int
    cached_tokens: int = 0


@dataclass(frozen=True, slots=True)
class Finished:
    stop_reason: StopReason


LLMEvent = TextDelta | ReasoningDelta | ToolCall | Usage | Finished

"""How far a chat turn has come: what a restart, or an approval a day later, goes on from."""

from dataclasses import dataclass, field
from typing import Any

from integrations.llm.events import ToolCall
from integrations.llm.messages import Message, Part, TextPart, ToolCallPart, ToolResultPart

_PARTS: dict[str, type[Part]] = {"text": TextPart, "call": ToolCallPart, "result": ToolResultPart}
_NAMES = {kind: name for name, kind in _PARTS.items()}


@dataclass
class Progress:
    """`exchange` is what was said to and by the model since the member's message; `pending` are calls of its last
    message that were not executed yet, in order; `round` counts the model's answers so far; `base_version_id` is the
    version of the draft that the model has seen last, `model` the `provider/model` that answered last; `is_over` says
    that a call has ended the turn."""

    round: int = 0
    exchange: list[Message] = field(default_factory=list)
    pending: list[ToolCall] = field(default_factory=list)
    base_version_id: int | None = None
    model: str = ""
    is_over: bool = False

    def packed(self) -> dict[str, Any]:
        return {
            "round": self.round,
            "exchange": [_packed_message(message) for message in self.exchange],
            "pending": [[call.call_id, call.name, call.arguments] for call in self.pending],
            "base_version_id": self.base_version_id,
            "model": self.model,
            "is_over": self.is_over,
        }

    @classmethod
    def unpacked(cls, step: dict[str, Any]) -> "Progress":
        """From a run's step; a fresh one if the turn has not got anywhere yet."""
        stored = step.get("turn")
        if stored is None:
            return cls()
        exchange = [_unpacked_message(message) for message in stored["exchange"]]
        pending = [ToolCall(*call) for call in stored["pending"]]
        other = {name: stored[name] for name in ("base_version_id", "model", "is_over") if name in stored}
        return cls(stored["round"], exchange, pending, **other)

    @property
    def key(self) -> str:
        """The round and position of the next pending call, by which its effect is found if it took place already."""
        calls = sum(isinstance(part, ToolCallPart) for part in self._last_of("assistant").parts)
        return f"{self.round}.{calls - len(self.pending)}"

    def _last_of(self, role: str) -> Message:
        return next(message for message in reversed(self.exchange) if message.role == role)


def _packed_message(message: Message) -> dict[str, Any]:
    parts = [
        {"part": _NAMES[type(part)]} | {name: getattr(part, name) for name in part.__slots__} for part in message.parts
    ]
    return {"role": message.role, "parts": parts}


def _unpacked_message(stored: dict[str, Any]) -> Message:
    parts = tuple(
        _PARTS[part["part"]](**{name: value for name, value in part.items() if name != "part"})
        for part in stored["parts"]
    )
    return Message(stored["role"], parts)

"""What the clients of a chaos run were told, to be compared with what is stored."""

import itertools
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

_tags = itertools.count(1)
ENDS = {"done", "error", "cancelled", "conflict", "model_limit_conflict"}


@dataclass
class Told:
    """One run as its client saw it. `text` is what it would show; `end` the terminal event, None if none came.

    `message` is what was sent with it, `version` the title of a draft version that a tool of the run may write.
    """

    kind: str
    message: str = ""
    version: str = ""
    conversation: int | None = None
    run_id: str = ""
    text: str = ""
    end: dict[str, Any] | None = None
    last_event_id: str = ""
    rejoins: int = 0
    question: str = ""  # the event id of an approval that was asked for and not yet decided
    is_over: bool = False  # nobody watches it any more

    def see(self, event: dict[str, Any], event_id: str) -> None:
        self.last_event_id = event_id
        match event["type"]:
            case "reset":
                self.text = ""
            case "content":
                self.text += event["content"]
            case "approval_required":
                self.question = event_id
            case kind if kind in ENDS:
                self.end = event

    @property
    def ending(self) -> str:
        """`done`, `cancelled`, or the code of the error."""
        if self.end is None:
            return "never ended"
        return str(self.end["code"] if self.end["type"] == "error" else self.end["type"])


@dataclass
class Ledger:
    """`edits` are titles of versions that people wrote, by whether the answer arrived; `odd` what no client expects."""

    runs: list[Told] = field(default_factory=list)
    edits: dict[str, bool] = field(default_factory=dict)
    odd: Counter[str] = field(default_factory=Counter)
    waits: list[float] = field(default_factory=list)

    @staticmethod
    def tag() -> int:
        """A number that was not given out before, to any ledger."""
        return next(_tags)

    def open(self, told: Told) -> Told:
        self.runs.append(told)
        return told

    def ended(self, *kinds: str) -> int:
        return sum(told.end is not None for told in self.runs if told.kind in kinds)

    def endings(self, kind: str) -> Counter[str]:
        return Counter(told.ending for told in self.runs if told.kind == kind)

"""Collects the turns of one chat, whatever it came from."""

from collections import Counter
from dataclasses import dataclass, field, replace

from config.limits import IMPORT_BYTES
from config.text import clean_text
from integrations.importers.base import ImportedMessage, ImporterError

TEXT_CHARACTERS = IMPORT_BYTES  # a small file can refer to one long text many times over


def joined(parts: list[str]) -> str:
    """`parts` without the blank ones, a blank line between each two. Raises `too_large` before it makes a huge text."""
    if sum(map(len, parts)) > TEXT_CHARACTERS:
        raise too_large()
    return "\n\n".join(part for part in parts if part.strip())


def too_large() -> ImporterError:
    detail = "This chat is too large to import. Copy the part that matters and paste it as text."
    return ImporterError(detail, code="too_large")


@dataclass
class Turns:
    """Turns in order, what was left out by kind, and warning codes."""

    omitted: Counter[str] = field(default_factory=Counter)
    warnings: list[str] = field(default_factory=list)
    _turns: list[tuple[ImportedMessage, list[str]]] = field(default_factory=list)
    _characters: int = 0

    def charge(self, characters: int) -> None:
        """Counts work on so many characters; raises `too_large` beyond `TEXT_CHARACTERS` in all."""
        self._characters += characters
        if self._characters > TEXT_CHARACTERS:
            raise too_large()

    def add(self, message: ImportedMessage, *, merge: bool = False) -> None:
        """Adds a turn unless it is blank; with `merge`, continues the last turn if that has the same role."""
        text = clean_text(message.text).strip()
        if not text:
            return
        self.charge(len(text))
        if merge and self._turns and self._turns[-1][0].role == message.role:
            last, parts = self._turns[-1]
            self._turns[-1] = (replace(last, model=last.model or message.model), parts)
            parts.append(text)
        else:
            self._turns.append((message, [text]))

    def placeholder(self, kind: str, name: object = "") -> str:
        """What stands in a text for something of this kind that is left out, with its name; counts it."""
        self.omitted[kind] += 1
        text = f"[{kind}: {' '.join(name[:200].split())}]" if isinstance(name, str) and name.strip() else f"[{kind}]"
        self.charge(len(text))
        return text

    def leave_out(self, kind: str, count: int = 1) -> None:
        """Counts what is left out without a trace in the text; what nobody knows is also warned of."""
        if count:
            self.omitted[kind] += count
        if count and kind == "unknown":
            self.warn("unknown_content")

    def warn(self, code: str) -> None:
        if code not in self.warnings:
            self.warnings.append(code)

    def messages(self) -> tuple[ImportedMessage, ...]:
        return tuple(replace(message, text="\n\n".join(parts)) for message, parts in self._turns)

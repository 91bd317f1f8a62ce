"""Reads Markdown and plain text with a label before each turn, such as `User:`, `**You:**` or `## Assistant`.

A label stands at the start of a line, alone or followed by `: text`, outside code fences. Words that are as common in
prose as in a label ("Model: …", "Response: …") count only if the text lacks an unmistakable label of one of the roles.
Roles are never guessed: without labels of both roles the whole text is one message of the user's.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from integrations.importers.base import ImportedChat, ImportedMessage, ImporterError, Role
from integrations.importers.titles import choose_title
from integrations.importers.turns import Turns

PARSER = "text/1"

_ROLES: dict[str, Role] = {
    **dict.fromkeys(("user", "you", "human", "me", "prompt", "you said"), "user"),
    **dict.fromkeys(("assistant", "chatgpt", "claude", "grok", "gemini", "ai", "model", "response"), "assistant"),
    **{
        f"{name} {verb}": "assistant"
        for name in ("chatgpt", "claude", "grok", "gemini")
        for verb in ("said", "responded")
    },
}
_VAGUE = frozenset({"me", "prompt", "ai", "model", "response"})
_LABEL = re.compile(
    r" {0,3}(?:#{1,6}[ \t]+)?[*_]{0,3}(?P<name>[a-z]+(?: [a-z]+)?)[*_]{0,3}"
    r"[ \t]?(?P<colon>[:：]?)[*_]{0,3}(?P<rest>.*)",
    re.IGNORECASE,
)
_FENCE = re.compile(r" {0,3}(?P<fence>`{3,}(?=[^`]*$)|~{3,})(?P<info>.*)")
_HEADING = re.compile(r" {0,3}#[ \t]+(?P<title>.+)")


@dataclass(frozen=True, slots=True)
class _Label:
    line: int
    role: Role
    is_vague: bool
    rest: str


def read(text: str, filename: str = "") -> ImportedChat:
    """The turns of `text`; a first `# heading` before them is the title.

    What else stands before the first label is kept at the head of the first message, with the warning
    `text_before_first_label`. Without labels of both roles: one message, with the warning `no_labels`.

    Raises `ImporterError` `no_messages` if there is nothing to read.
    """
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    unfenced = list(_unfenced(lines))
    labels = _labels(unfenced)
    heading = _heading(unfenced, before=labels[0].line if labels else len(lines))
    turns = Turns()
    if labels:
        _add_turns(lines, labels, heading, turns)
    else:
        turns.add(ImportedMessage("user", "\n".join(lines)))
        turns.warn("no_labels")
    if not (messages := turns.messages()):
        raise ImporterError(
            "There is no text to import. Paste the chat, or upload a file that holds it.", code="no_messages"
        )
    title = _title(lines[heading]) if heading is not None else ""
    return ImportedChat(
        source="text",
        parser=PARSER,
        title=choose_title([title], messages, filename),
        messages=messages,
        warnings=tuple(turns.warnings),
    )


def _add_turns(lines: list[str], labels: list[_Label], heading: int | None, turns: Turns) -> None:
    before = "\n".join(line for number, line in enumerate(lines[: labels[0].line]) if number != heading).strip()
    if before:
        turns.warn("text_before_first_label")
    ends = [label.line for label in labels[1:]] + [len(lines)]
    for label, end in zip(labels, ends, strict=True):
        said = "\n".join([label.rest, *lines[label.line + 1 : end]]).strip()
        turns.add(ImportedMessage(label.role, f"{before}\n\n{said}"))
        before = ""


def _labels(unfenced: Iterable[tuple[int, str]]) -> list[_Label]:
    """The labels that count: the unmistakable ones if both roles have one, else all; none if a role lacks one."""
    found = [label for number, line in unfenced if (label := _label(number, line))]
    clear = [label for label in found if not label.is_vague]
    for labels in (clear, found):
        if len({label.role for label in labels}) == 2:
            return labels
    return []


def _label(number: int, line: str) -> _Label | None:
    match = _LABEL.fullmatch(line)
    if not match or (match["rest"].strip() and not match["colon"]):
        return None
    name = match["name"].lower()
    role = _ROLES.get(name)
    return _Label(number, role, name in _VAGUE, match["rest"].strip()) if role else None


def _unfenced(lines: list[str]) -> Iterator[tuple[int, str]]:
    """The numbered lines that are no part of a fenced code block, as CommonMark delimits it."""
    fence = ""
    for number, line in enumerate(lines):
        match = _FENCE.match(line)
        if not fence and not match:
            yield number, line
        elif not fence and match:
            fence = match["fence"]
        elif match and match["fence"].startswith(fence) and not match["info"].strip():
            fence = ""


def _heading(unfenced: Iterable[tuple[int, str]], *, before: int) -> int | None:
    """The number of the first line above line `before` that is a `# heading`."""
    return next((number for number, line in unfenced if number < before and _title(line)), None)


def _title(line: str) -> str:
    match = _HEADING.fullmatch(line)
    return match["title"].strip().rstrip("#").strip() if match else ""

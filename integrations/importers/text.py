"""Reads Markdown and plain text with a label before each turn, such as `User:`, `**You:**` or `## Assistant`.

A label stands at the start of a line, alone or followed by `: text`, outside code fences. Words that are as common in
prose as in a label ("Model: …", "Response: …") count only if the text lacks an unmistakable label of one of the roles.
Roles are never guessed: without labels of both roles the whole text is one message of the user's.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from integrations.importers.base import ImportedChat, ImportedMessage, ImporterError, Role
from integrations.importers.markdown import front_matter, lines_of, unfenced
from integrations.importers.titles import choose_title
from integrations.importers.turns import Turns

PARSER = "text/1"

_PRODUCTS = (
    "chatgpt",
    "claude",
    "grok",
    "gemini",
    "copilot",
    "deepseek",
    "perplexity",
    "le chat",
    "mistral",
    "meta ai",
)
_ROLES: dict[str, Role] = {
    **dict.fromkeys(("user", "you", "human", "me", "prompt", "you said"), "user"),
    **dict.fromkeys(("assistant", "ai", "model", "response", *_PRODUCTS), "assistant"),
    **{f"{name} {verb}": "assistant" for name in _PRODUCTS for verb in ("said", "responded")},
    # What ChatGPT's page says for "You said" and "ChatGPT said" in other languages.
    **dict.fromkeys(("du hast gesagt", "vous avez dit", "has dicho", "você disse", "hai detto", "你说"), "user"),
    **dict.fromkeys(("chatgpt hat gesagt", "chatgpt a dit", "chatgpt dijo", "chatgpt ha dicho"), "assistant"),
    **dict.fromkeys(("o chatgpt disse", "chatgpt ha detto", "chatgpt 说"), "assistant"),
}
_VAGUE = frozenset({"me", "prompt", "ai", "model", "response"})
_LABEL = re.compile(
    r" {0,3}(?:#{1,6}[ \t]+)?[*_]{0,3}(?P<name>[^\W\d_]+(?: [^\W\d_]+){0,2})[*_]{0,3}"
    r"[ \t\u00a0]?(?P<colon>[:：]?)[*_]{0,3}(?P<rest>.*)"
)
_HEADING = re.compile(r" {0,3}#[ \t]+(?P<title>.+)")


@dataclass(frozen=True, slots=True)
class _Label:
    line: int
    role: Role
    is_vague: bool
    rest: str


def read(text: str, filename: str = "") -> ImportedChat:
    """The turns of `text`; its title is that of its front matter, or else a first `# heading` before them.

    What else stands before the first label is kept at the head of the first message, with the warning
    `text_before_first_label`. Without labels of both roles: one message, with the warning `no_labels`.

    Raises `ImporterError` `no_messages` if there is nothing to read.
    """
    fields, lines = front_matter(lines_of(text))
    outside = list(unfenced(lines))
    labels = _labels(outside)
    heading = _heading(outside, before=labels[0].line if labels else len(lines))
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
        title=choose_title([fields.get("title"), title], messages, filename),
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


def _labels(outside: Iterable[tuple[int, str]]) -> list[_Label]:
    """The labels that count: the unmistakable ones if both roles have one, else all; none if a role lacks one."""
    found = [label for number, line in outside if (label := _label(number, line))]
    clear = [label for label in found if not label.is_vague]
    for labels in (clear, found):
        if len({label.role for label in labels}) == 2:
            return labels
    return []


def _label(number: int, line: str) -> _Label | None:
    match = _LABEL.fullmatch(line)
    if not match or (match["rest"].strip() and not match["colon"]):
        return None
    name = match["name"].casefold()
    role = _ROLES.get(name)
    return _Label(number, role, name in _VAGUE, match["rest"].strip()) if role else None


def _heading(outside: Iterable[tuple[int, str]], *, before: int) -> int | None:
    """The number of the first line above line `before` that is a `# heading`."""
    return next((number for number, line in outside if number < before and _title(line)), None)


def _title(line: str) -> str:
    match = _HEADING.fullmatch(line)
    return match["title"].strip().rstrip("#").strip() if match else ""

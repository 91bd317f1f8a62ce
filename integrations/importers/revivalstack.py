"""Reads the Markdown of the user script AI Chat Exporter (revivalstack): pairs below headings `chat-1`, `chat-2`, ….

Each pair is the prompt as a quote, then the answer, a rule and a link to the top. Front matter names the site.
"""

import re

from integrations.importers.base import ImportedChat, ImportedMessage, no_messages
from integrations.importers.markdown import front_matter, lines_of, unfenced
from integrations.importers.titles import choose_title
from integrations.importers.turns import Turns

PARSER = "revivalstack-markdown/1"

_PAIR = re.compile(r"#{1,6} chat-\d{1,6}\s*")
_FIRST_PAIR = re.compile(r"^#{1,6} chat-\d{1,6}\s*$", re.MULTILINE)
_TOP = re.compile(r"#{1,6} \[top\]\(#table-of-contents\)\s*")
_RULE = re.compile(r"(?:___+|---+|\*\*\*+)\s*")
_TITLE = re.compile(r"# (?P<title>\S.*)")
_SITES = frozenset({"chatgpt", "claude", "gemini", "grok", "copilot"})


def matches(text: str) -> bool:
    """Whether `text` has a heading of a pair, and front matter or links to the top as this script writes them."""
    if not _FIRST_PAIR.search(text):
        return False
    fields, lines = front_matter(lines_of(text))
    is_signed = "[top](#table-of-contents)" in text or bool({"exporter", "count"} & fields.keys())
    return is_signed and bool(_headings(lines))


def read(text: str, filename: str = "") -> ImportedChat:
    """The pairs of a text that `matches`. Raises `ImporterError` `no_messages`, `too_large`."""
    fields, lines = front_matter(lines_of(text))
    starts = _headings(lines)
    turns = Turns()
    for start, end in zip(starts, [*starts[1:], len(lines)], strict=True):
        _add_pair(lines[start + 1 : end], turns)
    if not (messages := turns.messages()):
        raise no_messages()
    head = lines[: starts[0]]
    heading = next((match["title"] for line in head if (match := _TITLE.fullmatch(line))), "")
    site = fields.get("author", "").lower()
    return ImportedChat(
        source=site if site in _SITES else "text",
        parser=PARSER,
        title=choose_title([fields.get("title"), heading], messages, filename),
        messages=messages,
    )


def _headings(lines: list[str]) -> list[int]:
    return [number for number, line in unfenced(lines) if _PAIR.fullmatch(line)]


def _add_pair(lines: list[str], turns: Turns) -> None:
    lines = _without_end(lines)
    start = next((number for number, line in enumerate(lines) if line.strip()), len(lines))
    end = start
    while end < len(lines) and lines[end].startswith(">"):
        end += 1
    prompt = [line[2:] if line.startswith("> ") else line[1:] for line in lines[start:end]]
    turns.add(ImportedMessage("user", "\n".join(prompt)))
    turns.add(ImportedMessage("assistant", "\n".join(lines[end:])))


def _without_end(lines: list[str]) -> list[str]:
    """`lines` without the rule and the link to the top that close a pair."""
    end = len(lines)
    for closing in (_TOP, _RULE):
        while end and not lines[end - 1].strip():
            end -= 1
        if end and closing.fullmatch(lines[end - 1]):
            end -= 1
    return lines[:end]

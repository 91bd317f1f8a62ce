"""Reads the Markdown of the browser extension ChatGPT Exporter: turns below headings `#### You:` and `#### ChatGPT:`.

Its other headings of that kind are tools. Thoughts stand in `<details>` at the head of an answer.
"""

import re
from dataclasses import dataclass

from integrations.importers.base import ImportedChat, ImportedMessage, Role, no_messages
from integrations.importers.markdown import front_matter, lines_of, unfenced, without_details
from integrations.importers.titles import choose_title
from integrations.importers.turns import Turns
from integrations.importers.values import moment

PARSER = "chatgpt-exporter-markdown/1"

_ROLES: dict[str, Role] = {"You": "user", "ChatGPT": "assistant"}
_HEADING = re.compile(r"#### (?P<name>You|ChatGPT|System|(?:Plugin|Tool)(?: \([^()]{0,200}\))?):[ \t]*")
_BOTH = tuple(re.compile(rf"^#### {name}:[ \t]*$", re.MULTILINE) for name in _ROLES)
_TIME = re.compile(r'\s*<time datetime="([^"<>]{1,40})"[^<>]{0,200}>[^<>]{0,40}</time>')
_THOUGHTS = re.compile(r"<details>\s*<summary>Th(?:ought for|inking)")
_IMAGE = re.compile(r"!\[image\]\((?:sediment|file-service)://[^()\s]{0,500}\)")
_TITLE = re.compile(r"# (?P<title>\S.*)")


@dataclass(frozen=True, slots=True)
class _Turn:
    name: str
    lines: list[str]


def matches(text: str) -> bool:
    """Whether `text` has the heading of either role, alone on its line and outside of code."""
    if not all(heading.search(text) for heading in _BOTH):
        return False
    return {name for _, name in _headings(front_matter(lines_of(text))[1])} >= _ROLES.keys()


def read(text: str, filename: str = "") -> ImportedChat:
    """The turns of a text that `matches`. Raises `ImporterError` `no_messages`, `too_large`."""
    fields, lines = front_matter(lines_of(text))
    head, split = _split(lines)
    turns = Turns()
    for turn in split:
        _add(turn, turns)
    if not (messages := turns.messages()):
        raise no_messages()
    heading = next((match["title"] for line in head if (match := _TITLE.fullmatch(line))), "")
    return ImportedChat(
        source="chatgpt",
        parser=PARSER,
        title=choose_title([heading, fields.get("title")], messages, filename),
        messages=messages,
        created_at=moment(fields.get("create_time")),
        updated_at=moment(fields.get("update_time")),
        omitted=dict(turns.omitted),
        warnings=tuple(turns.warnings),
    )


def _split(lines: list[str]) -> tuple[list[str], list[_Turn]]:
    """What stands above the first heading of a turn, and the turns."""
    starts = _headings(lines)
    ends = [number for number, _ in starts[1:]] + [len(lines)]
    split = [_Turn(name, lines[number + 1 : end]) for (number, name), end in zip(starts, ends, strict=True)]
    return lines[: starts[0][0]], split


def _headings(lines: list[str]) -> list[tuple[int, str]]:
    """The number of each line that is the heading of a turn, and whose."""
    return [(number, match["name"]) for number, line in unfenced(lines) if (match := _HEADING.fullmatch(line))]


def _add(turn: _Turn, turns: Turns) -> None:
    role = _ROLES.get(turn.name)
    if role is None:
        turns.leave_out("tool_result", count=turn.name != "System")
        return
    said = "\n".join(turn.lines)
    time = _TIME.match(said)
    said, thoughts = without_details(said[time.end() :] if time else said, lambda start: bool(_THOUGHTS.match(start)))
    said, images = _IMAGE.subn("[image]", said)
    turns.leave_out("reasoning", thoughts)
    turns.leave_out("image", images)
    turns.add(ImportedMessage(role, said, created_at=moment(time[1]) if time else None), merge=role == "assistant")

"""Reads what a saved ChatGPT page shows, where it does not hold the conversation's data.

A long chat is drawn in part only, as far as it was scrolled to, so that every chat read here warns `virtualised`.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from integrations.importers import text
from integrations.importers.base import ImportedChat, ImportedMessage, Role, no_messages
from integrations.importers.html_markdown import MarkdownWriter
from integrations.importers.html_tokens import VOID, Tag, tokens
from integrations.importers.titles import choose_title
from integrations.importers.turns import Turns
from integrations.importers.values import identifier, model_name

PARSER = "chatgpt-share-dom/1"

_TURN = re.compile(r"""\bdata-(?:message-author-role|turn)=["']?(?:user|assistant)\b""")
_TITLE = re.compile(r"<title[^<>]{0,200}>([^<]{0,2000})</title", re.IGNORECASE)
_MISNESTED = 50  # so many elements may be left open within another
_HEADINGS = (re.compile(r">\s{0,20}You said:?\s{0,20}<"), re.compile(r">\s{0,20}ChatGPT said:?\s{0,20}<"))


def matches(page: object) -> bool:
    """Whether `page` shows turns of a chat with ChatGPT, by their attributes or by the headings for screen readers."""
    if not isinstance(page, str):
        return False
    return bool(_TURN.search(page)) or all(heading.search(page) for heading in _HEADINGS)


def read(page: str, filename: str = "") -> ImportedChat:
    """The conversation that `page` shows. Raises `ImporterError` `no_messages`, `too_large`."""
    turns = Turns()
    if _TURN.search(page):
        for shown in _shown(page):
            _add(shown, turns)
    else:
        _add_labelled(page, turns)
    turns.warn("virtualised")
    if not (messages := turns.messages()):
        raise no_messages()
    title = _TITLE.search(page)
    name = title[1].strip().removeprefix("ChatGPT - ") if title else ""
    return ImportedChat(
        source="chatgpt",
        parser=PARSER,
        title=choose_title([name], messages, filename),
        messages=messages,
        omitted=dict(turns.omitted),
        warnings=tuple(turns.warnings),
    )


@dataclass
class _Shown:
    """One element of a turn, with the attributes of its tag."""

    role: str
    attributes: dict[str, str]
    writer: MarkdownWriter = field(default_factory=MarkdownWriter)


def _add(shown: _Shown, turns: Turns) -> None:
    said = shown.writer.text
    turns.omitted.update(shown.writer.omitted)
    if shown.role in ("user", "assistant"):
        message_id = identifier(shown.attributes.get("data-message-id"))
        model = model_name(shown.attributes.get("data-message-model-slug", ""))
        role: Role = "user" if shown.role == "user" else "assistant"
        turns.add(ImportedMessage(role, said, message_id, model=model), merge=role == "assistant")
    elif said:
        turns.leave_out("tool_result" if shown.role == "tool" else "unknown")


def _shown(page: str) -> Iterator[_Shown]:
    """The elements that are marked with a role, each as long as it is open."""
    mark = "data-message-author-role" if "data-message-author-role=" in page else "data-turn"
    shown: _Shown | None = None
    still_open: list[str] = []  # the elements within the one that is shown, itself first
    for token in tokens(page):
        if shown is None:
            if isinstance(token, Tag) and not token.is_end and mark in token.attributes:
                shown, still_open = _Shown(token.attributes[mark], token.attributes), [token.name]
            continue
        _follow(token, still_open)
        if not still_open:
            yield shown
            shown = None
        else:
            shown.writer.take(token)
    if shown is not None:
        yield shown


def _follow(token: Tag | str, still_open: list[str]) -> None:
    """Keeps account of open elements, taking those for closed that a page forgot to close."""
    if isinstance(token, str) or token.name in VOID:
        return
    if not token.is_end:
        still_open.append(token.name)
    elif token.name in still_open[-_MISNESTED:] or token.name == still_open[0]:
        while still_open.pop() != token.name:
            pass


def _add_labelled(page: str, turns: Turns) -> None:
    """The turns of a page in which only the headings for screen readers tell who speaks."""
    writer = MarkdownWriter(keeps_hidden=True)
    for token in tokens(page):
        writer.take(token)
    turns.omitted.update(writer.omitted)
    labelled = text.read(writer.text)
    if "no_labels" not in labelled.warnings:
        for message in labelled.messages:
            turns.add(message)

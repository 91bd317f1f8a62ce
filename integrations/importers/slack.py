"""A thread of Slack, given as its messages: `[{user or author, text, ts, bot_id}]`, as its API lists them."""

import html
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from config.text import clean_text, shorten
from integrations.importers.base import ImportedChat, ImportedMessage, no_messages

THREAD_LINK = re.compile(r"https://[a-z0-9][a-z0-9.-]{0,100}\.slack\.com/archives/[A-Z0-9]{1,40}/p\d{1,20}")
TITLE_CHARACTERS = 80
_LINK = re.compile(r"<([^<>|]+)\|([^<>]+)>")  # <address|label>, <#C024|general>
_BARE = re.compile(r"<([^<>|]+)>")  # <address>, <@U024>, <!here>


def read_thread(messages: Sequence[Mapping[str, Any]], *, title: str = "", thread_url: str = "") -> ImportedChat:
    """The thread as a chat: what apps said is the assistant's, what people said is the user's.

    Where several people speak, each message begins with its author. Empty messages are left out and counted; raises
    `ImporterError` if none is left.
    """
    people = {_author(row) for row in messages if not _is_app(row)}
    turns = [turn for row in messages if (turn := _turn(row, is_named=len(people) > 1))]
    if not turns:
        raise no_messages(format="slack")
    return ImportedChat(
        source="slack",
        parser="slack-thread/1",
        title=clean_text(title).strip() or shorten(turns[0].text.split("\n", 1)[0], TITLE_CHARACTERS),
        messages=tuple(turns),
        source_url=thread_url,
        created_at=turns[0].created_at,
        updated_at=turns[-1].created_at,
        omitted={"unknown": len(messages) - len(turns)} if len(turns) < len(messages) else {},
    )


def _turn(row: Mapping[str, Any], *, is_named: bool) -> ImportedMessage | None:
    text = markdown(clean_text(str(row.get("text") or ""))).strip()
    if not text:
        return None
    is_app = _is_app(row)
    if is_named and not is_app:
        text = f"**{clean_text(_author(row))}:** {text}"
    return ImportedMessage("assistant" if is_app else "user", text, str(row.get("ts", "")), _time(row.get("ts")))


def markdown(text: str) -> str:
    """Slack's links and escapes as Markdown; its bold and italics read the same."""
    text = _LINK.sub(lambda match: f"[{match[2]}]({match[1]})" if "://" in match[1] else match[2], text)
    return html.unescape(_BARE.sub(lambda match: match[1], text))


def _is_app(row: Mapping[str, Any]) -> bool:
    return bool(row.get("bot_id")) or row.get("subtype") == "bot_message"


def _author(row: Mapping[str, Any]) -> str:
    return str(row.get("author") or row.get("user") or "somebody")


def _time(ts: Any) -> datetime | None:
    """The time of Slack's `ts`, seconds since 1970 as text; None for anything else."""
    try:
        return datetime.fromtimestamp(float(ts), UTC)
    except (TypeError, ValueError, OverflowError, OSError):
        return None

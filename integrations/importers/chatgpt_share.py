"""Reads a saved or fetched ChatGPT share page: a script of the page holds the conversation, in one of three ways.

Only the conversation leaves this module: a saved page also holds the session, the account and the whereabouts of
whoever saved it.
"""

import html
import json
import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from integrations.importers import chatgpt_dom, chatgpt_state, turbo_stream
from integrations.importers.base import ImportedChat, ImporterError
from integrations.importers.turns import too_large

TURBO_STREAM = "chatgpt-share-turbostream/1"  # since 2025
REMIX = "chatgpt-share-remix/1"  # late 2024
NEXT_DATA = "chatgpt-share-nextdata/1"  # to the summer of 2024

_ENQUEUE = re.compile(r'streamController\.enqueue\(\s*(?=")')
_REMIX = re.compile(r"window\.__remixContext\s*=\s*(?=\{)")
_NEXT_DATA = re.compile(r"""<script[^<>]{0,200}\bid=["']__NEXT_DATA__["'][^<>]{0,200}>\s*(?=\{)""")
_SHARE_ID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_TITLE_CHARACTERS = 2000

_INSTEAD = "Copy the chat's text from the page and paste it instead."
_CHALLENGE = f"This page is a bot check, not a chat. Open the link in your browser until the chat shows. {_INSTEAD}"
_CHANGED = f"This looks like a ChatGPT page, but the conversation in it cannot be read. {_INSTEAD}"
_NO_CHAT = (
    "This ChatGPT page holds no shared conversation, as when a sign-in page was saved. Open the share link until the "
    f"chat shows and save that page. {_INSTEAD}"
)


def matches(page: Any) -> bool:
    """Whether `page` is of ChatGPT's site or the bot check in front of it."""
    if not isinstance(page, str):
        return False
    if _ENQUEUE.search(page) or _REMIX.search(page) or _is_challenge(page) or _title(page).startswith("ChatGPT"):
        return True
    return bool(_NEXT_DATA.search(page)) and '"serverResponse"' in page


def read(page: str, filename: str = "") -> ImportedChat:
    """The conversation of a page that `matches`: from its data, or else from what the page shows.

    Raises `ImporterError`: `bot_challenge`, `private_or_login` if the page is whole but holds no conversation,
    `format_changed` if it cannot be decoded, `no_messages`, `too_large`. `extra["stage"]` says how far it came.
    """
    if _is_challenge(page):
        raise ImporterError(_CHALLENGE, code="bot_challenge", extra={"stage": "challenge_page"})
    try:
        return _from_data(page, filename)
    except ImporterError as error:
        if error.code in ("format_changed", "private_or_login") and chatgpt_dom.matches(page):
            return chatgpt_dom.read(page, filename)
        raise


def _from_data(page: str, filename: str) -> ImportedChat:
    parser, root = _root(page)
    found = chatgpt_state.find(root)
    if found is None and chatgpt_state.is_share(root):
        raise _changed("no_conversation")
    if found is None:
        raise ImporterError(_NO_CHAT, code="private_or_login", extra={"stage": "no_share_route"})
    chat = chatgpt_state.read_found(*found, filename=filename, parser=parser, title=_title(page))
    if not _SHARE_ID.fullmatch(chat.source_id):
        return chat
    return replace(chat, source_url=f"https://chatgpt.com/share/{chat.source_id}")


def _root(page: str) -> tuple[str, Any]:
    """The state of the page, and which generation of the site wrote it."""
    if chunks := list(_chunks(page)):
        return TURBO_STREAM, _streamed(chunks)
    for parser, start in ((REMIX, _REMIX), (NEXT_DATA, _NEXT_DATA)):
        if match := start.search(page):
            return parser, _value_at(page, match.end(), "state_not_json")[0]
    raise _changed("no_chunk")


def _streamed(chunks: list[str]) -> Any:
    try:
        return turbo_stream.decode("".join(chunks))
    except turbo_stream.StreamError as error:
        if error.stage == "too_many_values":
            raise too_large() from None
        raise _changed(error.stage, chunks=len(chunks)) from None


def _chunks(page: str) -> Iterator[str]:
    """The JavaScript string literals that are put into the stream, in order."""
    position = 0
    while match := _ENQUEUE.search(page, position):
        chunk, position = _value_at(page, match.end(), "chunk_cut_off")
        yield chunk


def _value_at(page: str, position: int, stage: str) -> tuple[Any, int]:
    """The JSON at `position` and where it ends.

    It ends where a decoder says: what follows it can also stand in a message.
    """
    try:
        return json.JSONDecoder(strict=False).raw_decode(page, position)
    except ValueError:
        raise _changed(stage) from None


def _is_challenge(page: str) -> bool:
    return _title(page).startswith("Just a moment") or ("_cf_chl_opt" in page and not _ENQUEUE.search(page))


def _title(page: str) -> str:
    start = page.find("<title")
    opened = page.find(">", start, start + 200) + 1 if start >= 0 else 0
    end = page.find("</title>", opened, opened + _TITLE_CHARACTERS) if opened else -1
    return html.unescape(page[opened:end]).strip() if end >= 0 else ""


def _changed(stage: str, **counts: int) -> ImporterError:
    return ImporterError(_CHANGED, code="format_changed", extra={"stage": stage} | counts)

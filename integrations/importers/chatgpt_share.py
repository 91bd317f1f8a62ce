"""Reads a saved or fetched ChatGPT share page: the conversation is in a script of the page, as a turbo-stream.

Only the conversation leaves this module: a saved page also holds the session, the account and the whereabouts of
whoever saved it.
"""

import html
import json
import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from integrations.importers import chatgpt, turbo_stream
from integrations.importers.base import ImportedChat, ImporterError
from integrations.importers.turns import too_large
from integrations.importers.values import dict_or_empty

PARSER = "chatgpt-share-turbostream/1"

_ENQUEUE = re.compile(r'streamController\.enqueue\(\s*(?=")')
_SHARE_ID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_TITLE_CHARACTERS = 2000

_INSTEAD = "Copy the chat's text from the page and paste it instead."
_CHALLENGE = f"This page is a bot check, not a chat. Open the link in your browser until the chat shows. {_INSTEAD}"
_CHANGED = f"This looks like a ChatGPT page, but the conversation in it cannot be read. {_INSTEAD}"
_NO_CHAT = (
    "This ChatGPT page holds no shared conversation, as when a sign-in page was saved. Open the share link until the "
    f"chat shows and save that page. {_INSTEAD}"
)


def matches(page: str) -> bool:
    """Whether `page` is of ChatGPT's site or the bot check in front of it."""
    return bool(_ENQUEUE.search(page)) or _is_challenge(page) or _title(page).startswith("ChatGPT")


def read(page: str, filename: str = "") -> ImportedChat:
    """The conversation of a page that `matches`.

    Raises `ImporterError`: `bot_challenge`, `private_or_login` if the page is whole but holds no conversation,
    `format_changed` if it cannot be decoded, `no_messages`, `too_large`. `extra["stage"]` says how far it came.
    """
    if _is_challenge(page):
        raise ImporterError(_CHALLENGE, code="bot_challenge", extra={"stage": "challenge_page"})
    root = _root(page)
    data, meta = _conversation(root)
    title = next((value for value in (data.get("title"), meta.get("title"), _title(page)) if value), None)
    if isinstance(title, str):
        title = title.removeprefix("ChatGPT - ")
    chat = chatgpt.read(data | {"title": title}, filename, parser=PARSER)
    if not _SHARE_ID.fullmatch(chat.source_id):
        return chat
    return replace(chat, source_url=f"https://chatgpt.com/share/{chat.source_id}")


def _root(page: str) -> Any:
    chunks = list(_chunks(page))
    if not chunks:
        raise _changed("no_chunk")
    try:
        return turbo_stream.decode("".join(chunks))
    except turbo_stream.StreamError as error:
        if error.stage == "too_many_values":
            raise too_large() from None
        raise _changed(error.stage, chunks=len(chunks)) from None


def _chunks(page: str) -> Iterator[str]:
    """The JavaScript string literals that are put into the stream, in order.

    A literal ends where a JSON decoder says it does: what follows it can also stand in a message.
    """
    decoder = json.JSONDecoder(strict=False)
    position = 0
    while match := _ENQUEUE.search(page, position):
        try:
            chunk, position = decoder.raw_decode(page, match.end())
        except ValueError:
            raise _changed("chunk_cut_off") from None
        yield chunk


def _conversation(root: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """The conversation and the page's `meta`, where they are expected or, failing that, anywhere."""
    routes = dict_or_empty(dict_or_empty(root).get("loaderData"))
    share = {name: dict_or_empty(route) for name, route in routes.items() if name.startswith("routes/share")}
    for route in share.values():
        data = dict_or_empty(route.get("serverResponse")).get("data")
        if chatgpt.matches(data):
            return dict_or_empty(data), dict_or_empty(route.get("meta"))
    for value in _dicts_within(root):
        if ("current_node" in value or "linear_conversation" in value) and chatgpt.matches(value):
            return value, {}
    if share:
        raise _changed("no_conversation")
    raise ImporterError(_NO_CHAT, code="private_or_login", extra={"stage": "no_share_route"})


def _dicts_within(root: Any) -> Iterator[dict[str, Any]]:
    todo, seen = [root], set()
    while todo:
        value = todo.pop()
        if not isinstance(value, dict | list) or id(value) in seen:
            continue
        seen.add(id(value))
        if isinstance(value, dict):
            yield value
        todo.extend(value.values() if isinstance(value, dict) else value)


def _is_challenge(page: str) -> bool:
    return _title(page).startswith("Just a moment") or ("_cf_chl_opt" in page and not _ENQUEUE.search(page))


def _title(page: str) -> str:
    start = page.find("<title")
    opened = page.find(">", start, start + 200) + 1 if start >= 0 else 0
    end = page.find("</title>", opened, opened + _TITLE_CHARACTERS) if opened else -1
    return html.unescape(page[opened:end]).strip() if end >= 0 else ""


def _changed(stage: str, **counts: int) -> ImporterError:
    return ImporterError(_CHANGED, code="format_changed", extra={"stage": stage} | counts)

"""Reads a conversation with Grok on X as JSON: what X's site loads, or its `items` alone."""

from itertools import islice
from typing import Any

from integrations.importers.base import ImportedChat, ImportedMessage, Role, no_messages
from integrations.importers.titles import choose_title
from integrations.importers.turns import Turns, joined
from integrations.importers.values import dict_or_empty, dicts, identifier, list_or_empty, moment, string, timestamp

PARSER = "grok-x/1"

_ROLES: dict[str, Role] = {"user": "user", "agent": "assistant"}
_FIRST_ITEMS = 20


def matches(value: Any) -> bool:
    """Whether `value` has `items` with a `sender_type`, as it is or below `data`."""
    return any("sender_type" in item for item in islice(_items(value), _FIRST_ITEMS))


def read(data: dict[str, Any], filename: str = "") -> ImportedChat:
    """The one conversation `data`, which `matches`; the newest item may stand first. Raises `ImporterError`."""
    turns = Turns()
    items = sorted(_items(data), key=lambda item: timestamp(item.get("created_at_ms")))
    for item in items:
        _add(item, turns)
    messages = turns.messages()
    if not messages:
        raise no_messages(nodes=len(items))
    return ImportedChat(
        source="grok",
        parser=PARSER,
        title=choose_title([data.get("title")], messages, filename),
        messages=messages,
        source_id=identifier(data.get("rest_id")),
        created_at=messages[0].created_at,
        updated_at=messages[-1].created_at,
        omitted=dict(turns.omitted),
        warnings=tuple(turns.warnings),
    )


def _items(value: Any) -> list[dict[str, Any]]:
    data = dict_or_empty(value)
    answer = dict_or_empty(data.get("data", data))
    return dicts(dict_or_empty(answer.get("grok_conversation_items_by_rest_id", data)).get("items"))


def _add(item: dict[str, Any], turns: Turns) -> None:
    role = _ROLES.get(string(item.get("sender_type")).lower())
    if role is None:
        turns.omitted["unknown"] += 1
        return
    if item.get("thinking_trace"):
        turns.omitted["reasoning"] += 1
    files = [f"[file: {string(file.get('file_name'))[:200] or 'unnamed'}]" for file in _files(item)]
    if files:
        turns.omitted["file"] += len(files)
    text = joined([string(item.get("message")), *files])
    turns.add(ImportedMessage(role, text, identifier(item.get("chat_item_id")), moment(item.get("created_at_ms"))))
    if item.get("is_partial") is True and text:
        turns.warn("interrupted")


def _files(item: dict[str, Any]) -> list[dict[str, Any]]:
    return [dict_or_empty(file) for file in list_or_empty(item.get("file_attachments")) if file]

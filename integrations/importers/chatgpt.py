"""Reads a ChatGPT conversation as JSON: an export, the answer of `backend-api/share`, or what a share page holds."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import islice
from typing import Any

from integrations.importers.base import ImportedChat, ImportedMessage, ImporterError
from integrations.importers.chatgpt_content import content_text, dict_or_empty, image_placeholders, type_of, weight
from integrations.importers.titles import choose_title
from integrations.importers.turns import Turns

PARSER = "chatgpt-json/1"

_ID = re.compile(r"[A-Za-z0-9_-]{1,200}")
_FIRST_NODES = 20
_CONTEXT = frozenset({"user_editable_context", "model_editable_context"})
_REASONING = frozenset({"thoughts", "reasoning_recap"})
_TOOL_TRAFFIC = frozenset(
    {"tether_browsing_display", "tether_browsing_code", "sonic_webpage", "system_error", "computer_output"}
)


def matches(value: Any) -> bool:
    """Whether `value` is a conversation of this kind, or a list of such as in an export."""
    return bool(_conversations(value))


def read(value: Any, filename: str = "", *, parser: str = PARSER) -> ImportedChat:
    """The one conversation in `value`, which `matches`.

    Raises `ImporterError` `several_conversations`, or `no_messages` if nothing in it is to be shown.
    """
    conversations = _conversations(value)
    if len(conversations) > 1:
        detail = "This file holds several conversations. Import an archive through /api/imports and choose among them."
        raise ImporterError(detail, code="several_conversations", extra={"conversations": len(conversations)})
    return _chat(conversations[0], filename, parser)


def is_conversation(value: Any) -> bool:
    """Whether `value` owns the nodes of a chat; DeepSeek's exports look alike but hold `fragments`."""
    if not isinstance(value, dict):
        return False
    mapping = value.get("mapping")
    if not isinstance(mapping, dict):
        return isinstance(value.get("linear_conversation"), list)
    messages = (dict_or_empty(dict_or_empty(node).get("message")) for node in mapping.values())
    return not any("fragments" in message for message in islice(messages, _FIRST_NODES))


def _conversations(value: Any) -> list[dict[str, Any]]:
    if is_conversation(value):
        return [value]
    items = value.get("conversations") if isinstance(value, dict) else value
    return [item for item in items if is_conversation(item)] if isinstance(items, list) else []


def _chat(data: dict[str, Any], filename: str, parser: str) -> ImportedChat:
    turns = Turns()
    nodes = _ordered(data, turns)
    for node in nodes:
        _add(node, turns)
    messages = turns.messages()
    if not messages:
        detail = "No message of this conversation can be shown. Copy the chat's text and paste it instead."
        raise ImporterError(detail, code="no_messages", extra={"stage": "no_visible_messages", "nodes": len(nodes)})
    return ImportedChat(
        source="chatgpt",
        parser=parser,
        title=choose_title([data.get("title")], messages, filename),
        messages=messages,
        source_id=_identifier(data.get("conversation_id")) or _identifier(data.get("id")),
        created_at=_moment(data.get("create_time")),
        updated_at=_moment(data.get("update_time")),
        model=_model(data),
        omitted=dict(turns.omitted),
        warnings=tuple(turns.warnings),
    )


def _ordered(data: dict[str, Any], turns: Turns) -> list[dict[str, Any]]:
    """The nodes of the branch that was last looked at, oldest first."""
    mapping = dict_or_empty(data.get("mapping"))
    linear = data.get("linear_conversation")
    if isinstance(linear, list):
        found = (mapping.get(entry) if isinstance(entry, str) else entry for entry in linear)
        if nodes := [node for node in found if isinstance(node, dict)]:
            return nodes
    current = data.get("current_node")
    if not isinstance(current, str) or current not in mapping:
        turns.warn("no_current_node")
        current = _newest_leaf(mapping)
    return list(_ancestry(mapping, current))[::-1]


def _ancestry(mapping: dict[str, Any], node_id: Any) -> Iterator[dict[str, Any]]:
    seen: set[str] = set()
    while isinstance(node_id, str) and node_id not in seen and isinstance(node := mapping.get(node_id), dict):
        seen.add(node_id)
        yield node
        node_id = node.get("parent")


def _newest_leaf(mapping: dict[str, Any]) -> str | None:
    nodes = {node_id: node for node_id, node in mapping.items() if isinstance(node, dict) and _message(node)}
    parents = {parent for node in nodes.values() if isinstance(parent := node.get("parent"), str)}
    leaves = [node_id for node_id in nodes if node_id not in parents] or list(nodes)
    return max(leaves, key=lambda node_id: _seconds(_message(nodes[node_id]).get("create_time")), default=None)


def _add(node: dict[str, Any], turns: Turns) -> None:
    message = _message(node)
    metadata = dict_or_empty(message.get("metadata"))
    author = dict_or_empty(message.get("author")).get("role")
    if not isinstance(message.get("content"), dict):
        return
    turns.charge(weight(message))
    if left_out := _left_out(message, metadata, author):
        turns.omitted[left_out] += 1
    elif not _is_hidden(message, metadata, author):
        _add_visible(message, author, turns)


def _left_out(message: dict[str, Any], metadata: dict[str, Any], author: Any) -> str:
    """The kind of working matter that `message` is, none of which is ever imported; empty for all else."""
    kind = type_of(message["content"])
    if author == "tool":
        is_hidden = bool(metadata.get("is_visually_hidden_from_conversation"))
        return "tool_result" if is_hidden or not image_placeholders(message) else ""
    if author != "assistant":
        return ""
    if message.get("recipient") not in (None, "all"):
        return "tool_call"
    if kind in _REASONING or message.get("channel") == "analysis":
        return "reasoning"
    if kind in _TOOL_TRAFFIC:
        return "tool_result"
    return "progress" if message.get("channel") == "commentary" else ""


def _is_hidden(message: dict[str, Any], metadata: dict[str, Any], author: Any) -> bool:
    return (
        author in ("system", "developer")
        or bool(metadata.get("is_visually_hidden_from_conversation"))
        or bool(metadata.get("is_user_system_message"))
        or type_of(message["content"]) in _CONTEXT
    )


def _add_visible(message: dict[str, Any], author: Any, turns: Turns) -> None:
    if author == "user":
        turns.add(_turn(message, "user", content_text(message, "user", turns.omitted)))
    elif author == "assistant":
        text = content_text(message, "assistant", turns.omitted)
        turns.add(_turn(message, "assistant", text), merge=True)
        if message.get("status") == "in_progress" and text:
            turns.warn("interrupted")
    elif author == "tool":
        placeholders = image_placeholders(message)
        turns.omitted["image"] += placeholders.count("[")
        turns.add(_turn(message, "assistant", placeholders), merge=True)
    else:
        turns.omitted["unknown"] += 1
    if turns.omitted["unknown"]:
        turns.warn("unknown_content")


def _turn(message: dict[str, Any], role: Any, text: str) -> ImportedMessage:
    return ImportedMessage(
        role=role,
        text=text,
        source_message_id=_identifier(message.get("id")),
        created_at=_moment(message.get("create_time")),
        model=_slug(dict_or_empty(message.get("metadata")).get("model_slug")),
    )


def _message(node: dict[str, Any]) -> dict[str, Any]:
    return dict_or_empty(node.get("message"))


def _model(data: dict[str, Any]) -> str:
    return _slug(data.get("default_model_slug")) or _slug(dict_or_empty(data.get("model")).get("slug"))


def _slug(value: Any) -> str:
    return value[:100] if isinstance(value, str) and value.isascii() and value.isprintable() else ""


def _identifier(value: Any) -> str:
    return value if isinstance(value, str) and _ID.fullmatch(value) else ""


def _seconds(value: Any) -> float:
    """Unix seconds between 1970 and 2100; 0 for anything else."""
    return float(value) if type(value) in (int, float) and 0 < value < 4_102_444_800 else 0.0


def _moment(value: Any) -> datetime | None:
    return datetime.fromtimestamp(seconds, UTC) if (seconds := _seconds(value)) else None

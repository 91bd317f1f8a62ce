"""Reads a ChatGPT conversation as JSON: an export, the answer of `backend-api/share`, or what a share page holds."""

from itertools import islice
from typing import Any

from integrations.importers.base import ImportedChat, ImportedMessage, no_messages
from integrations.importers.branches import active_branch
from integrations.importers.chatgpt_content import content_text, generated_images, type_of, weight
from integrations.importers.titles import choose_title
from integrations.importers.turns import Turns, joined
from integrations.importers.values import dict_or_empty, identifier, model_name, moment, string, timestamp

PARSER = "chatgpt-json/1"

_FIRST_NODES = 20
_CONTEXT = frozenset({"user_editable_context", "model_editable_context"})
_FLAGS = {"is_archived": "archived", "is_do_not_remember": "not_to_be_remembered"}
_REASONING = frozenset({"thoughts", "reasoning_recap"})
_TOOL_TRAFFIC = frozenset(
    {"tether_browsing_display", "tether_browsing_code", "sonic_webpage", "system_error", "computer_output"}
)


def matches(value: Any) -> bool:
    """Whether `value` owns the nodes of a chat; DeepSeek's exports look alike but hold `fragments`."""
    if not isinstance(value, dict):
        return False
    mapping = value.get("mapping")
    if not isinstance(mapping, dict):
        return isinstance(value.get("linear_conversation"), list)
    messages = (dict_or_empty(dict_or_empty(node).get("message")) for node in mapping.values())
    return not any("fragments" in message for message in islice(messages, _FIRST_NODES))


def read(data: dict[str, Any], filename: str = "", *, parser: str = PARSER) -> ImportedChat:
    """The one conversation `data`. Raises `ImporterError` `no_messages` if nothing in it is to be shown."""
    turns = Turns()
    nodes = _ordered(data, turns)
    for node in nodes:
        _add(node, turns)
    for flag, code in _FLAGS.items():
        if data.get(flag) is True:
            turns.warn(code)
    messages = turns.messages()
    if not messages:
        raise no_messages(nodes=len(nodes))
    return ImportedChat(
        source="chatgpt",
        parser=parser,
        title=choose_title([data.get("title")], messages, filename),
        messages=messages,
        source_id=identifier(data.get("conversation_id")) or identifier(data.get("id")),
        created_at=moment(data.get("create_time")),
        updated_at=moment(data.get("update_time")),
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
    spoken = {node_id: node for node_id, node in mapping.items() if isinstance(node, dict)}
    branch = active_branch(
        spoken, data.get("current_node"), parent=_parent, time=_time, is_message=lambda node: bool(_message(node))
    )
    if not branch.is_chosen:
        turns.warn("no_current_node")
    turns.leave_out("branch", branch.others)
    return branch.nodes


def _parent(node: dict[str, Any]) -> Any:
    return node.get("parent")


def _time(node: dict[str, Any]) -> float:
    return timestamp(_message(node).get("create_time"))


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
        return "tool_result" if is_hidden or not generated_images(message) else ""
    if author != "assistant":
        return ""
    if message.get("recipient") not in (None, "all"):
        return "canvas" if string(message.get("recipient")).startswith("canmore") else "tool_call"
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
        images = generated_images(message)
        turns.leave_out("image", len(images))
        turns.add(_turn(message, "assistant", joined(images)), merge=True)
    else:
        turns.leave_out("unknown")
    if turns.omitted["unknown"]:
        turns.warn("unknown_content")


def _turn(message: dict[str, Any], role: Any, text: str) -> ImportedMessage:
    return ImportedMessage(
        role=role,
        text=text,
        source_message_id=identifier(message.get("id")),
        created_at=moment(message.get("create_time")),
        model=model_name(dict_or_empty(message.get("metadata")).get("model_slug")),
    )


def _message(node: dict[str, Any]) -> dict[str, Any]:
    return dict_or_empty(node.get("message"))


def _model(data: dict[str, Any]) -> str:
    return model_name(data.get("default_model_slug")) or model_name(dict_or_empty(data.get("model")).get("slug"))

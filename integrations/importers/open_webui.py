"""Reads a chat of an Open WebUI export: a tree of messages in `chat.history`, or without the wrapper in older ones."""

import re
from typing import Any

from integrations.importers.base import ImportedChat, ImportedMessage, no_messages
from integrations.importers.branches import active_branch
from integrations.importers.markdown import without_details
from integrations.importers.message_content import content_markdown, count_silent, role_of
from integrations.importers.titles import choose_title
from integrations.importers.turns import Turns, joined
from integrations.importers.values import (
    dict_or_empty,
    dicts,
    identifier,
    list_or_empty,
    model_name,
    moment,
    string,
    timestamp,
)

PARSER = "open-webui-export/1"

_DETAILS = re.compile(r'<details\b[^<>]*\btype="(reasoning|tool_calls|code_interpreter)"')


def matches(value: Any) -> bool:
    """Whether `value` is a chat with a history of messages by id."""
    return isinstance(_history(_chat(value)).get("messages"), dict)


def read(value: dict[str, Any], filename: str = "") -> ImportedChat:
    """The branch that was last looked at. Raises `ImporterError` `no_messages`, `too_large`."""
    chat, turns = _chat(value), Turns()
    for message in _ordered(chat, turns):
        _add(message, turns)
    messages = turns.messages()
    if not messages:
        raise no_messages()
    return ImportedChat(
        source="open-webui",
        parser=PARSER,
        title=choose_title([value.get("title"), chat.get("title")], messages, filename),
        messages=messages,
        source_id=identifier(value.get("id")) or identifier(chat.get("id")),
        created_at=moment(value.get("created_at")) or moment(chat.get("timestamp")),
        updated_at=moment(value.get("updated_at")),
        model=next(filter(None, map(model_name, list_or_empty(chat.get("models")))), ""),
        omitted=dict(turns.omitted),
        warnings=tuple(turns.warnings),
    )


def _chat(value: Any) -> dict[str, Any]:
    wrapped = dict_or_empty(value)
    return dict_or_empty(wrapped.get("chat")) or wrapped


def _history(chat: dict[str, Any]) -> dict[str, Any]:
    return dict_or_empty(chat.get("history"))


def _ordered(chat: dict[str, Any], turns: Turns) -> list[dict[str, Any]]:
    history = _history(chat)
    nodes = {key: node for key, node in dict_or_empty(history.get("messages")).items() if isinstance(node, dict)}
    branch = active_branch(
        nodes,
        history.get("currentId"),
        parent=lambda node: node.get("parentId"),
        time=lambda node: timestamp(node.get("timestamp")),
    )
    if not branch.is_chosen:
        turns.warn("no_current_node")
    turns.leave_out("branch", branch.others)
    return branch.nodes


def _add(message: dict[str, Any], turns: Turns) -> None:
    role = role_of(message.get("role"))
    if role is None:
        count_silent(message.get("role"), turns)
        return
    said = joined([_said(message, turns), *_files(message, turns)])
    turn = ImportedMessage(
        role=role,
        text=said,
        source_message_id=identifier(message.get("id")),
        created_at=moment(message.get("timestamp")),
        model=model_name(message.get("model")) if role == "assistant" else "",
    )
    turns.add(turn)


def _said(message: dict[str, Any], turns: Turns) -> str:
    """The content without collapsed thoughts and calls; if that leaves nothing, what `output` holds for people."""
    text = content_markdown(message.get("content"), turns) if message.get("content") else ""
    kinds: list[str] = []

    def is_left_out(start: str) -> bool:
        if match := _DETAILS.match(start):
            kinds.append("reasoning" if match[1] == "reasoning" else "tool_call")
        return bool(match)

    text, count = without_details(text, is_left_out)
    for kind in kinds[:count]:
        turns.leave_out(kind)
    if text.strip():
        return text
    output = [item for item in dicts(message.get("output")) if item.get("type") == "message"]
    return joined([content_markdown(item.get("content") or "", turns) for item in output])


def _files(message: dict[str, Any], turns: Turns) -> list[str]:
    return [
        turns.placeholder("image" if string(file.get("type")).startswith("image") else "file", file.get("name"))
        for file in dicts(message.get("files"))
    ]

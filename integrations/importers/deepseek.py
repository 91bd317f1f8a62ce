"""Reads a conversation of a DeepSeek export: a tree like ChatGPT's, whose messages are made of `fragments`."""

from itertools import islice
from typing import Any

from integrations.importers.base import ImportedChat, ImportedMessage, Role, no_messages
from integrations.importers.branches import active_branch
from integrations.importers.titles import choose_title
from integrations.importers.turns import Turns, joined
from integrations.importers.values import (
    dict_or_empty,
    dicts,
    identifier,
    model_name,
    moment,
    string,
    timestamp,
)

PARSER = "deepseek-export/1"

_FIRST_NODES = 20
_SPOKEN: dict[str, Role] = {"REQUEST": "user", "RESPONSE": "assistant"}
_LEFT_OUT = {"THINK": "reasoning", "SEARCH": "tool_result", "READ_LINK": "tool_result", "FILE": "file"}


def matches(value: Any) -> bool:
    """Whether `value` is a tree with messages of fragments."""
    mapping = dict_or_empty(dict_or_empty(value).get("mapping"))
    return any("fragments" in _message(node) for node in islice(mapping.values(), _FIRST_NODES))


def read(data: dict[str, Any], filename: str = "") -> ImportedChat:
    """The branch of a conversation that ends with its newest message. Raises `ImporterError` `no_messages`."""
    turns = Turns()
    for node in _ordered(data, turns):
        _add(_message(node), turns)
    messages = turns.messages()
    if not messages:
        raise no_messages()
    return ImportedChat(
        source="deepseek",
        parser=PARSER,
        title=choose_title([data.get("title")], messages, filename),
        messages=messages,
        source_id=identifier(data.get("id")),
        created_at=moment(data.get("inserted_at")),
        updated_at=moment(data.get("updated_at")),
        model=next((message.model for message in reversed(messages) if message.model), ""),
        omitted=dict(turns.omitted),
        warnings=tuple(turns.warnings),
    )


def _ordered(data: dict[str, Any], turns: Turns) -> list[dict[str, Any]]:
    mapping = {key: node for key, node in dict_or_empty(data.get("mapping")).items() if isinstance(node, dict)}
    if not any(isinstance(above := node.get("parent"), str) and above in mapping for node in mapping.values()):
        return sorted(mapping.values(), key=_time)  # no tree, but a list
    branch = active_branch(
        mapping,
        data.get("current_node"),
        parent=lambda node: node.get("parent"),
        time=_time,
        is_message=lambda node: bool(_message(node)),
    )
    turns.leave_out("branch", branch.others)
    return branch.nodes


def _time(node: dict[str, Any]) -> float:
    return timestamp(_message(node).get("inserted_at"))


def _add(message: dict[str, Any], turns: Turns) -> None:
    """Adds what either side says in `message`, in the order of its fragments, and what comes with it."""
    said: dict[Role, list[str]] = {"user": [], "assistant": []}
    for fragment in dicts(message.get("fragments")):
        kind = string(fragment.get("type")).upper()
        if kind in _SPOKEN:
            said[_SPOKEN[kind]].append(string(fragment.get("content")))
        else:
            turns.leave_out(_LEFT_OUT.get(kind, "unknown"))
    for file in dicts(message.get("files")):
        said["user"].append(turns.placeholder("file", file.get("file_name") or file.get("name")))
    for role, parts in said.items():
        turns.add(_turn(message, role, joined(parts)))


def _turn(message: dict[str, Any], role: Role, text: str) -> ImportedMessage:
    return ImportedMessage(
        role=role,
        text=text,
        created_at=moment(message.get("inserted_at")),
        model=model_name(message.get("model")) if role == "assistant" else "",
    )


def _message(node: Any) -> dict[str, Any]:
    return dict_or_empty(dict_or_empty(node).get("message"))

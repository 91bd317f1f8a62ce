"""Reads a conversation as LibreChat exports it: a flat list of messages with parents, or messages within messages."""

from collections.abc import Iterator
from typing import Any

from integrations.importers.base import ImportedChat, ImportedMessage, Role, no_messages
from integrations.importers.branches import active_branch
from integrations.importers.message_content import content_markdown
from integrations.importers.titles import choose_title
from integrations.importers.turns import Turns, joined
from integrations.importers.values import dict_or_empty, dicts, identifier, model_name, moment, string, timestamp

PARSER = "librechat-export/1"

Message = dict[str, Any]


def matches(value: Any) -> bool:
    """Whether `value` is a conversation with LibreChat's names of members."""
    data = dict_or_empty(value)
    messages = data.get("messagesTree", data.get("messages"))
    return "conversationId" in data and isinstance(messages, list)


def read(data: dict[str, Any], filename: str = "") -> ImportedChat:
    """The branch that ends with the newest message. Raises `ImporterError` `no_messages`, `too_large`."""
    turns = Turns()
    for message in _ordered(data, turns):
        _add(message, turns)
    messages = turns.messages()
    if not messages:
        raise no_messages()
    options = dict_or_empty(data.get("options"))
    return ImportedChat(
        source="librechat",
        parser=PARSER,
        title=choose_title([data.get("title")], messages, filename),
        messages=messages,
        source_id=identifier(data.get("conversationId")),
        created_at=moment(data.get("createdAt")) or messages[0].created_at,
        updated_at=moment(data.get("updatedAt")),
        model=model_name(data.get("model")) or model_name(options.get("model")),
        omitted=dict(turns.omitted),
        warnings=tuple(turns.warnings),
    )


def _ordered(data: dict[str, Any], turns: Turns) -> list[Message]:
    found = list(_within(data.get("messagesTree") or data.get("messages")))
    nodes = {key: (message, above) for key, message, above in found}
    if not any(above in nodes for _, above in nodes.values()):
        return [message for message, _ in nodes.values()]  # no tree, but a list
    branch = active_branch(
        nodes, None, parent=lambda node: node[1], time=lambda node: timestamp(node[0].get("createdAt"))
    )
    turns.leave_out("branch", branch.others)
    return [message for message, _ in branch.nodes]


def _within(messages: Any) -> Iterator[tuple[str, Message, str]]:
    """Each message with its id and its parent's, parents first; without recursion, as long chats nest deeply."""
    todo = [(message, "") for message in reversed(dicts(messages))]
    number = 0
    while todo:
        message, above = todo.pop()
        number += 1
        key = string(message.get("messageId")) or f"message {number}"
        yield key, message, above or string(message.get("parentMessageId"))
        todo += [(child, key) for child in reversed(dicts(message.get("children")))]


def _add(message: Message, turns: Turns) -> None:
    if message.get("error") is True:
        turns.leave_out("error")
        return
    role: Role = "user" if _is_users(message) else "assistant"
    names = [file.get("filename") for file in dicts(message.get("files"))]
    turn = ImportedMessage(
        role=role,
        text=joined([_said(message, turns), *(turns.placeholder("file", name) for name in names)]),
        source_message_id=identifier(message.get("messageId")),
        created_at=moment(message.get("createdAt")),
        model=model_name(message.get("model")) if role == "assistant" else "",
    )
    turns.add(turn)
    if message.get("unfinished") is True:
        turns.warn("interrupted")


def _is_users(message: Message) -> bool:
    """The sender's name decides only if nothing better does: it is a label of the model's."""
    by_user = message.get("isCreatedByUser")
    return by_user if isinstance(by_user, bool) else string(message.get("sender")).lower() == "user"


def _said(message: Message, turns: Turns) -> str:
    content = message.get("content")
    said = content_markdown(content, turns) if content else ""
    return said if said.strip() else string(message.get("text"))

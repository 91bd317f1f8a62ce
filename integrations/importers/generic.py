"""Reads lists of messages as APIs and tools for training write them: `role` and `content`, or ShareGPT's `from` and
`value`; also a chat of Chatbot UI, which holds such a list.
"""

from collections.abc import Iterable
from itertools import islice
from typing import Any

from integrations.importers.base import ImportedChat, ImportedMessage, no_messages
from integrations.importers.message_content import ROLES, content_markdown, count_silent, role_of
from integrations.importers.titles import choose_title
from integrations.importers.turns import Turns
from integrations.importers.values import (
    dict_or_empty,
    dicts,
    identifier,
    list_or_empty,
    model_name,
    moment,
    named_list,
    string,
)

MESSAGES = "openai-messages/1"
SHAREGPT = "sharegpt-conversation/1"
CHATBOT_UI = "chatbot-ui-export/1"

_FIRST_MESSAGES = 20


def matches(value: Any) -> bool:
    """Whether `value` is a list of messages with a role and content, or an object with such a list as `messages`."""
    messages = value if isinstance(value, list) else dict_or_empty(value).get("messages")
    return _speak(messages, "role", "content")


def read(value: Any, filename: str = "") -> ImportedChat:
    """The messages in order. Raises `ImporterError` `no_messages`, `too_large`."""
    data = dict_or_empty(value)
    messages = value if isinstance(value, list) else data["messages"]
    return _chat(data, _turns(messages, "role", "content"), filename, source="openai", parser=MESSAGES)


def matches_sharegpt(value: Any) -> bool:
    """Whether `value` has `conversations` that are messages `from` somebody with a `value`."""
    return _speak(dict_or_empty(value).get("conversations"), "from", "value")


def read_sharegpt(data: dict[str, Any], filename: str = "") -> ImportedChat:
    """The messages in order. Raises `ImporterError` `no_messages`, `too_large`."""
    turns = _turns(data["conversations"], "from", "value")
    return _chat(data, turns, filename, source="sharegpt", parser=SHAREGPT)


def matches_chatbot_ui(value: Any) -> bool:
    """Whether `value` is a chat of a Chatbot UI export: its messages, and a folder or a prompt of its own."""
    data = dict_or_empty(value)
    return isinstance(data.get("messages"), list) and "name" in data and ("folderId" in data or "prompt" in data)


def each_chatbot_ui(value: Any) -> Iterable[Any]:
    """The chats of an export, a list or an object with `history`."""
    return named_list(value, "history")


def read_chatbot_ui(data: dict[str, Any], filename: str = "") -> ImportedChat:
    """The messages in order. Raises `ImporterError` `no_messages`, `too_large`."""
    turns = _turns(data["messages"], "role", "content")
    return _chat(data, turns, filename, source="chatbot-ui", parser=CHATBOT_UI)


def _speak(messages: Any, role: str, content: str) -> bool:
    first = islice((item for item in list_or_empty(messages) if isinstance(item, dict)), _FIRST_MESSAGES)
    return any(string(item.get(role)).lower() in ROLES and content in item for item in first)


def _turns(messages: Any, role_name: str, content_name: str) -> Turns:
    turns = Turns()
    for message in dicts(messages):
        _add(message, message.get(role_name), message.get(content_name), turns)
    return turns


def _add(message: dict[str, Any], name: Any, content: Any, turns: Turns) -> None:
    role = role_of(name)
    if role is None:
        count_silent(name, turns)
        return
    turns.leave_out("tool_call", len(dicts(message.get("tool_calls"))))
    turns.leave_out("reasoning", count=bool(string(message.get("reasoning_content")).strip()))
    turn = ImportedMessage(
        role=role,
        text=content_markdown(content, turns) if content else "",
        source_message_id=identifier(message.get("id")),
        created_at=next(filter(None, (moment(message.get(key)) for key in _TIMES)), None),
        model=model_name(message.get("model")) if role == "assistant" else "",
    )
    turns.add(turn)


_TIMES = ("created_at", "createdAt", "timestamp", "create_time")


def _chat(data: dict[str, Any], turns: Turns, filename: str, *, source: str, parser: str) -> ImportedChat:
    messages = turns.messages()
    if not messages:
        raise no_messages()
    model = data.get("model")
    return ImportedChat(
        source=source,
        parser=parser,
        title=choose_title([data.get("title"), data.get("name")], messages, filename),
        messages=messages,
        source_id=identifier(data.get("id")) or identifier(data.get("conversation_id")),
        created_at=next(filter(None, (moment(data.get(key)) for key in _TIMES)), None),
        updated_at=moment(data.get("updated_at")),
        model=model_name(model) or model_name(dict_or_empty(model).get("id")),
        omitted=dict(turns.omitted),
        warnings=tuple(turns.warnings),
    )

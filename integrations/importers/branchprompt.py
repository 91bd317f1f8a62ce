"""Reads a BranchPrompt conversation as JSON: the list that its API gives for `…/messages`, and what may be around it.

No sample of the service is known; this follows what one client of it reads.
"""

from typing import Any

from integrations.importers.base import ImportedChat, ImportedMessage, Role, no_messages
from integrations.importers.titles import choose_title
from integrations.importers.turns import Turns, joined
from integrations.importers.values import dict_or_empty, dicts, identifier, model_name, moment, string

PARSER = "branchprompt/1"

_ROLES: dict[str, Role] = {"user": "user", "assistant": "assistant"}
_FIRST_MESSAGES = 50
_OTHERS = frozenset({"chat_messages", "conversationId", "mapping", "responses"})


def matches(value: Any) -> bool:
    """Whether `value` is `{"conversation": …, "messages": …}`, both answers together, or messages with `files`."""
    messages = _messages(value)
    if not messages or (isinstance(value, dict) and value.keys() & _OTHERS):
        return False
    if isinstance(value, dict) and isinstance(value.get("conversation"), dict):
        return any("role" in message and "content" in message for message in messages)
    return any("role" in message and isinstance(message.get("files"), list) for message in messages)


def read(value: Any, filename: str = "") -> ImportedChat:
    """The one conversation `value`, which `matches`, in the order in which it came. Raises `ImporterError`."""
    turns = Turns()
    for message in _messages(value):
        _add(message, turns)
    messages = turns.messages()
    if not messages:
        raise no_messages()
    data = dict_or_empty(value)
    about = dict_or_empty(data.get("conversation", data))
    return ImportedChat(
        source="branchprompt",
        parser=PARSER,
        title=choose_title([about.get("title")], messages, filename),
        messages=messages,
        source_id=identifier(about.get("_id")) or identifier(about.get("id")),
        created_at=_created(about),
        updated_at=moment(about.get("updatedAt", about.get("updated_at"))),
        model=model_name(about.get("model")),
        omitted=dict(turns.omitted),
        warnings=tuple(turns.warnings),
    )


def _messages(value: Any) -> list[dict[str, Any]]:
    """The messages of a list, or of an object's list `messages`, which may stand one level deeper."""
    for _ in range(2):
        value = value.get("messages") if isinstance(value, dict) else value
    return dicts(value)


def _add(message: dict[str, Any], turns: Turns) -> None:
    role = _ROLES.get(string(message.get("role")).lower())
    if role is None:
        turns.omitted["unknown"] += 1
        return
    files = [_file(file, turns) for file in dicts(message.get("files"))]
    identity = identifier(message.get("_id")) or identifier(message.get("id"))
    text = joined([string(message.get("content")), *files])
    turns.add(ImportedMessage(role, text, identity, _created(message), model_name(message.get("model"))))


def _file(file: dict[str, Any], turns: Turns) -> str:
    if text := string(file.get("content")).strip() or string(file.get("description")).strip():
        return text
    turns.omitted["file"] += 1
    return f"[file: {string(file.get('name'))[:200] or 'unnamed'}]"


def _created(value: dict[str, Any]) -> Any:
    return moment(value.get("createdAt", value.get("created_at")))

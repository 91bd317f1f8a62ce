"""Reads a Claude conversation as JSON: of an export, the answer of `api/chat_snapshots`, or that of the web API."""

from typing import Any

from integrations.importers.base import ImportedChat, ImportedMessage, Role, no_messages
from integrations.importers.branches import active_branch
from integrations.importers.claude_artifacts import Artifacts
from integrations.importers.claude_content import is_answer, message_text
from integrations.importers.parents import mended
from integrations.importers.titles import choose_title
from integrations.importers.turns import Turns
from integrations.importers.values import dicts, identifier, model_name, moment, string, timestamp

EXPORT_PARSER, SNAPSHOT_PARSER, WEB_PARSER = "claude-export/1", "claude-snapshot/1", "claude-web/1"

_ROLES: dict[str, Role] = {"human": "user", "user": "user", "assistant": "assistant"}
_NO_PARENT = "00000000-0000-4000-8000-000000000000"
_SNAPSHOT_FIELDS = frozenset({"snapshot_name", "conversation_uuid", "is_public"})
_WEB_FIELDS = frozenset({"model", "current_leaf_message_uuid", "settings"})


def matches(value: Any) -> bool:
    """Whether `value` is an object with the list `chat_messages`, as all of Claude's conversations are."""
    return isinstance(value, dict) and isinstance(value.get("chat_messages"), list)


def read(data: dict[str, Any], filename: str = "") -> ImportedChat:
    """The one conversation `data`, which `matches`. Raises `ImporterError`: `no_messages`, `too_large`.

    Of an artifact that was changed on the way only the last state is kept, where it was reached; the states before
    it are counted as `artifact`.
    """
    turns = Turns()
    ordered = _ordered(data, turns)
    artifacts = Artifacts(message for message in ordered if is_answer(message))
    for message in ordered:
        _add(message, artifacts, turns)
    artifacts.report(turns)
    messages = turns.messages()
    if not messages:
        raise no_messages(nodes=len(ordered))
    parser, source_id = _parser(data), identifier(data.get("uuid"))
    is_snapshot = parser == SNAPSHOT_PARSER
    return ImportedChat(
        source="claude",
        parser=parser,
        title=choose_title([data.get("snapshot_name"), data.get("name")], messages, filename),
        messages=messages,
        source_id=source_id,
        source_url=f"https://claude.ai/share/{source_id}" if is_snapshot and source_id else "",
        created_at=moment(data.get("created_at")),
        updated_at=moment(data.get("updated_at")),
        model=model_name(data.get("model")),
        omitted=dict(turns.omitted),
        warnings=tuple(turns.warnings),
    )


def _parser(data: dict[str, Any]) -> str:
    if data.keys() & _SNAPSHOT_FIELDS:
        return SNAPSHOT_PARSER
    return WEB_PARSER if data.keys() & _WEB_FIELDS else EXPORT_PARSER


def _ordered(data: dict[str, Any], turns: Turns) -> list[dict[str, Any]]:
    """The messages of the branch that was last looked at, oldest first.

    Without any parent the order is that of `index`.
    """
    messages = dicts(data["chat_messages"])
    if all(type(message.get("index")) is int for message in messages):
        messages.sort(key=_index)
    if not any(map(_parent, messages)):
        return messages
    nodes = {string(message.get("uuid")) or f"#{place}": message for place, message in enumerate(messages)}
    parent = mended(nodes, named=_parent, time=_time, is_start=lambda message: _parent(message) == _NO_PARENT)
    branch = active_branch(nodes, data.get("current_leaf_message_uuid"), parent=parent, time=_time)
    if branch.others:
        turns.omitted["branch"] = branch.others
    return branch.nodes


def _parent(message: dict[str, Any]) -> str:
    return string(message.get("parent_message_uuid"))


def _index(message: dict[str, Any]) -> int:
    return int(message["index"])


def _time(message: dict[str, Any]) -> float:
    return timestamp(message.get("created_at"))


def _add(message: dict[str, Any], artifacts: Artifacts, turns: Turns) -> None:
    role = _ROLES.get(string(message.get("sender")).lower())
    if role is None:
        turns.omitted["unknown"] += 1
        return
    turns.add(
        ImportedMessage(
            role=role,
            text=message_text(message, artifacts, turns),
            source_message_id=identifier(message.get("uuid")),
            created_at=moment(message.get("created_at")),
            model=model_name(message.get("model")) if role == "assistant" else "",
        )
    )
    if message.get("truncated") is True:
        turns.warn("truncated")

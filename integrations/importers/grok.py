"""Reads a Grok conversation as JSON: the answer for a share link in both its views, or one of an account's export.

Both say the same, a share in camelCase and an export in snake_case. Grok on X is another product: `grok_x`.
"""

import re
from itertools import islice
from typing import Any

from integrations.importers.base import ImportedChat, ImportedMessage, Role, no_messages
from integrations.importers.branches import active_branch
from integrations.importers.grok_content import response_text, without_reasoning
from integrations.importers.parents import mended
from integrations.importers.titles import choose_title
from integrations.importers.turns import Turns
from integrations.importers.values import dict_or_empty, dicts, identifier, list_or_empty, model_name, moment, string
from integrations.importers.values import timestamp as seconds

SHARE_PARSER, CHUNKS_PARSER, EXPORT_PARSER = "grok-share/1", "grok-share-chunks/1", "grok-export/1"

_ROLES: dict[str, Role] = {"human": "user", "user": "user", "assistant": "assistant"}
_FIRST_RESPONSES = 20
_CAPITAL = re.compile(r"(?<=[a-z0-9])([A-Z])")


def matches(value: Any) -> bool:
    """Whether `value` has Grok's `responses`, and a `conversation` or a response that names its id and sender."""
    if not isinstance(value, dict) or not isinstance(value.get("responses"), list):
        return False
    if isinstance(value.get("conversation"), dict):
        return True
    first = (response_of(item) for item in islice(value["responses"], _FIRST_RESPONSES))
    return any("sender" in response and _id(response) for response in first)


def read(data: dict[str, Any], filename: str = "") -> ImportedChat:
    """The one conversation `data`, which `matches`. Raises `ImporterError`: `no_messages`, `too_large`."""
    turns = Turns()
    conversation = _snake_case(dict_or_empty(data.get("conversation")))
    responses = [response for item in data["responses"] if (response := response_of(item))]
    for response in _ordered(conversation, responses, turns):
        _add(response, turns)
    if subagents := list_or_empty(data.get("sharedSubagents")):
        turns.omitted["branch"] += len(subagents)
    messages = turns.messages()
    if not messages:
        raise no_messages(nodes=len(responses))
    return ImportedChat(
        source="grok",
        parser=_parser(data),
        title=choose_title([conversation.get("title")], messages, filename),
        messages=messages,
        source_id=identifier(conversation.get("conversation_id")) or identifier(conversation.get("id")),
        created_at=moment(conversation.get("create_time")),
        updated_at=moment(conversation.get("modify_time")),
        model=next(filter(None, map(_model, reversed(responses))), ""),
        omitted=dict(turns.omitted),
        warnings=tuple(turns.warnings),
    )


def response_of(item: Any) -> dict[str, Any]:
    """A response in snake_case, out of the wrapper that exports put around it; empty for anything else."""
    inner = item.get("response") if isinstance(item, dict) else None
    return _snake_case(inner if isinstance(inner, dict) else dict_or_empty(item))


def _snake_case(fields: dict[str, Any]) -> dict[str, Any]:
    return {_CAPITAL.sub(r"_\1", name[:100]).lower(): value for name, value in fields.items()}


def _parser(data: dict[str, Any]) -> str:
    raw = [dict_or_empty(item) for item in data["responses"]]
    names = {name for item in raw for name in dict_or_empty(item.get("response", item))}
    if names & {"inputChunks", "outputChunks"}:
        return CHUNKS_PARSER
    return EXPORT_PARSER if names & {"response_id", "_id", "create_time"} else SHARE_PARSER


def _ordered(conversation: dict[str, Any], responses: list[dict[str, Any]], turns: Turns) -> list[dict[str, Any]]:
    """The responses of the branch that was last looked at, oldest first; by time where they name no parents.

    A response without a parent begins a branch in an export; in a share its parent may just not be among them.
    """
    responses.sort(key=_time)
    nodes = {_id(response) or f"#{place}": response for place, response in enumerate(responses)}
    if not any(_parent_id(response) in nodes for response in responses):
        return responses
    is_export = "leaf_response_id" in conversation

    def is_start(response: dict[str, Any]) -> bool:
        return is_export and not _parent_id(response)

    parent = mended(nodes, named=_parent_id, time=_time, is_start=is_start)
    branch = active_branch(nodes, conversation.get("leaf_response_id"), parent=parent, time=_time)
    if branch.others:
        turns.omitted["branch"] = branch.others
    return branch.nodes


def _id(response: dict[str, Any]) -> str:
    return string(response.get("response_id")) or string(response.get("_id"))


def _parent_id(response: dict[str, Any]) -> str:
    return string(response.get("parent_response_id"))


def _time(response: dict[str, Any]) -> float:
    return seconds(response.get("create_time"))


def _add(response: dict[str, Any], turns: Turns) -> None:
    role = _ROLES.get(string(response.get("sender")).lower())
    if response.get("is_control") is True:
        return
    if role is None:
        turns.omitted["unknown"] += 1
        return
    text = response_text(without_reasoning(response, turns), role, turns)
    message_model = _model(response) if role == "assistant" else ""
    turns.add(
        ImportedMessage(role, text, identifier(_id(response)), moment(response.get("create_time")), message_model)
    )
    is_cut = response.get("partial") is True or dicts(response.get("stream_errors"))
    if text and role == "assistant" and is_cut:
        turns.warn("interrupted")


def _model(response: dict[str, Any]) -> str:
    metadata = dict_or_empty(response.get("metadata"))
    asked = dict_or_empty(metadata.get("request_metadata"))
    details = dict_or_empty(metadata.get("requestModelDetails"))
    return model_name(response.get("model")) or model_name(asked.get("model")) or model_name(details.get("modelId"))

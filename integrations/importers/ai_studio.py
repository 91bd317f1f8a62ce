"""Reads a prompt of Google AI Studio, as it keeps them on Google Drive: JSON with `chunkedPrompt.chunks`."""

from collections.abc import Iterator
from typing import Any

from integrations.importers.base import ImportedChat, ImportedMessage, Role, no_messages
from integrations.importers.markdown import fenced
from integrations.importers.titles import choose_title
from integrations.importers.turns import Turns, joined
from integrations.importers.values import dict_or_empty, dicts, list_or_empty, model_name, moment, string

PARSER = "ai-studio/1"

_ROLES: dict[str, Role] = {"user": "user", "model": "assistant"}
_MEDIA = {
    "driveImage": "image",
    "inlineImage": "image",
    "driveAudio": "audio",
    "inlineAudio": "audio",
    "driveVideo": "file",
    "inlineVideo": "file",
    "youtubeVideo": "file",
    "driveDocument": "file",
    "inlineFile": "file",
    "inlineData": "file",
}


def matches(value: Any) -> bool:
    return isinstance(value, dict) and isinstance(dict_or_empty(value.get("chunkedPrompt")).get("chunks"), list)


def read(data: dict[str, Any], filename: str = "") -> ImportedChat:
    """The one conversation `data`, which `matches`. The file has no title but its name. Raises `ImporterError`."""
    turns = Turns()
    chunks = dicts(data["chunkedPrompt"]["chunks"])
    for chunk in chunks:
        _add(chunk, turns)
    messages = turns.messages()
    if not messages:
        raise no_messages(nodes=len(chunks))
    model = string(dict_or_empty(data.get("runSettings")).get("model")).removeprefix("models/")
    return ImportedChat(
        source="ai-studio",
        parser=PARSER,
        title=choose_title([data.get("title"), _stem(filename)], messages),
        messages=messages,
        model=model_name(model),
        created_at=messages[0].created_at,
        updated_at=messages[-1].created_at,
        omitted=dict(turns.omitted),
        warnings=tuple(turns.warnings),
    )


def _stem(filename: str) -> str:
    """The file's name, which is the prompt's title and has no suffix unless it was downloaded; no archive's name."""
    name = filename.replace("\\", "/").rsplit("/", 1)[-1]
    return "" if name.lower().endswith(".zip") else name.removesuffix(".json").removesuffix(".txt")


def _add(chunk: dict[str, Any], turns: Turns) -> None:
    role = _ROLES.get(string(chunk.get("role")).lower())
    if chunk.get("isThought") is True:
        turns.omitted["reasoning"] += 1
    elif role is None:
        turns.omitted["unknown"] += 1
    else:
        turns.add(
            ImportedMessage(role, joined(list(_content(chunk, turns))), created_at=moment(chunk.get("createTime")))
        )


def _content(chunk: dict[str, Any], turns: Turns) -> Iterator[str]:
    yield string(chunk.get("text")) or "".join(_parts(chunk))
    code = dict_or_empty(chunk.get("executableCode"))
    yield fenced(string(code.get("code")), string(code.get("language")).lower())
    if chunk.get("codeExecutionResult"):
        turns.omitted["tool_result"] += 1
    for name, kind in _MEDIA.items():
        if chunk.get(name):
            turns.omitted[kind] += 1
            yield f"[{kind}]"
    if string(chunk.get("errorMessage")):
        turns.warn("interrupted")


def _parts(chunk: dict[str, Any]) -> Iterator[str]:
    for part in list_or_empty(chunk.get("parts")):
        if isinstance(part, dict) and part.get("thought") is not True:
            yield string(part.get("text"))

"""The content of one ChatGPT message as Markdown."""

import re
from collections import Counter
from typing import Any

from integrations.importers.citations import resolve_citations
from integrations.importers.markdown import fenced
from integrations.importers.turns import joined
from integrations.importers.values import dict_or_empty, list_or_empty, string

GENERATED_IMAGE = "[generated image]"
_PROMPT_CHARACTERS = 1000

_AUDIO = frozenset({"audio_asset_pointer", "real_time_user_audio_video_asset_pointer"})
_TYPE_NAME = re.compile(r"[A-Za-z0-9_.-]{1,60}")


def content_text(message: dict[str, Any], role: str, omitted: Counter[str]) -> str:
    """The Markdown of `message`, with a placeholder for what is not text; adds what was left out to `omitted`, by kind.

    `role` is `user` or `assistant`: an image of the assistant's is a generated one. Content of an unknown type
    is counted as `unknown` and named, never shown as it is.
    """
    content, metadata = message["content"], dict_or_empty(message.get("metadata"))
    kind = type_of(content)
    if kind in ("text", "multimodal_text"):
        text = joined([_part(part, role, metadata, omitted) for part in list_or_empty(content.get("parts"))])
    elif kind == "code":
        text = fenced(string(content.get("text")), string(content.get("language")))
    elif kind == "execution_output":
        text = fenced(string(content.get("text")))
    elif kind == "tether_quote":
        text = joined([string(content.get(key)) for key in ("title", "url", "text")])
    else:
        text = _unknown(kind, omitted)
    return joined([text, *_attachments(metadata, content, omitted)])


def weight(message: dict[str, Any]) -> int:
    """The work of reading `message`, in characters: what a few bytes can refer to a thousand times over adds up."""
    content, metadata = message["content"], dict_or_empty(message.get("metadata"))
    parts = list_or_empty(content.get("parts"))
    references = len(list_or_empty(metadata.get("content_references"))) + len(list_or_empty(metadata.get("citations")))
    characters = sum(len(text) for text in (*content.values(), *parts) if isinstance(text, str))
    return characters + len(parts) * (1 + references) + len(list_or_empty(metadata.get("attachments")))


def generated_images(message: dict[str, Any]) -> list[str]:
    """A `[generated image]` for each image among the parts of a tool's result, with the prompt that it was made of."""
    parts = list_or_empty(message["content"].get("parts"))
    return [_generated(part) for part in parts if type_of(part) == "image_asset_pointer"]


def _generated(part: dict[str, Any]) -> str:
    made = dict_or_empty(dict_or_empty(part.get("metadata")).get("dalle"))
    prompt = " ".join(string(made.get("prompt"))[:_PROMPT_CHARACTERS].split())
    return f"{GENERATED_IMAGE} ({prompt})" if prompt else GENERATED_IMAGE


def _part(part: Any, role: str, metadata: dict[str, Any], omitted: Counter[str]) -> str:
    if isinstance(part, str):
        return resolve_citations(part, metadata)
    kind = type_of(part)
    if kind == "audio_transcription":
        return string(part.get("text"))
    if kind == "image_asset_pointer":
        omitted["image"] += 1
        return _generated(part) if role == "assistant" else "[image]"
    if kind in _AUDIO:
        omitted["audio"] += 1
        return "[audio]"
    return _unknown(kind, omitted) if isinstance(part, dict) else ""


def _attachments(metadata: dict[str, Any], content: dict[str, Any], omitted: Counter[str]) -> list[str]:
    """The names of attached files; images among them stand in the parts already."""
    has_images = any(type_of(part) == "image_asset_pointer" for part in list_or_empty(content.get("parts")))
    names = []
    for file in list_or_empty(metadata.get("attachments")):
        if not isinstance(file, dict) or (has_images and string(file.get("mime_type")).startswith("image/")):
            continue
        omitted["file"] += 1
        names.append(f"[file: {string(file.get('name'))[:200] or 'unnamed'}]")
    return names


def _unknown(kind: str, omitted: Counter[str]) -> str:
    omitted["unknown"] += 1
    name = kind if _TYPE_NAME.fullmatch(kind) else "unknown"
    return f"[content that cannot be shown: {name}]"


def type_of(content: Any) -> str:
    """The `content_type` of a content or of a part of one; empty if it has none."""
    return string(content.get("content_type")) if isinstance(content, dict) else ""

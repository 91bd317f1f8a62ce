"""The content of one Claude message as Markdown."""

import re
from collections.abc import Iterator
from typing import Any

from integrations.importers.claude_artifacts import Artifacts, artifact_text, changed_artifact, language_of
from integrations.importers.markdown import fenced
from integrations.importers.turns import Turns, joined
from integrations.importers.values import dict_or_empty, dicts, list_or_empty, string

_UNSUPPORTED = re.compile(
    r"^(?:```\n)?[ \t]*(?:This block is not supported on your current device yet\.?"
    r"|Viewing artifacts created via .{0,80} supported on mobile\.?)[ \t]*(?:\n```)?(?:\n|\Z)",
    re.MULTILINE,
)
_ATTRIBUTE = re.compile(r'([a-zA-Z]{1,40})="([^"]{0,500})"')
_TAG_CHARACTERS = 4000


def is_answer(message: dict[str, Any]) -> bool:
    return string(message.get("sender")).lower() == "assistant"


def message_text(message: dict[str, Any], artifacts: Artifacts, turns: Turns) -> str:
    """The Markdown of `message`: its content blocks if they say anything, else its `text`, then what is attached.

    What is left out is added to `turns.omitted`, by kind; a block of an unknown type also warns.
    """
    text = joined(list(_blocks(message, artifacts, turns)))
    if not text:
        text = _cleaned(string(message.get("text")), message, turns)
    return joined([text, *_attachments(message, turns), *_files(message, turns)])


def _blocks(message: dict[str, Any], artifacts: Artifacts, turns: Turns) -> Iterator[str]:
    content = message.get("content")
    if isinstance(content, str):
        yield _cleaned(content, message, turns)
    for block in list_or_empty(content):
        if isinstance(block, str):
            yield _cleaned(block, message, turns)
        elif isinstance(block, dict):
            yield _block(block, message, artifacts, turns)


def _block(block: dict[str, Any], message: dict[str, Any], artifacts: Artifacts, turns: Turns) -> str:
    kind = block.get("type")
    if kind == "text":
        return _cleaned(_words(block.get("text")), message, turns)
    if kind == "voice_note":
        title = string(block.get("title")).strip()
        return joined([f"**{title}**" if title else "", _words(block.get("text"))])
    if kind == "tool_use":
        return _tool_use(block, artifacts, turns)
    if kind in ("thinking", "redacted_thinking"):
        turns.omitted["reasoning"] += 1
    elif kind == "tool_result":
        turns.omitted["tool_result"] += 1
    elif kind == "image":
        turns.omitted["image"] += 1
        return "[image]"
    else:
        turns.omitted["unknown"] += 1
        turns.warn("unknown_content")
    return ""


def _tool_use(block: dict[str, Any], artifacts: Artifacts, turns: Turns) -> str:
    if changed_artifact(block) is None:
        turns.omitted["tool_call"] += 1
        return ""
    return artifacts.shown_at(block, turns)


def _words(value: Any) -> str:
    """Text, or a number that stands where text belongs."""
    return str(value) if type(value) in (int, float) else string(value)


def _cleaned(text: str, message: dict[str, Any], turns: Turns) -> str:
    """`text` without stand-ins for what an app could not show; of an answer, without thoughts and with artifacts."""
    if not is_answer(message):
        return text
    turns.charge(len(text))
    text, dropped = _UNSUPPORTED.subn("", text)
    if dropped:
        turns.omitted["unknown"] += dropped
    return joined(list(_marked_up(text, turns)))


def _marked_up(text: str, turns: Turns) -> Iterator[str]:
    """`text` in pieces: thoughts left out, `<antArtifact …>` as a fenced block. An open tag stays."""
    position = 0
    for match in re.finditer(r"<(antThinking|antArtifact)\b", text):
        start, name = match.start(), match[1]
        if start < position:
            continue
        opened = text.find(">", match.end(), match.end() + _TAG_CHARACTERS) + 1
        closed = text.find(f"</{name}>", opened) if opened else -1
        if closed < 0:
            break
        yield text[position:start].strip()
        if name == "antThinking":
            turns.omitted["reasoning"] += 1
        else:
            yield _artifact(text[match.end() : opened], text[opened:closed])
        position = closed + len(f"</{name}>")
    yield text[position:].strip() if position else text


def _artifact(tag: str, content: str) -> str:
    attributes = dict(_ATTRIBUTE.findall(tag))
    language = language_of(attributes.get("type", ""), attributes.get("language", ""))
    return artifact_text(attributes.get("title", ""), fenced(content.strip("\n"), language))


def _attachments(message: dict[str, Any], turns: Turns) -> Iterator[str]:
    """Files that came with their text, which may be all that a message says: a long prompt that was pasted."""
    for attachment in dicts(message.get("attachments")):
        name = string(attachment.get("file_name"))[:200] or "unnamed"
        text = string(attachment.get("extracted_content"))
        if not text.strip():
            turns.omitted["file"] += 1
        yield f"[Attachment: {name}]\n\n{text}".rstrip()


def _files(message: dict[str, Any], turns: Turns) -> Iterator[str]:
    """The names of files that did not come with it; a share only counts them."""
    files = [dict_or_empty(file) for file in list_or_empty(message.get("files")) if file]
    for file in files:
        if string(file.get("file_kind")) == "image":
            turns.omitted["image"] += 1
            yield "[image]"
        else:
            turns.omitted["file"] += 1
            yield f"[file: {string(file.get('file_name'))[:200] or 'unnamed'}]"
    for kind in ("image", "file"):
        count = message.get(f"{kind}_count")
        if not files and type(count) is int and 0 < count <= 1000:
            turns.omitted[kind] += count
            yield f"[{kind}]" if count == 1 else f"[{count} {kind}s]"

"""Claude's artifacts: documents that its tools write and change, told as a list of commands.

Two generations of tools: `artifacts` with `create`, `update`, `rewrite` of an id, and file tools with a path.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from config.limits import IMPORT_BYTES
from integrations.importers.markdown import fenced
from integrations.importers.turns import Turns
from integrations.importers.values import dict_or_empty, dicts, string

_REPLAYED_CHARACTERS = 10 * IMPORT_BYTES  # each change of a long document reads all of it again
_DELIVERED = "/mnt/user-data/"  # files elsewhere are Claude's own notes
_LANGUAGES = {
    "application/vnd.ant.mermaid": "mermaid",
    "application/vnd.ant.react": "jsx",
    "image/svg+xml": "svg",
    "text/html": "html",
    "text/markdown": "markdown",
}
_SUFFIX = re.compile(r"\.([A-Za-z0-9]{1,10})")


@dataclass
class Document:
    """`is_whole` is false once a change could not be made, so that `content` is not what Claude had."""

    title: str
    language: str
    content: str
    is_whole: bool = True


def artifact_text(title: str, block: str) -> str:
    """`block`, fenced already, under the artifact's title."""
    title = " ".join(title.split())[:200]
    return f"**{title}**\n\n{block}" if title and block else block


def language_of(media_type: str, language: str) -> str:
    return language or _LANGUAGES.get(media_type, "")


def changed_artifact(block: dict[str, Any]) -> str | None:
    """The id or path of the artifact that a `tool_use` block writes or changes; None if it does neither."""
    given = dict_or_empty(block.get("input"))
    if block.get("name") == "artifacts":
        return f"id:{string(given.get('id'))}"
    path = string(given.get("path"))
    is_change = block.get("name") in ("create_file", "str_replace") and path.startswith(_DELIVERED)
    return f"path:{path}" if is_change else None


class Artifacts:
    """The last state of each artifact in `messages`, and the block in which it was reached."""

    def __init__(self, messages: Iterable[dict[str, Any]]) -> None:
        self._documents: dict[str, Document] = {}
        self._last_block: dict[str, int] = {}
        self._left = _REPLAYED_CHARACTERS
        for message in messages:
            for block in dicts(message.get("content")):
                if block.get("type") == "tool_use" and (key := changed_artifact(block)) is not None:
                    self._replay(key, block)

    def shown_at(self, block: dict[str, Any], turns: Turns) -> str:
        """The artifact, if `block` brought it into its last state; else a word that it was written here."""
        key = changed_artifact(block) or ""
        document = self._documents.get(key)
        if document is None or not document.content.strip():
            turns.omitted["artifact"] += 1
            return "[artifact]"
        if self._last_block.get(key) == id(block):
            return artifact_text(document.title, fenced(document.content, document.language))
        turns.omitted["artifact"] += 1
        return f"[artifact: {document.title or 'untitled'}, an earlier version]"

    def report(self, turns: Turns) -> None:
        if any(not document.is_whole for document in self._documents.values()):
            turns.warn("artifact_incomplete")

    def _replay(self, key: str, block: dict[str, Any]) -> None:
        given, document = dict_or_empty(block.get("input")), self._documents.get(key)
        self._last_block[key] = id(block)
        if "old_str" in given:
            self._documents[key] = document = document or Document("", "", "", is_whole=False)
            self._change(document, string(given.get("old_str")), string(given.get("new_str")))
        elif isinstance(text := given.get("content", given.get("file_text")), str):
            self._documents[key] = _written(given, text, document)
        elif document:
            document.is_whole = False

    def _change(self, document: Document, old: str, new: str) -> None:
        self._left -= len(document.content) + len(new)
        if self._left < 0 or not old or old not in document.content:
            document.is_whole = False
        else:
            document.content = document.content.replace(old, new, 1)


def _written(given: dict[str, Any], text: str, before: Document | None) -> Document:
    path = string(given.get("path"))
    suffix = _SUFFIX.fullmatch(path[path.rfind(".") :]) if "." in path else None
    language = language_of(string(given.get("type")), string(given.get("language"))) or (suffix[1] if suffix else "")
    title = string(given.get("title")) or path.rsplit("/", 1)[-1]
    earlier = before or Document("", "", "")
    return Document((title or earlier.title)[:200], language or earlier.language, text)

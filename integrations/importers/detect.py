"""The front door: finds out by content, never by name, what somebody gave us, and reads it.

A further format is one module with `matches` and `read`, and one line in `JSON_FORMATS` or `HTML_FORMATS`. The first
that matches reads, so a format that others resemble stands before them.
"""

import codecs
import json
import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from config.limits import CONVERSATION_TITLE_CHARACTERS, IMPORT_BYTES
from config.text import clean_text, shorten
from integrations.importers import ai_studio, branchprompt, chatgpt, chatgpt_share, claude, gemini, grok, grok_x, text
from integrations.importers.base import ImportedChat, ImporterError, Reading
from integrations.importers.turns import too_large
from integrations.importers.values import dict_or_empty, identifier, named_list, string


def listed(value: Any) -> Iterable[Any]:
    """The items of a list, or of the list `conversations` of an object: how almost every archive holds its chats."""
    return named_list(value, "conversations")


@dataclass(frozen=True, slots=True)
class Format:
    """One kind of conversation: parsed JSON, or the text of a page.

    `matches(value)` decides by shape whether `value` is one conversation of this kind, and `read(value, filename)`
    trusts it. `each(value)` gives the conversations of a file of several, items that are none included.
    """

    matches: Callable[[Any], bool]
    read: Callable[[Any, str], ImportedChat]
    each: Callable[[Any], Iterable[Any]] = listed

    def recognises(self, value: Any) -> bool:
        return any(map(self.matches, self.conversations(value)))

    def conversations(self, value: Any) -> Iterable[Any]:
        """`value` itself if it is one, else what it may hold."""
        return (value,) if self.matches(value) else self.each(value)


JSON_FORMATS = (
    Format(chatgpt.matches, chatgpt.read),
    Format(claude.matches, claude.read),
    Format(grok.matches, grok.read),
    Format(grok_x.matches, grok_x.read),
    Format(ai_studio.matches, ai_studio.read),
    Format(branchprompt.matches, branchprompt.read),
)
HTML_FORMATS = (Format(chatgpt_share.matches, chatgpt_share.read),)
CALL_FORMATS = (Format(gemini.matches, gemini.read),)

_JSON_START = re.compile(r"\s*(?:\{\s*[\"}]|\[\s*\{)")
_HTML_START = re.compile(
    r"\s*(?:<\?xml[^>]*>\s*|<!--.{0,2000}?-->\s*){0,3}<(?:!doctype\s+html|html|head|body|script|meta|title)\b",
    re.IGNORECASE | re.DOTALL,
)
_CALL_START = re.compile(r"\s*\)\]\}'")  # before the answer of a remote call, so that no browser runs it as a script
_BINARY = {
    b"PK\x03\x04": "a ZIP archive. Unpack it and upload the conversation's own JSON file",
    b"%PDF": "a PDF. Copy its text and paste it",
    b"\x89PNG": "an image. Copy the chat's text and paste it",
    b"\xff\xd8\xff": "an image. Copy the chat's text and paste it",
    b"\x1f\x8b": "a compressed file. Unpack it first",
    b"From: <Saved by": "a page saved as a web archive. Save it as “Web page, HTML only”",
}
_BYTE_ORDER_MARKS = {codecs.BOM_UTF8: "utf-8", codecs.BOM_UTF16_LE: "utf-16-le", codecs.BOM_UTF16_BE: "utf-16-be"}
_READABLE = (
    "a ChatGPT share page, a ChatGPT export with one conversation, or text with labels such as “User:” and “Assistant:”"
)
_UNKNOWN = f"This file is none of what can be read: {_READABLE}. Copy the chat's text and paste it instead."
_DAMAGED = "This file looks like JSON but is damaged or cut off. Download it again, or paste the chat's text instead."
_SEVERAL = "This file holds several conversations. Import an archive through /api/imports and choose among them."
_TITLES = ("title", "name", "snapshot_name")
_IDS = ("conversation_id", "conversationId", "uuid", "id")


def read_chat(data: bytes, filename: str = "") -> ImportedChat:
    """The one conversation in a file: JSON, a saved page, Markdown or plain text.

    `filename` gives a title if nothing in the file does, and decides nothing. Raises `ImporterError` and nothing else:
    above all `unknown_format`, `several_conversations`, `no_messages`, `format_changed`, `too_large`.
    """
    with _bounded(len(data)):
        content = _decoded(data)
        formats, value = _structure(content)
        return _read_known(formats, value, filename) or _read_plain(content, value, filename)


def read_text(content: str) -> ImportedChat:
    """The conversation that somebody pasted: a known source's JSON or page, or else Markdown or plain text.

    Raises `ImporterError` and nothing else.
    """
    with _bounded(len(content)):
        content = content.removeprefix("\ufeff")
        return _read_known(*_structure(content), "") or text.read(content)


def read_each(value: Any) -> Iterator[Reading]:
    """A reading of every conversation in `value`, parsed JSON of one or of many; `index` counts from 0.

    A conversation that cannot be read is a reading with an `error_code`, and the others go on. Raises `ImporterError`
    `unknown_format`, before the first reading, if `value` is none of what can be read.
    """
    known = _known(JSON_FORMATS, value)
    if known is None:
        raise ImporterError(_UNKNOWN, code="unknown_format", extra={"stage": "no_known_shape"})
    for index, conversation in enumerate(known.conversations(value)):
        yield _reading(index, conversation)


def _reading(index: int, conversation: Any) -> Reading:
    chat, code = None, "unknown_format"
    if known := next((known for known in JSON_FORMATS if known.matches(conversation)), None):
        try:
            with _bounded(0):
                chat, code = known.read(conversation, ""), ""
        except ImporterError as error:
            code = error.code
    data = dict_or_empty(conversation)
    title = chat.title if chat else next(filter(None, (string(data.get(name)) for name in _TITLES)), "")
    source_id = chat.source_id if chat else next(filter(None, (identifier(data.get(name)) for name in _IDS)), "")
    return Reading(index, chat, code, shorten(clean_text(title), CONVERSATION_TITLE_CHARACTERS), source_id)


@contextmanager
def _bounded(size: int) -> Iterator[None]:
    if size > IMPORT_BYTES:
        raise too_large()
    try:
        yield
    except RecursionError:
        raise ImporterError(_UNKNOWN, code="unknown_format", extra={"stage": "too_deep"}) from None
    except MemoryError:
        raise too_large() from None


def _decoded(data: bytes) -> str:
    """The text of `data`; Windows' encoding is the last resort, as it has a character for almost every byte."""
    for start, what in _BINARY.items():
        if data.startswith(start):
            raise ImporterError(f"This is {what}.", code="unknown_format", extra={"stage": "binary"})
    for mark, encoding in _BYTE_ORDER_MARKS.items():
        if data.startswith(mark):
            return data[len(mark) :].decode(encoding, "replace")
    try:
        return data.decode()
    except UnicodeDecodeError:
        if b"\x00" in data:
            raise ImporterError(_UNKNOWN, code="unknown_format", extra={"stage": "binary"}) from None
        return data.decode("cp1252", "replace")


def _structure(content: str) -> tuple[tuple[Format, ...], Any]:
    """The formats that may match, and what they are matched with; None for what is neither a page nor JSON."""
    if _CALL_START.match(content):
        return CALL_FORMATS, content
    return (HTML_FORMATS, content) if _HTML_START.match(content) else (JSON_FORMATS, _json(content))


def _json(content: str) -> Any:
    if content.lstrip()[:1] not in ("{", "["):
        return None
    try:
        return json.loads(content, strict=False)
    except ValueError:
        return None


def _known(formats: tuple[Format, ...], value: Any) -> Format | None:
    return next((known for known in formats if known.recognises(value)), None)


def _read_known(formats: tuple[Format, ...], value: Any, filename: str) -> ImportedChat | None:
    known = _known(formats, value)
    if known is None:
        return None
    conversations = [item for item in known.conversations(value) if known.matches(item)]
    if len(conversations) > 1:
        raise ImporterError(_SEVERAL, code="several_conversations", extra={"conversations": len(conversations)})
    return known.read(conversations[0], filename)


def _read_plain(content: str, value: Any, filename: str) -> ImportedChat:
    if value is not None:
        raise ImporterError(_UNKNOWN, code="unknown_format", extra={"stage": "no_known_shape"})
    if _JSON_START.match(content):
        raise ImporterError(_DAMAGED, code="unknown_format", extra={"stage": "not_json"})
    return text.read(content, filename)

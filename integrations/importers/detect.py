"""The front door: finds out by content, never by name, what somebody gave us, and reads it."""

import codecs
import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

from config.limits import CONVERSATION_TITLE_CHARACTERS, IMPORT_BYTES
from config.text import clean_text, shorten
from integrations.importers import chatgpt_dom, deep_json, text
from integrations.importers.base import ImportedChat, ImporterError, Reading
from integrations.importers.checks import checked
from integrations.importers.formats import CALL_FORMATS, HTML_FORMATS, JSON_FORMATS, TEXT_FORMATS, Format
from integrations.importers.markdown import lines_of
from integrations.importers.turns import too_large
from integrations.importers.values import dict_or_empty, identifier, string

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
    "a share page, an export or the JSON of a chat of ChatGPT, Claude, Grok, Gemini, AI Studio, BranchPrompt, "
    "DeepSeek, Open WebUI, LibreChat or Chatbot UI; a list of messages with role and content; or text with labels "
    "such as “User:” and “Assistant:”"
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
        return _read_known(*_structure(content), "") or _read_labelled(content, "")


def read_each(value: Any) -> Iterator[Reading]:
    """A reading of every conversation in `value`, whether it holds one or many; `index` counts from 0.

    `value` is parsed JSON, or the bytes or the text of a file of any kind. A conversation that cannot be read is a
    reading with an `error_code`, and the others go on. Raises `ImporterError` `unknown_format` or `too_large`, before
    the first reading, if `value` is none of what can be read.
    """
    with _bounded(len(value) if isinstance(value, bytes | str) else 0):
        value = _decoded(value) if isinstance(value, bytes) else value
        formats, parsed = _structure(value) if isinstance(value, str) else (JSON_FORMATS, value)
    known = _known(formats, parsed)
    if known:
        for index, conversation in enumerate(known.conversations(parsed)):
            yield _reading(index, conversation, partial(_read_one, known, conversation))
    elif isinstance(value, str):
        yield _reading(0, None, partial(_read_plain, value, parsed, ""))
    else:
        raise ImporterError(_UNKNOWN, code="unknown_format", extra={"stage": "no_known_shape"})


def _read_one(known: Format, conversation: Any) -> ImportedChat:
    """Reads one of a file, by `known` if it is such a one: another kind may be among them."""
    reader = known if known.matches(conversation) else _known(JSON_FORMATS, conversation)
    if reader is None or not reader.matches(conversation):
        raise ImporterError(_UNKNOWN, code="unknown_format", extra={"stage": "no_known_shape"})
    return checked(reader.read(conversation, ""))


def _reading(index: int, conversation: Any, read: Callable[[], ImportedChat]) -> Reading:
    try:
        with _bounded(0):
            chat = read()
        return Reading(index, chat, "", chat.title, chat.source_id)
    except ImporterError as error:
        code = error.code
    data = dict_or_empty(conversation)
    title = next(filter(None, (string(data.get(name)) for name in _TITLES)), "")
    source_id = next(filter(None, (identifier(data.get(name)) for name in _IDS)), "")
    return Reading(index, None, code, shorten(clean_text(title), CONVERSATION_TITLE_CHARACTERS), source_id)


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
    is_page = _HTML_START.match(content) or (content.lstrip()[:1] == "<" and chatgpt_dom.matches(content))
    return (HTML_FORMATS, content) if is_page else (JSON_FORMATS, _json(content))


def _json(content: str) -> Any:
    if content.lstrip()[:1] not in ("{", "["):
        return None
    try:
        try:
            return json.loads(content, strict=False)
        except RecursionError:
            return deep_json.parsed(content)
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
    return checked(known.read(conversations[0], filename))


def _read_plain(content: str, value: Any, filename: str) -> ImportedChat:
    if value is not None:
        raise ImporterError(_UNKNOWN, code="unknown_format", extra={"stage": "no_known_shape"})
    if _JSON_START.match(content):
        raise ImporterError(_DAMAGED, code="unknown_format", extra={"stage": "not_json"})
    return _read_labelled(content, filename)


def _read_labelled(content: str, filename: str) -> ImportedChat:
    content = "\n".join(lines_of(content))
    known = _known(TEXT_FORMATS, content)
    return checked(known.read(content, filename)) if known else text.read(content, filename)

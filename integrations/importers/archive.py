"""Reads every conversation of an export: a ZIP archive, or a file of JSON, HTML, Markdown or plain text.

Conversations are numbered from 0, in the order of the members' names and then as they stand in their file; the number
of each is the same however often, and from wherever, an archive is read.
"""

import io
import json
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from itertools import islice, repeat
from typing import IO, Any

from config.limits import IMPORT_BYTES
from integrations.importers import deep_json
from integrations.importers.base import ImportedChat, ImporterError, Reading
from integrations.importers.detect import read_chat, read_each
from integrations.importers.json_items import Item, items
from integrations.importers.zip_members import base_name, contents

_START_BYTES = 4096
_ZIP = b"PK\x03\x04", b"PK\x05\x06"
_DAMAGE = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, OSError)
_WHY = {
    "cut_off": "The file ends in the middle of it. Download it again.",
    "damaged": "It is damaged. Download the file again, or copy the chat's text and paste it.",
    "no_messages": "It holds no message that can be shown.",
    "too_large": "It is too large to import. Copy the part that matters and paste it as text.",
    "unknown_format": "It is of none of the kinds that can be read. Copy the chat's text and paste it.",
}

Wanted = Callable[[int], bool]


def why(error_code: str) -> str:
    """What a reading's `error_code` means to the member."""
    return _WHY.get(error_code, "It could not be read. Copy the chat's text and paste it.")


@dataclass(frozen=True, slots=True)
class _Source:
    """One file to read conversations from. `open` gives it from its start; `size` is in bytes."""

    name: str
    size: int
    open: Callable[[], IO[bytes]]


@dataclass(frozen=True, slots=True)
class Archive:
    """What can be opened in an uploaded file, and `warnings` about the rest of it."""

    sources: tuple[_Source, ...]
    warnings: tuple[str, ...] = ()

    def readings(self, wanted: Wanted = lambda _: True) -> Iterator[Reading]:
        """Each conversation whose number is `wanted`; one that cannot be read is a reading with an `error_code`."""
        first = 0
        for source in self.sources:
            number = -1
            for number, read in enumerate(_conversations(source)):
                if wanted(first + number):
                    yield replace(read(), index=first + number)
            first += number + 1


def open_archive(file: IO[bytes], filename: str = "") -> Archive:
    """`file` can be sought in and stays the caller's; `filename` is a title for want of a better one.

    Raises `ImporterError`: `empty_archive`, `damaged_archive`, `encrypted_archive`, `nested_archive`,
    `too_many_members`, `archive_too_large`, `no_conversations`.
    """
    start = file.read(4)
    size = file.seek(0, 2)
    if not is_zip(start):
        return Archive((_Source(filename, size, partial(_from_start, file)),))
    try:
        archive = zipfile.ZipFile(file)
        found = contents(archive)
    except _DAMAGE as error:
        detail = "This archive is damaged or was cut off on its way. Download it again."
        raise ImporterError(detail, code="damaged_archive") from error
    sources = (_Source(base_name(member), member.file_size, partial(archive.open, member)) for member in found.members)
    return Archive(tuple(sources), found.warnings)


def is_zip(data: bytes) -> bool:
    return data[:4] in _ZIP


def read_file(data: bytes, filename: str = "") -> ImportedChat:
    """Like `detect.read_chat`, also of an archive that holds one conversation. Raises `ImporterError`."""
    return read_single(io.BytesIO(data), filename) if is_zip(data) else read_chat(data, filename)


def read_single(file: IO[bytes], filename: str = "") -> ImportedChat:
    """The one conversation of an archive. Raises `ImporterError`, `several_conversations` if there are more."""
    readings = list(islice((reading for reading in open_archive(file, filename).readings() if reading.chat), 2))
    if len(readings) > 1:
        detail = "This archive holds several conversations. Send it to /api/imports and choose among them."
        raise ImporterError(detail, code="several_conversations")
    if not readings or readings[0].chat is None:
        raise ImporterError("No conversation in this archive can be read.", code="no_conversations")
    return readings[0].chat


def _from_start(file: IO[bytes]) -> IO[bytes]:
    file.seek(0)
    return file


def _conversations(source: _Source) -> Iterator[Callable[[], Reading]]:
    """How to read each conversation of a file. A file that cannot be read (on) is one more, with an `error_code`."""
    try:
        yield from _listed(source) if _looks_like_json(source) else _whole(source)
    except _DAMAGE:
        yield partial(_unreadable, "damaged", source.name)
    except MemoryError:
        yield partial(_unreadable, "too_large", source.name)


def _looks_like_json(source: _Source) -> bool:
    start = source.open().read(_START_BYTES)
    return start.removeprefix(b"\xef\xbb\xbf").lstrip()[:1] in (b"[", b"{")


def _listed(source: _Source) -> Iterator[Callable[[], Reading]]:
    """The items of a list of conversations; the file as a whole if its items are none."""
    unknown, is_known = 0, False
    for item in items(source.open(), most=IMPORT_BYTES):
        read = partial(_read_item, item)
        if not is_known and read().error_code in ("unknown_format", "cut_off"):
            unknown += 1
            continue
        if not is_known:
            is_known = True
            yield from repeat(partial(_unreadable, "unknown_format"), unknown)
        yield read
    if not is_known:
        yield from _whole(source)


def _read_item(item: Item) -> Reading:
    if item.data is None:
        return _unreadable(item.error_code)
    try:
        reading = next(iter(read_each(_parsed(item.data))), None)
    except ImporterError as error:
        return _unreadable(error.code)
    except (ValueError, RecursionError):
        return _unreadable("damaged")
    except MemoryError:
        return _unreadable("too_large")
    return reading or _unreadable("unknown_format")


def _whole(source: _Source) -> Iterator[Callable[[], Reading]]:
    if source.size > IMPORT_BYTES:
        yield partial(_unreadable, "too_large", source.name)
        return
    data = source.open().read()
    try:
        chat = read_chat(data, source.name)
    except ImporterError as error:
        if error.code == "several_conversations":
            yield from (partial(_same, reading) for reading in read_each(data))
        else:
            yield partial(_unreadable, error.code, source.name)
        return
    yield partial(_same, Reading(0, chat, "", chat.title, chat.source_id))


def _parsed(data: bytes) -> Any:
    text = data.decode("utf-8", "replace")
    try:
        return json.loads(text, strict=False)
    except RecursionError:
        return deep_json.parsed(text)


def _same(reading: Reading) -> Reading:
    return reading


def _unreadable(error_code: str, title: str = "") -> Reading:
    return Reading(0, None, error_code, title)

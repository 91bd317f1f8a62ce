"""What of a ZIP archive may be opened. Nothing is unpacked to a path; account files are never opened."""

import re
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath

from integrations.importers.base import ImporterError

MEMBERS = 10_000
CONTENT_BYTES = 2 * 1024**3  # of all members that are opened, together
UNSUSPICIOUS_BYTES = 256 * 1024**2
RATIO = 100  # text is rarely packed beyond 1:20; deflate's most is 1:1032

_DATA = re.compile(r"conversations(?:-\d{1,6})?\.json|(?:.*-)?prod-grok-backend\.json", re.IGNORECASE)
_READABLE = frozenset({".json", ".md", ".markdown", ".txt", ".html", ".htm"})
_NEVER = re.compile(
    r"(?:users?|account|memories|projects|message_feedback|shared_conversations|group_chats|shopping|sora)\.json"
    r"|prod-mc-.*|readme(?:\..*)?",
    re.IGNORECASE,
)
_ENCRYPTED = 0x1
_INSTEAD = "Unpack it and upload the conversations' own file instead."


@dataclass(frozen=True, slots=True)
class Contents:
    """The members to read, in the order of reading, and warning codes about the others."""

    members: tuple[zipfile.ZipInfo, ...]
    warnings: tuple[str, ...]


def contents(archive: zipfile.ZipFile) -> Contents:
    """What may be opened: the vendors' own files if there are such, else every JSON, Markdown, text and HTML file.

    Raises `ImporterError` for an archive that is empty, too large, or holds nothing that can be read.
    """
    files = [member for member in archive.infolist() if not member.is_dir()]
    if not files:
        raise ImporterError("This archive is empty. Download it again, or choose another.", code="empty_archive")
    if len(archive.infolist()) > MEMBERS:
        detail = f"This archive holds more than {MEMBERS:,} files. {_INSTEAD}"
        raise ImporterError(detail, code="too_many_members")
    chosen = _data(files) or [member for member in files if _is_readable(member.filename)]
    nested = any(member.filename.lower().endswith(".zip") for member in files)
    if not chosen:
        raise _nothing_in(nested=nested)
    if any(member.flag_bits & _ENCRYPTED for member in chosen):
        detail = f"This archive is encrypted. {_INSTEAD}"
        raise ImporterError(detail, code="encrypted_archive")
    _refuse_bomb(chosen)
    return Contents(tuple(sorted(chosen, key=_natural)), ("nested_archive",) if nested else ())


def _data(files: list[zipfile.ZipInfo]) -> list[zipfile.ZipInfo]:
    return [member for member in files if not _is_hidden(member.filename) and _DATA.fullmatch(_name(member.filename))]


def _is_readable(path: str) -> bool:
    name = _name(path)
    return PurePosixPath(name).suffix.lower() in _READABLE and not (_is_hidden(path) or _NEVER.fullmatch(name))


def _is_hidden(path: str) -> bool:
    """What systems put beside files, such as `__MACOSX/._chat.json`."""
    return any(part.startswith((".", "__MACOSX")) and part not in (".", "..") for part in _parts(path))


def _name(path: str) -> str:
    return next(reversed(list(_parts(path))), "")


def _parts(path: str) -> Iterator[str]:
    return (part for part in path.replace("\\", "/").split("/") if part)


def _natural(member: zipfile.ZipInfo) -> list[tuple[int, str]]:
    """Sorts `conversations-10.json` behind `conversations-9.json`."""
    return [(int(part[:9]), "") if part.isdecimal() else (0, part) for part in re.split(r"(\d+)", member.filename)]


def _nothing_in(*, nested: bool) -> ImporterError:
    if nested:
        detail = "This archive holds only further archives. Unpack it and upload the one that holds the conversations."
        return ImporterError(detail, code="nested_archive")
    detail = "This archive holds no conversations that can be read. Choose the export as you received it."
    return ImporterError(detail, code="no_conversations")


def _refuse_bomb(members: list[zipfile.ZipInfo]) -> None:
    """Goes by what the archive says of itself; whoever reads a member gets no more than that."""
    size = sum(member.file_size for member in members)
    packed = sum(member.compress_size for member in members)
    if size > CONTENT_BYTES or (size > UNSUSPICIOUS_BYTES and size > RATIO * packed):
        detail = "This archive unpacks to more than can be read. Ask for an export of fewer conversations."
        raise ImporterError(detail, code="archive_too_large")


def base_name(member: zipfile.ZipInfo) -> str:
    return _name(member.filename)

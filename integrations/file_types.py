"""What an uploaded file is: by its bytes, and by a name that agrees with them. The client's own word counts nothing."""

import codecs
import re
from collections.abc import Callable, Iterator
from pathlib import PurePosixPath
from typing import IO

from PIL import Image

from config import limits
from config.exceptions import Invalid, UnsupportedType

BLOCK_BYTES = 256 * 1024
HEAD_BYTES = 16 * 1024
TEXT, JSON, CSV, MARKDOWN = "text/plain", "application/json", "text/csv", "text/markdown"
PDF, SVG = "application/pdf", "image/svg+xml"
DOCX = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
PICTURES = ("image/jpeg", "image/png", "image/gif", "image/webp")
"""Types that a browser may show; of the others none is more than kept."""

EXTENSIONS = {
    "jpg": "image/jpeg",
    "jpeg": "image/jpeg",
    "jfif": "image/jpeg",
    "png": "image/png",
    "gif": "image/gif",
    "webp": "image/webp",
    "svg": SVG,
    "pdf": PDF,
    "docx": DOCX,
    "txt": TEXT,
    "csv": CSV,
    "md": MARKDOWN,
    "markdown": MARKDOWN,
    "json": JSON,
}
ACCEPTED = "JPEG, PNG, GIF, WebP, SVG, PDF, Word (.docx), text, CSV, Markdown and JSON"

_SIGNATURES = (
    (re.compile(rb"\xff\xd8\xff"), "image/jpeg"),
    (re.compile(rb"\x89PNG\r\n\x1a\n"), "image/png"),
    (re.compile(rb"GIF8[79]a"), "image/gif"),
    (re.compile(rb"RIFF....WEBP", re.DOTALL), "image/webp"),
    (re.compile(rb"(?:\xef\xbb\xbf)?\s{0,64}%PDF-"), PDF),
    (re.compile(rb"PK\x03\x04"), DOCX),
)
_SVG = re.compile(  # atomic groups: however long the prologue, it is read once
    r"\s*+(?:\s|(?><!--.*?-->)|(?><\?.*?\?>)|<!DOCTYPE\s[^>\[]*+(?>\[.*?\]\s*+)?+>)*+<(?:\w++:)?svg[\s>/]", re.DOTALL
)
_NO_TEXT = re.compile(rb"[\x00-\x07\x0e-\x19\x1c-\x1f]")
_BOMS = ((codecs.BOM_UTF32_LE, "utf-32"), (codecs.BOM_UTF32_BE, "utf-32"), (codecs.BOM_UTF16_LE, "utf-16"),
         (codecs.BOM_UTF16_BE, "utf-16"))  # fmt: skip
_WORD_PARTS = (b"[Content_Types].xml", b"word/document.xml")


def type_of(file: IO[bytes], name: str) -> str:
    """The media type of a file that may be kept.

    Reads it in blocks, decodes and unpacks nothing, and leaves it at an arbitrary position. Raises `UnsupportedType`
    (`file_type_not_allowed`) for any other, `Invalid` (`image_too_large`) for an image of too many pixels.
    """
    named = _named(name)
    head = _head(file)
    found = next((kind for signature, kind in _SIGNATURES if signature.match(head)), TEXT)
    if found == TEXT and named == SVG:
        found = SVG
    if named != found and not (found == TEXT and named in {CSV, MARKDOWN, JSON}):
        raise _refusal(f"The content of this file is not what its name says ({_extension(name)}).")
    if not _CHECKS.get(found, _is_text)(file):
        raise _refusal(f"The content of this file cannot be read as {_extension(name) or 'text'}.")
    return named


def _named(name: str) -> str:
    """The type that the extension stands for; plain text without one."""
    extension = _extension(name)
    if extension not in EXTENSIONS and extension:
        raise _refusal("Files of this type cannot be attached.")
    return EXTENSIONS.get(extension, TEXT)


def _extension(name: str) -> str:
    return PurePosixPath(name).suffix.lower().removeprefix(".")


def _refusal(what: str) -> UnsupportedType:
    return UnsupportedType(f"{what} Attach one of these: {ACCEPTED}.", code="file_type_not_allowed")


def _head(file: IO[bytes]) -> bytes:
    file.seek(0)
    return file.read(HEAD_BYTES)


def _blocks(file: IO[bytes]) -> Iterator[bytes]:
    file.seek(0)
    return iter(lambda: file.read(BLOCK_BYTES), b"")


def _is_picture(file: IO[bytes]) -> bool:
    """Whether the header is one of a picture; nothing of its pixels is read."""
    size = _webp_size(_head(file)) or _size(file)
    if size is None:
        return False
    if size[0] * size[1] > limits.IMAGE_PIXELS:
        raise Invalid(
            f"This image has more than {limits.IMAGE_PIXELS // 1_000_000} million pixels. Attach a smaller one.",
            code="image_too_large",
        )
    return size[0] > 0 < size[1]


def _size(file: IO[bytes]) -> tuple[int, int] | None:
    file.seek(0)
    try:
        with Image.open(file, formats=["JPEG", "PNG", "GIF"]) as image:
            return image.size
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        return limits.IMAGE_PIXELS, limits.IMAGE_PIXELS
    except (OSError, ValueError, SyntaxError, EOFError, OverflowError):  # what Pillow raises for a broken header
        return None


def _webp_size(head: bytes) -> tuple[int, int] | None:
    """Width and height from one of the three headers (RFC 9649); Pillow would make room for all pixels at once."""
    number = int.from_bytes
    match head[12:16]:
        case b"VP8X":
            return number(head[24:27], "little") + 1, number(head[27:30], "little") + 1
        case b"VP8L" if head[20:21] == b"\x2f":
            bits = number(head[21:25], "little")
            return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
        case b"VP8 " if head[23:26] == b"\x9d\x01\x2a":
            return number(head[26:28], "little") & 0x3FFF, number(head[28:30], "little") & 0x3FFF
    return None


def _is_word(file: IO[bytes]) -> bool:
    """Whether the archive names the parts of a Word document; names stand in an archive as they are."""
    missing, rest = set(_WORD_PARTS), b""
    for block in _blocks(file):
        missing = {part for part in missing if part not in rest + block}
        if not missing:
            return True
        rest = block[-len(_WORD_PARTS[0]) :]
    return False


def _is_text(file: IO[bytes]) -> bool:
    """Whether it has no characters that text has not: in UTF-16 or 32 with its mark, else in a superset of ASCII."""
    head = _head(file)
    encoding = next((name for mark, name in _BOMS if head.startswith(mark)), "")
    if not encoding:
        return not any(_NO_TEXT.search(block) for block in _blocks(file))
    decoder = codecs.getincrementaldecoder(encoding)()
    try:
        return not any("\x00" in decoder.decode(block) for block in _blocks(file)) and not decoder.decode(b"", True)
    except UnicodeDecodeError:
        return False


def _is_svg(file: IO[bytes]) -> bool:
    """Whether the first element is `svg`; nothing is parsed, so that no entity is expanded."""
    encoding = "utf-16" if _head(file).startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) else "utf-8-sig"
    return bool(_SVG.match(_head(file).decode(encoding, "replace"))) and _is_text(file)


def _has_signature(_: IO[bytes]) -> bool:
    return True


_CHECKS: dict[str, Callable[[IO[bytes]], bool]] = {
    **dict.fromkeys(PICTURES, _is_picture),
    DOCX: _is_word,
    PDF: _has_signature,
    SVG: _is_svg,
}

"""Text files in any common encoding, and the words of an SVG, which is never read as XML or drawn."""

import codecs
import re
from collections.abc import Iterator
from html import unescape
from typing import BinaryIO

from integrations.extraction.base import Finding, Text, Unreadable

_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),  # before UTF-16, whose mark it begins with
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_LAST_RESORT = "cp1252"  # reads anything, and is what old Windows programs write
_UNSAID = re.compile(r"<!--.*?(?:-->|\Z)|<(script|style)\b.*?(?:</\1\s*>|\Z)|<[^>]*(?:>|\Z)", re.DOTALL | re.IGNORECASE)
"""What of an SVG is not text; what is never closed goes to the end, so that each character is looked at once."""


def decode(data: bytes) -> str:
    """`data` as text: by its byte order mark, else as UTF-8, else as Windows-1252. What does not fit becomes U+FFFD.

    A few broken bytes do not make UTF-8 something else: it stays UTF-8 while most of its other characters are right.
    """
    for mark, encoding in _MARKS:
        if data.startswith(mark):
            return data.decode(encoding, "replace")
    text = data.decode("utf-8", "replace")
    broken = text.count("\ufffd")
    if broken and 2 * broken > len(text) - len(text.encode("ascii", "ignore")):
        return data.decode(_LAST_RESORT, "replace")
    return text


def read_text(source: BinaryIO) -> Iterator[Finding]:
    """Yields the whole text as it is. Raises `Unreadable` (`empty`)."""
    text = decode(source.read())
    if not text.strip():
        raise Unreadable("empty")
    yield Text(text)


def read_svg(source: BinaryIO) -> Iterator[Finding]:
    """Yields the words that stand between an SVG's tags. Raises `Unreadable` (`empty`)."""
    drawing = decode(source.read())
    drawing = drawing[max(0, drawing.lower().find("<svg")) :]  # what is before it are declarations
    lines = (" ".join(unescape(line).split()) for line in _UNSAID.sub("\n", drawing).split("\n"))
    text = "\n".join(line for line in lines if line)
    if not text:
        raise Unreadable("empty")
    yield Text(text)

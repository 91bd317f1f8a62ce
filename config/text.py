"""Text at the edges: what PostgreSQL can store, and how long a thing may be shown."""

import re
import secrets
import time
import uuid

_SURROGATES = re.compile("[\ud800-\udfff]")


def is_storable(text: str) -> bool:
    """False for text with a NUL or a lone surrogate: PostgreSQL stores neither."""
    return "\x00" not in text and not _SURROGATES.search(text)


def clean_text(text: str) -> str:
    """`text` without NUL, lone surrogates as U+FFFD: for text from outside that nobody can be asked to correct."""
    if is_storable(text):
        return text
    return _SURROGATES.sub("\ufffd", text.replace("\x00", ""))


def shorten(text: str, limit: int) -> str:
    """`text`, or its start and `...` so that the whole is at most `limit` characters long."""
    return text if len(text) <= limit else text[: limit - 3].rstrip() + "..."


def like_inside(text: str) -> str:
    """The pattern of SQL's LIKE for what holds `text`, in which `%` and `_` stand for themselves."""
    return f"%{like_literal(text)}%"


def like_literal(text: str) -> str:
    return text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")


def plain(markdown: str, limit: int) -> str:
    """The beginning of a text without its markup, cut after a word, in at most `limit` characters."""
    text = re.sub(r"```.*?(?:```|\Z)", " ", markdown, flags=re.DOTALL)
    text = re.sub(r"!?\[([^\]]*)\]\([^)]*\)", r"\1", text)  # links and images
    text = re.sub(r"^\s*(?:#{1,6}|>|[-*+]|\d+[.)])\s+", "", text, flags=re.MULTILINE)  # headings, quotes, lists
    text = re.sub(r"[*`~]|(?<!\w)_+|_+(?!\w)", "", text)
    text = " ".join(text.split())
    if len(text) <= limit:
        return text
    start = text[:limit]
    return (start.rpartition(" ")[0] or start[: limit - 1]).rstrip(" ,;:.") + "…"


def uuid7() -> uuid.UUID:
    """A UUIDv7 (RFC 9562 section 5.7): 48 bits of Unix milliseconds, then random bits; sorts by time."""
    milliseconds = time.time_ns() // 1_000_000
    value = (milliseconds << 80) | (0x7 << 76) | (secrets.randbits(12) << 64) | (0b10 << 62) | secrets.randbits(62)
    return uuid.UUID(int=value)

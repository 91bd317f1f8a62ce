"""What is found in a file, and why nothing is."""

from typing import Literal, NamedTuple

State = Literal["ready", "no_text", "failed"]

REASONS = {
    "damaged": "This file can't be read: it is damaged, or not what its name says. Save it anew and upload that.",
    "empty": "There is no text in this file.",
    "encrypted": "This PDF asks for a password. Upload a copy without one.",
    "lost": "This file is not in the storage any more. Upload it again.",
    "scanned": "This PDF has pictures of pages and no text. A model that takes PDFs can still look at them.",
    "undescribed": "No model here describes images of this kind. One that takes images sees this one as it is.",
    "unanswered": "The model that describes images did not answer. Have it read again, or ask about it in the chat.",
    "too_complex": "Reading this file takes too much time or memory. Upload a smaller or simpler one.",
    "too_large": "This image has more pixels than we read. Upload a smaller one.",
}
"""The codes of what can be wrong with a file, and what a person is told."""


class Unreadable(Exception):
    """Nothing can be had from this file; `reason` is a code of `REASONS`."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Text(NamedTuple):
    """The next piece of a file's text; pieces are joined by an empty line."""

    text: str


class Pages(NamedTuple):
    """How many pages a document has, read or not."""

    total: int


class Picture(NamedTuple):
    """An image: its size in pixels, and how many frames it has."""

    width: int
    height: int
    frames: int


class Thumbnail(NamedTuple):
    """A small WebP of an image's first frame."""

    data: bytes


class Cut(NamedTuple):
    """There is more in the file than what was read."""


Finding = Text | Pages | Picture | Thumbnail | Cut


class Extraction(NamedTuple):
    """All that was found. `reason` is a code of `REASONS` and says why there is no text, or why it is cut short."""

    state: State
    text: str = ""
    reason: str = ""
    page_count: int | None = None
    is_cut: bool = False
    picture: Picture | None = None
    thumbnail: bytes = b""

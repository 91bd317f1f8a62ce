"""Text cut into the pieces that are indexed."""

import re
from collections.abc import Iterator
from typing import NamedTuple

_FENCE = re.compile(r"^ {0,3}(`{3,}|~{3,})[^\n]*$", re.MULTILINE)
_EMPTY_LINES = re.compile(r"\n[ \t\r]*\n\s*")
_LINE_END = re.compile(r"\n+")
_SENTENCE_END = re.compile(r"[.!?…][\"'”’)\]*_]*\s+|[。！？]|\n+")
_SPACE, _NOT_SPACE = re.compile(r"\s+"), re.compile(r"\S")


class Piece(NamedTuple):
    """`text` is what stands in the whole from the code point `start` on."""

    start: int
    text: str


class Block(NamedTuple):
    """A paragraph or a fenced block of code, by its bounds."""

    start: int
    end: int
    is_code: bool


def pieces(text: str, limit: int) -> list[Piece]:
    """`text` in pieces of at most `limit` characters that neither overlap nor leave out anything but white space.

    Paragraphs are packed together while they fit: small pieces are too many, and too easily the nearest to a query. A
    fenced block of code is cut only if it is longer than `limit`, then at the ends of lines; a paragraph that is too
    long, at the end of a sentence or else of a word.
    """
    found: list[Piece] = []
    start = end = 0
    for block in _blocks(text):
        for first, last in _cuts(text, block, limit):
            if last - start > limit and start < end:
                found.append(Piece(start, text[start:end]))
                start = first
            elif start == end:
                start = first
            end = last
    if start < end:
        found.append(Piece(start, text[start:end]))
    return found


def _blocks(text: str) -> Iterator[Block]:
    """What stands between empty lines, but a fenced block whole; nothing that is blank."""
    position = 0
    for start, end in _fences(text):
        yield from _paragraphs(text, position, start)
        yield Block(start, end, is_code=True)
        position = end
    yield from _paragraphs(text, position, len(text))


def _fences(text: str) -> Iterator[tuple[int, int]]:
    """Bounds of the fenced blocks; one that nobody closed goes to the end, as Markdown has it."""
    opened: re.Match[str] | None = None
    for line in _FENCE.finditer(text):
        if opened is None:
            opened = line
        elif line[1].startswith(opened[1]) and line[0].strip() == line[1]:
            yield opened.start(1), line.end(1)
            opened = None
    if opened is not None:
        yield opened.start(1), len(text.rstrip())


def _paragraphs(text: str, start: int, end: int) -> Iterator[Block]:
    for gap in _EMPTY_LINES.finditer(text, start, end):
        yield from _trimmed(text, start, gap.start())
        start = gap.end()
    yield from _trimmed(text, start, end)


def _trimmed(text: str, start: int, end: int) -> Iterator[Block]:
    """The block without white space around it; none if nothing is left."""
    inside = text[start:end]
    if kept := inside.strip():
        first = start + len(inside) - len(inside.lstrip())
        yield Block(first, first + len(kept), is_code=False)


def _cuts(text: str, block: Block, limit: int) -> Iterator[tuple[int, int]]:
    """Bounds of the parts of a block, each of at most `limit` characters."""
    start = block.start
    while block.end - start > limit:
        end = _best_cut(text, start, start + limit, is_code=block.is_code)
        yield start, start + len(text[start:end].rstrip())
        following = _NOT_SPACE.search(text, end, block.end)
        start = following.start() if following else block.end
    if start < block.end:
        yield start, block.end


def _best_cut(text: str, start: int, most: int, *, is_code: bool) -> int:
    """Where the part that begins at `start` ends: `most` at the latest, and not in its first half if that can be."""
    for ends in (_LINE_END if is_code else _SENTENCE_END, _SPACE):
        cut = max((match.end() for match in ends.finditer(text, start, most)), default=0)
        if cut > start + (most - start) // 2:
            return cut
    return most

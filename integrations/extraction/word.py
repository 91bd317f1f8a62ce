"""The text of a Word document: paragraphs and tables, in their order."""

import zipfile
from collections.abc import Iterator
from itertools import groupby
from typing import BinaryIO

from docx import Document
from docx.table import Table

from config.limits import DOCX_BYTES, DOCX_PARTS
from integrations.extraction.base import Finding, Text, Unreadable

PIECE_CHARACTERS = 10_000


def read_docx(source: BinaryIO) -> Iterator[Finding]:
    """Yields the text in pieces; a table's row is a line with ` | ` between its cells.

    Raises `Unreadable` (`too_complex` before anything is unpacked, `empty`), and what zipfile, lxml and python-docx
    raise for a file that is none.
    """
    _refuse_bomb(source)
    lines: list[str] = []
    has_text = False
    for line in _lines(source):
        lines.append(line)
        if sum(map(len, lines)) > PIECE_CHARACTERS:
            yield Text("\n".join(lines))
            has_text = True
            lines.clear()
    if lines:
        yield Text("\n".join(lines))
    elif not has_text:
        raise Unreadable("empty")


def _refuse_bomb(source: BinaryIO) -> None:
    """By the sizes in the archive's directory; zipfile unpacks no more of a member than it declares there."""
    with zipfile.ZipFile(source) as archive:
        members = archive.infolist()
    if len(members) > DOCX_PARTS or sum(member.file_size for member in members) > DOCX_BYTES:
        raise Unreadable("too_complex")
    source.seek(0)


def _lines(source: BinaryIO) -> Iterator[str]:
    for block in Document(source).iter_inner_content():
        if isinstance(block, Table):
            yield from _rows(block)
        elif block.text.strip():
            yield block.text


def _rows(table: Table) -> Iterator[str]:
    """Cells that are merged come once: python-docx gives them once for each column."""
    for row in table.rows:
        cells = [" ".join(cell.text.split()) for cell, _ in groupby(row.cells)]
        if any(cells):
            yield " | ".join(cells)

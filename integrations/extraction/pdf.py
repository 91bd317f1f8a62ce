"""The text of a PDF, page by page."""

from collections.abc import Iterator
from typing import BinaryIO

from pypdf import PdfReader
from pypdf.errors import DependencyError, LimitReachedError, PyPdfError

from config.limits import EXTRACTION_PAGES
from integrations.extraction.base import Cut, Finding, Pages, Text, Unreadable

_DAMAGED_PAGE = (PyPdfError, ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError)
"""What pypdf lets out of a page that is not as it should be; its documentation promises no less."""


def read_pdf(source: BinaryIO) -> Iterator[Finding]:
    """Yields the number of pages, the text of each page that has any under a `[page n]` line, and `Cut` if pages are
    left out: those that can't be read, and those past `EXTRACTION_PAGES`.

    Raises `Unreadable` (`encrypted`, `scanned`, `damaged`, `too_complex`), and what pypdf raises for a file that is
    none.
    """
    reader = _opened(source)
    count = len(reader.pages)
    yield Pages(count)
    texts, failures = 0, []
    for number in range(1, min(count, EXTRACTION_PAGES) + 1):
        try:
            text = reader.pages[number - 1].extract_text().strip()
        except _DAMAGED_PAGE as error:
            failures.append("too_complex" if isinstance(error, LimitReachedError) else "damaged")
            continue
        if text:
            texts += 1
            yield Text(f"[page {number}]\n{text}")
    if not texts:
        raise Unreadable("damaged" if not count else failures[0] if failures else "scanned")
    if failures or count > EXTRACTION_PAGES:
        yield Cut()


def _opened(source: BinaryIO) -> PdfReader:
    """The reader of a PDF that asks nobody for a password: many are encrypted with an empty one."""
    reader = PdfReader(source)
    if not reader.is_encrypted:
        return reader
    try:
        is_open = bool(reader.decrypt(""))
    except (DependencyError, NotImplementedError):  # a cipher that we can't undo
        is_open = False
    if not is_open:
        raise Unreadable("encrypted")
    return reader

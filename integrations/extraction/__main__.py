"""The child process: reads the file on standard input and writes what it finds, one JSON line for each finding.

Each line leaves at once, so that what was found before a limit ended the process is not lost.
"""

import base64
import contextlib
import json
import re
import resource
import signal
import sys
from collections.abc import Callable, Iterator
from importlib import import_module
from typing import Any, BinaryIO

from config.limits import (
    EXTRACTION_CHARACTERS,
    EXTRACTION_CPU_SECONDS,
    EXTRACTION_MEMORY_BYTES,
    EXTRACTION_OUTPUT_BYTES,
    EXTRACTION_SECONDS,
)
from config.text import clean_text
from integrations.extraction.base import Cut, Finding, Text, Thumbnail, Unreadable
from integrations.file_types import DOCX, PDF, PICTURES, SVG

Reader = Callable[[BinaryIO], Iterator[Finding]]
_TEXT = "plain", "read_text"
_READERS = {
    PDF: ("pdf", "read_pdf"),
    DOCX: ("word", "read_docx"),
    SVG: ("plain", "read_svg"),
    **dict.fromkeys(PICTURES, ("images", "read_image")),
}
"""Module and function for each type; what is of no other is text. Only one is imported: all take 0.15 s of CPU."""
_INVISIBLE = re.compile("[\u200b\u2060\ufeff\U000e0000-\U000e007f]")
"""Characters that a person does not see and a model reads: zero-width ones that no script needs, and Unicode's tags."""


def main() -> None:
    reader = _reader(sys.argv[1])
    _confine()
    try:
        for finding in _within_limit(reader(sys.stdin.buffer)):
            _tell(finding)
    except Unreadable as error:
        _write({"Unreadable": {"reason": error.reason}})
    except MemoryError:
        _write({"Unreadable": {"reason": "too_complex"}})


def _reader(media_type: str) -> Reader:
    module, name = _READERS.get(media_type, _TEXT)
    reader: Reader = getattr(import_module(f"integrations.extraction.{module}"), name)
    return reader


def _confine() -> None:
    """Nothing that a file makes a parser do goes on for long, takes much, or is heard of by anybody but the parent."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a dump would hold the file
    resource.setrlimit(resource.RLIMIT_FSIZE, (EXTRACTION_OUTPUT_BYTES, EXTRACTION_OUTPUT_BYTES))
    resource.setrlimit(resource.RLIMIT_CPU, (EXTRACTION_CPU_SECONDS, EXTRACTION_CPU_SECONDS))
    with contextlib.suppress(ValueError):  # macOS knows the limit but does not let it be set
        resource.setrlimit(resource.RLIMIT_AS, (EXTRACTION_MEMORY_BYTES, EXTRACTION_MEMORY_BYTES))
    signal.alarm(EXTRACTION_SECONDS)  # also when the parent was killed and waits no more


def _within_limit(findings: Iterator[Finding]) -> Iterator[Finding]:
    """`findings` with text fit for people and PostgreSQL, up to `EXTRACTION_CHARACTERS` of it."""
    room = EXTRACTION_CHARACTERS
    for finding in findings:
        if isinstance(finding, Text):
            text = _INVISIBLE.sub("", clean_text(finding.text))
            yield Text(text[:room])
            if len(text) > room:
                yield Cut()
                return
            room -= len(text)
        else:
            yield finding


def _tell(finding: Finding) -> None:
    members = finding._asdict()
    if isinstance(finding, Thumbnail):
        members["data"] = base64.b64encode(finding.data).decode()
    _write({type(finding).__name__: members})


def _write(line: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()

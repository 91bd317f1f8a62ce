"""Reads a file in a process of its own, which may break, hang or starve without harm to this one."""

import base64
import json
import logging
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from config.limits import EXTRACTION_SECONDS
from integrations.extraction.base import REASONS, Extraction, Picture, State

GRACE_SECONDS = 2  # the child ends itself; this is for one that can't
NOTHING_SAID = frozenset({"empty", "scanned"})  # reasons that are no failure

_ROOT = Path(__file__).resolve().parents[2]
log = logging.getLogger(__name__)


def extract(source: IO[bytes], media_type: str) -> Extraction:
    """What there is in the file `source`, within the limits `EXTRACTION_…` of `config.limits`.

    Never raises for what is in the file: one that breaks the parser is `failed`, `damaged`; one that exceeds a limit
    is `failed`, `too_complex`, or `ready` and cut if some text was found before that. An image is `no_text`.
    """
    with tempfile.TemporaryFile() as given, tempfile.TemporaryFile() as found:
        shutil.copyfileobj(source, given)
        given.seek(0)
        ending = _run(media_type, given, found)
        found.seek(0)
        return _collected(_lines(found), ending)


def _run(media_type: str, given: IO[bytes], found: IO[bytes]) -> str:
    """Empty if the child came to its end, else the reason why it did not."""
    command = [sys.executable, "-m", "integrations.extraction", media_type]
    try:
        # An empty environment: the child needs no secret of ours. Files as its input and output: a pipe could block.
        done = subprocess.run(
            command, stdin=given, stdout=found, stderr=subprocess.DEVNULL, cwd=_ROOT, env={},
            timeout=EXTRACTION_SECONDS + GRACE_SECONDS, check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        return "too_complex"
    if done.returncode:
        log.info("An extraction of %s ended with %s", media_type, done.returncode)
    return "too_complex" if done.returncode < 0 else "damaged" if done.returncode else ""


def _lines(found: IO[bytes]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Names and members of the findings; a line that the child could not finish is none."""
    for line in found:
        if line.endswith(b"\n"):
            yield from json.loads(line).items()


def _collected(lines: Iterator[tuple[str, dict[str, Any]]], ending: str) -> Extraction:
    texts: list[str] = []
    found = Extraction("ready", reason=ending, is_cut=bool(ending))
    for name, members in lines:
        match name:
            case "Text":
                texts.append(members["text"])
            case "Pages":
                found = found._replace(page_count=members["total"])
            case "Picture":
                found = found._replace(picture=Picture(**members))
            case "Thumbnail":
                found = found._replace(thumbnail=base64.b64decode(members["data"]))
            case "Cut":
                found = found._replace(is_cut=True)
            case "Unreadable":
                found = found._replace(is_cut=True, reason=members["reason"])
    return _judged(found._replace(text="\n\n".join(texts)))


def _judged(found: Extraction) -> Extraction:
    """With the state that follows from what was found."""
    if found.text:
        return found
    if found.picture and found.reason != "damaged":  # it is an image, even if its small copy could not be made
        return found._replace(state="no_text", reason="", is_cut=False)
    state: State = "no_text" if found.reason in NOTHING_SAID else "failed"
    return found._replace(state=state, reason=found.reason or "damaged", is_cut=False)


def explain(reason: str) -> str:
    """The sentence for a person; empty for an empty `reason`."""
    return REASONS.get(reason, "")

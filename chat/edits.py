"""Pieces of a text replaced by others, as a model asks for it: all of them, or none and the reason why."""

import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from config.limits import DRAFT_EDITS
from config.text import clean_text, shorten
from drafts.comparing import most_alike

HINT_CHARACTERS = 300
WHOLE_INSTEAD = "Copy the piece from the draft as it is now, or give the whole text with `update_project_draft`."


class Unfit(Exception):
    """What a model asked for can't be done; the message tells it how to mend its call."""


class Edit(NamedTuple):
    """`old`, which has to occur once, gives way to `new`."""

    old: str
    new: str


def parse_edits(value: Any) -> list[Edit]:
    """Raises `Unfit` for anything but a list of at most `DRAFT_EDITS` objects with `old` and `new`."""
    if not isinstance(value, list):
        raise Unfit("`edits` must be a list of objects with `old` and `new`.")
    if len(value) > DRAFT_EDITS:
        raise Unfit(f"There are {len(value)} edits; at most {DRAFT_EDITS} are made at once. {WHOLE_INSTEAD}")
    return [_parse_edit(number, edit) for number, edit in enumerate(value, 1)]


def _parse_edit(number: int, value: Any) -> Edit:
    given: Mapping[str, Any] = value if isinstance(value, dict) else {}
    old, new = given.get("old"), given.get("new")
    if not (isinstance(old, str) and isinstance(new, str)):
        raise Unfit(f"Edit {number}: both `old` and `new` must be given, as text.")
    return Edit(clean_text(old), clean_text(new))


def apply_edits(text: str, edits: Sequence[Edit]) -> str:
    """The text after all edits, each made to what the one before it has left. Raises `Unfit` if one can't be made."""
    edited = text
    for number, edit in enumerate(edits, 1):
        old, new = (_with_line_ends_of(edited, piece) for piece in edit)
        if reason := _unfit(old, new, edited, text):
            raise Unfit(f"Edit {number}: {reason}")
        edited = edited.replace(old, new, 1)
    return edited


def _with_line_ends_of(text: str, piece: str) -> str:
    """A text whose lines all end in CR LF is edited in them: models write LF."""
    is_crlf = "\r\n" in text and text.count("\n") == text.count("\r\n")
    return re.sub("\r?\n", "\r\n", piece) if is_crlf else piece


def _unfit(old: str, new: str, text: str, original: str) -> str:
    if not old:
        return "`old` is empty. Give a piece of the description that occurs once, and repeat it in `new` to add to it."
    if old == new:
        return "`old` and `new` are the same."
    place = text.find(old)
    if place < 0:
        return f"`old` does not occur in the description. {_hint(old, text, original)}{WHOLE_INSTEAD}"
    if text.find(old, place + 1) >= 0:
        times = max(text.count(old), 2)  # pieces that overlap are counted once
        return f"`old` occurs {times} times. Give more of the text around it, so that it occurs once."
    return ""


def _hint(old: str, text: str, original: str) -> str:
    """Where the piece may have been meant to be; empty if nothing is like it."""
    if old in original:
        return "An earlier edit of this call has changed it: each edit is made to what the one before has left. "
    if len(old) > HINT_CHARACTERS:
        return ""
    words = old.split()
    loosely = words and re.search(r"\s++".join(map(re.escape, words)), text, re.IGNORECASE)
    if loosely and len(loosely[0]) <= HINT_CHARACTERS:
        return f"With other white space or capitals it stands there as “{loosely[0]}”. "
    line = most_alike(old.strip().partition("\n")[0], text.split("\n"))
    return f"The line most like it is “{shorten(line.strip(), HINT_CHARACTERS)}”. " if line else ""

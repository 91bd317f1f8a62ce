"""Reads a shared Gemini chat: the answer of the remote call that its share page makes.

The answer is rows of arrays without names, so that positions are the whole contract: what stands elsewhere than
expected is `format_changed`, never a guess.
"""

import json
import re
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from integrations.importers.base import ImportedChat, ImportedMessage, ImporterError, no_messages
from integrations.importers.chatgpt_content import GENERATED_IMAGE
from integrations.importers.titles import choose_title
from integrations.importers.turns import Turns, joined
from integrations.importers.values import identifier, list_or_empty, moment

PARSER = "gemini-share/1"
SHARE_CALL, OWNER_CALL = "ujx1Bf", "hNvQHb"

_PREFIX = ")]}'"
_BETWEEN_ROWS = re.compile(r"[\s\d]*")
_STAND_IN = re.compile(r"https?://googleusercontent\.com/([a-z_]{1,60})/\d{1,6}")
_CHANGED = (
    "This looks like an answer of Gemini's, but the chat in it cannot be read. Copy the chat's text and paste it."
)


def matches(text: str) -> bool:
    """Whether `text` is an answer of Google's remote calls that carries a chat."""
    return text.lstrip().startswith(_PREFIX) and (f'"{SHARE_CALL}"' in text or f'"{OWNER_CALL}"' in text)


def read(text: str, filename: str = "") -> ImportedChat:
    """The conversation in `text`, which `matches`. Raises `ImporterError`: `format_changed`, `no_messages`."""
    call, payload = _payload(text)
    data = _at(payload, 0)
    turns = Turns()
    for turn in _turns(call, data):
        _add(turn, turns)
    messages = turns.messages()
    if not messages:
        raise no_messages()
    source_id = identifier(_at(data, 3)) if call == SHARE_CALL else ""
    return ImportedChat(
        source="gemini",
        parser=PARSER,
        title=choose_title([_at(_at(data, 2), 1)], messages, filename),
        messages=messages,
        source_id=source_id,
        source_url=f"https://gemini.google.com/share/{source_id}" if source_id else "",
        created_at=messages[0].created_at,
        updated_at=messages[-1].created_at,
        omitted=dict(turns.omitted),
        warnings=tuple(turns.warnings),
    )


def _payload(text: str) -> tuple[str, Any]:
    """Which call was answered, and with what."""
    for row in _rows(text):
        name, inner = _at(row, 1), _at(row, 2)
        if _at(row, 0) == "wrb.fr" and name in (SHARE_CALL, OWNER_CALL) and isinstance(inner, str):
            try:
                return name, json.loads(inner)
            except ValueError:
                raise _changed("payload_not_json") from None
    raise _changed("no_payload")


def _rows(text: str) -> Iterator[Any]:
    """All rows of all pieces; before each piece may stand its length."""
    decoder, position = json.JSONDecoder(), text.index(_PREFIX) + len(_PREFIX)
    while (position := _end_of_gap(text, position)) < len(text):
        try:
            piece, position = decoder.raw_decode(text, position)
        except ValueError:
            raise _changed("row_not_json") from None
        yield from list_or_empty(piece)


def _end_of_gap(text: str, position: int) -> int:
    match = _BETWEEN_ROWS.match(text, position)
    return match.end() if match else position


def _turns(call: str, data: Any) -> list[Any]:
    """The turns, oldest first: a share tells them in order, the owner's view does not."""
    turns = _at(data, 1) if call == SHARE_CALL else data
    if not isinstance(turns, list):
        raise _changed("no_turns")
    return turns if call == SHARE_CALL else sorted(turns, key=lambda turn: _seconds(turn) or 0)


def _add(turn: Any, turns: Turns) -> None:
    created, reply_id = _time(turn), identifier(_at(_at(turn, 0), 1))
    asked = _lines(_at(_at(turn, 2), 0))
    files = [item for item in list_or_empty(_at(_at(turn, 2), 10)) if item]
    turns.omitted.update({"file": len(files)} if files else {})
    turns.add(ImportedMessage("user", joined([asked, *["[file]"] * len(files)]), reply_id, created))
    if (answered := _at(turn, 3)) is None:
        turns.warn("interrupted")
        return
    candidate = _selected(answered, turns)
    text = _without_stand_ins(_lines(_at(candidate, 1)), turns)
    turns.add(ImportedMessage("assistant", text, identifier(_at(candidate, 0)), created))


def _selected(answered: Any, turns: Turns) -> Any:
    """The answer that its reader chose; the others are counted as branches."""
    candidates, selected = _at(answered, 0), _at(answered, 3)
    if not isinstance(candidates, list) or not candidates:
        raise _changed("no_candidates")
    if len(candidates) > 1:
        turns.omitted["branch"] += len(candidates) - 1
    if selected is None:
        return candidates[0]
    chosen = next((candidate for candidate in candidates if _at(candidate, 0) == selected), None)
    if chosen is None:
        raise _changed("no_selected_candidate")
    return chosen


def _lines(value: Any) -> str:
    if not isinstance(value, list) or not all(isinstance(line, str) for line in value):
        raise _changed("text_is_no_list_of_strings")
    return "\n".join(value)


def _without_stand_ins(text: str, turns: Turns) -> str:
    """`text` with placeholders for the addresses that stand in for images, documents and cards."""

    def placeholder(match: re.Match[str]) -> str:
        kind = "image" if "image" in match[1] else "canvas" if "immersive" in match[1] else "tool_result"
        turns.omitted[kind] += 1
        return {"image": GENERATED_IMAGE, "canvas": "[canvas]"}.get(kind, "[card]")

    return _STAND_IN.sub(placeholder, text)


def _time(turn: Any) -> datetime | None:
    return moment(_seconds(turn))


def _seconds(turn: Any) -> float | None:
    """Unix seconds; they come as two numbers, whole seconds and nanoseconds."""
    seconds = _at(_at(turn, 4), 0)
    nanoseconds = _at(_at(turn, 4), 1)
    if type(seconds) is not int or not 0 < seconds < 10**11:
        return None
    return seconds + (nanoseconds / 1e9 if type(nanoseconds) is int and 0 <= nanoseconds < 10**9 else 0)


def _at(value: Any, index: int) -> Any:
    """The item at a position; None where there is none."""
    return value[index] if isinstance(value, list) and len(value) > index else None


def _changed(stage: str) -> ImporterError:
    return ImporterError(_CHANGED, code="format_changed", extra={"stage": stage})

"""Reads single fields of JSON that anybody may have written: each gives what it promises, whatever the field holds."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

MODEL_CHARACTERS = 100

_ID = re.compile(r"[A-Za-z0-9_-]{1,200}")
_NUMBER = re.compile(r"\d{1,19}(?:\.\d{1,9})?", re.ASCII)
_YEAR_2100 = 4_102_444_800  # in Unix seconds; what is larger counts thousandths, millionths, or thousandths of those


def dict_or_empty(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def list_or_empty(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def dicts(value: Any) -> list[dict[str, Any]]:
    """The objects in a list; nothing if `value` is no list."""
    return [item for item in list_or_empty(value) if isinstance(item, dict)]


def string(value: Any) -> str:
    return value if isinstance(value, str) else ""


def identifier(value: Any) -> str:
    """An id of up to 200 letters, digits, `_` and `-`; empty for anything else."""
    return value if isinstance(value, str) and _ID.fullmatch(value) else ""


def model_name(value: Any) -> str:
    """A model's name in printable ASCII, cut to `MODEL_CHARACTERS`; empty for anything else."""
    return value[:MODEL_CHARACTERS] if isinstance(value, str) and value.isascii() and value.isprintable() else ""


def moment(value: Any) -> datetime | None:
    """A time between 1970 and 2100 in UTC; None for anything else.

    Takes Unix seconds, milli-, micro- and nanoseconds as numbers or digits, ISO 8601 (UTC if it names no zone), and
    MongoDB's `{"$date": …}` and `{"$numberLong": "…"}`.
    """
    for wrapper in ("$date", "$numberLong"):
        if isinstance(value, dict):
            value = value.get(wrapper, value)
    if isinstance(value, str) and _NUMBER.fullmatch(value):
        value = float(value)
    if type(value) in (int, float):
        seconds = _seconds(value)
        return datetime.fromtimestamp(seconds, UTC) if seconds else None
    return _iso(value) if isinstance(value, str) else None


def timestamp(value: Any) -> float:
    """The Unix seconds of `moment(value)`, 0.0 if it is none: to sort by."""
    time = moment(value)
    return time.timestamp() if time else 0.0


def named_list(value: Any, *names: str) -> Iterator[Any]:
    """The items of `value` if that is a list, else of the first list that stands in it under one of `names`."""
    if isinstance(value, list):
        yield from value
    elif isinstance(value, dict):
        yield from next((value[name] for name in names if isinstance(value.get(name), list)), ())


def _seconds(value: float) -> float:
    for unit in (1, 1_000, 1_000_000, 1_000_000_000):
        if 0 < value < _YEAR_2100 * unit:
            return value / unit
    return 0.0


def _iso(text: str) -> datetime | None:
    try:
        time = datetime.fromisoformat(text.strip())
        time = time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)
    except (ValueError, OverflowError):
        return None
    return time if 1970 <= time.year < 2100 else None

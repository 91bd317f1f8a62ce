"""Knows Google Takeout's activity of Gemini and says that it cannot be read: it holds prompts, not conversations."""

import re
from itertools import islice
from typing import Any, NoReturn

from integrations.importers.base import ImporterError
from integrations.importers.values import dict_or_empty, list_or_empty

_CELL = re.compile(r"class=\"[^\"<>]{0,200}\bouter-cell\b")
_FIRST_RECORDS = 5
_INSTEAD = (
    "This is Gemini's activity from Google Takeout. It does not say which prompts belong to one chat, so no chat can "
    "be made of it. Open the chat in Gemini, share it and import the link, or copy the chat's text and paste it."
)


def matches(value: Any) -> bool:
    """Whether `value` is a record of that activity, a list of such, or the page that shows them."""
    if isinstance(value, str):
        return "Gemini Apps" in value and bool(_CELL.search(value))
    records = list_or_empty(value) if isinstance(value, list) else [value]
    return any(_is_record(record) for record in islice(records, _FIRST_RECORDS))


def read(value: Any, filename: str = "") -> NoReturn:
    """Raises `ImporterError` `unknown_format`."""
    raise ImporterError(_INSTEAD, code="unknown_format", extra={"stage": "gemini_takeout"})


def _is_record(value: Any) -> bool:
    record = dict_or_empty(value)
    return record.get("header") == "Gemini Apps" or "Gemini Apps" in list_or_empty(record.get("products"))

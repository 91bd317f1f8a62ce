"""Reads `chat.html` of a ChatGPT export: a script in it holds the same conversations as the JSON beside it."""

import json
import re
from collections.abc import Iterable
from typing import Any

from integrations.importers import chatgpt
from integrations.importers.base import ImportedChat

PARSER = "chatgpt-export-html/1"

_DATA = re.compile(r"\bvar\s{1,20}jsonData\s{0,20}=\s{0,20}(?=\[)")


def matches(value: Any) -> bool:
    """Whether `value` is a conversation out of such a page; the page itself is a file of several."""
    return chatgpt.matches(value)


def each(page: Any) -> Iterable[Any]:
    """What the page's list holds; nothing if it has none or it is cut off."""
    data = _DATA.search(page) if isinstance(page, str) else None
    if not data:
        return ()
    try:
        items: Iterable[Any] = json.JSONDecoder(strict=False).raw_decode(page, data.end())[0]
    except ValueError:
        return ()
    return items


def read(conversation: Any, filename: str = "") -> ImportedChat:
    """The one `conversation`. Raises `ImporterError` `no_messages`."""
    return chatgpt.read(conversation, filename, parser=PARSER)

"""JSON as the API reads it: strictly."""

import json
import re
from collections.abc import Mapping
from typing import IO, Any, NoReturn

import orjson
from rest_framework.parsers import JSONParser

from config import limits
from config.exceptions import BadRequest, Invalid
from config.text import is_storable

# Possessive, and with an optional end, so that no input makes it look at a byte twice.
_STRING = re.compile(rb'"(?:[^"\\]++|\\.)*+"?', re.DOTALL)
_NO_BRACKET = bytes(set(range(256)) - set(b"[]{}"))
_SAME_BRACKETS = bytes.maketrans(b"{}", b"[]")


class StrictJSONParser(JSONParser):
    """Reads a JSON body (RFC 8259, UTF-8) of at most `limits.JSON_DEPTH` levels.

    Raises `BadRequest` for what is no such JSON, NaN and Infinity included, and `Invalid` for text that PostgreSQL
    cannot store. The last of two equal keys wins.
    """

    def parse(
        self, stream: IO[Any], media_type: str | None = None, parser_context: Mapping[str, Any] | None = None
    ) -> Any:
        data = stream.read()
        if not is_shallow(data):
            _refuse(f"The body is not JSON, or nests deeper than {limits.JSON_DEPTH} levels.")
        try:
            value = orjson.loads(data)
        except orjson.JSONDecodeError:
            value = _read_again(data)
        if b"\\u0000" in data and not _is_storable(value):
            _refuse_text()
        return value


def is_shallow(data: bytes, depth: int = limits.JSON_DEPTH) -> bool:
    """Whether brackets nest at most `depth` deep; False as well where they do not match up.

    Works in bounded stack and linear time: each round takes the innermost pairs away.
    """
    if data.count(b"[") + data.count(b"{") <= depth:
        return True
    brackets = _STRING.sub(b"", data).translate(_SAME_BRACKETS, _NO_BRACKET)
    for _ in range(depth):
        brackets = brackets.replace(b"[]", b"")
    return not brackets


def _read_again(data: bytes) -> NoReturn:
    """Tells half a surrogate pair, which the standard library reads, from what is no JSON at all."""
    try:
        json.loads(data.decode("utf-8"), parse_constant=_refuse_constant)
    except ValueError:
        _refuse("The body is not valid JSON.")
    if re.search(rb"\\u[dD][89a-fA-F]", data):
        _refuse_text()
    _refuse("The body holds a number that is too large.")


def _is_storable(value: Any) -> bool:
    """Whether all strings and keys in a JSON value can be stored."""
    rest = [value]
    while rest:
        item = rest.pop()
        if isinstance(item, dict):
            rest += [*item.keys(), *item.values()]
        elif isinstance(item, list):
            rest += item
        elif isinstance(item, str) and not is_storable(item):
            return False
    return True


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(name)


def _refuse(detail: str) -> NoReturn:
    raise BadRequest(detail, code="malformed")


def _refuse_text() -> NoReturn:
    raise Invalid("The text holds characters that cannot be stored.", code="unstorable_text")

"""Decodes React Router's turbo-stream: a table of values that refer to each other by index.

The first line is a JSON array, whose item 0 is the root. In it a list holds indices, an object has keys `_12` that name
item 12, a negative index is a constant without content, and a list that starts with a string is a typed marker. A later
line `P21:[…]` appends to the table and settles promise 21 with the first item that it appends.
"""

import json
import re
from typing import Any

MAX_VALUES = 2_000_000

_SETTLED = re.compile(r"P(\d{1,9}):")
_KEY = re.compile(r"_(\d{1,9})")


class StreamError(ValueError):
    """The stream is not what it should be. `stage` says where, in a word that holds nothing of its content."""

    def __init__(self, stage: str) -> None:
        super().__init__(stage)
        self.stage = stage


def decode(stream: str) -> Any:
    """The root of `stream`, made of dicts, lists and scalars that may refer to each other in circles.

    Raises `StreamError`.
    """
    first, *later = stream.split("\n")
    table = _array(first)
    promises: dict[int, int] = {}
    for line in later:
        if match := _SETTLED.match(line):
            promises[int(match[1])] = len(table)
            table += _array(line[match.end() :])
    return _Hydration(table, promises).root()


def _array(text: str) -> list[Any]:
    try:
        values = json.loads(text, strict=False)
    except ValueError:
        raise StreamError("chunk_not_json") from None
    if not isinstance(values, list) or not values:
        raise StreamError("chunk_not_json")
    if len(values) > MAX_VALUES:
        raise StreamError("too_many_values")
    return values


class _Hydration:
    """Follows the indices with a list of what is still to be filled, since a chat can nest deeper than the stack.

    Each list and object of the table gives way to what it becomes, so that a large table is in memory once.
    """

    def __init__(self, table: list[Any], promises: dict[int, int]) -> None:
        self._table = table
        self._promises = promises
        self._is_made = bytearray(len(table))
        self._unfilled: list[tuple[Any, Any]] = []  # what is made, and the source that fills it

    def root(self) -> Any:
        value = self._value(0)
        while self._unfilled:
            made, source = self._unfilled.pop()
            if isinstance(source, list):
                made.extend(map(self._value, source))
            else:
                made.update((self._key(key), self._value(reference)) for key, reference in source.items())
        return value

    def _value(self, index: Any) -> Any:
        item = self._item(index)
        if self._is_marker(index, item):
            index = self._marked(item)
            item = self._item(index)
            if self._is_marker(index, item):
                return None  # a marker for a marker: nothing in a chat needs one
        return self._container(index, item) if isinstance(item, dict | list) else item

    def _is_marker(self, index: int, item: Any) -> bool:
        return isinstance(item, list) and bool(item) and isinstance(item[0], str) and not self._is_made[index]

    def _container(self, index: int, item: dict[str, Any] | list[Any]) -> Any:
        if self._is_made[index]:
            return item
        made = self._table[index] = type(item)()
        self._is_made[index] = True
        self._unfilled.append((made, item))
        return made

    def _marked(self, marker: list[Any]) -> int:
        """The index that a settled promise stands for; every other marker counts as a constant without content."""
        number = marker[1] if len(marker) > 1 else None
        return self._promises.get(number, -1) if marker[0] == "P" and type(number) is int else -1

    def _item(self, index: Any) -> Any:
        if type(index) is not int or index >= len(self._table):
            raise StreamError("dangling_reference")
        return None if index < 0 else self._table[index]

    def _key(self, key: str) -> str:
        match = _KEY.fullmatch(key)
        name = self._item(int(match[1])) if match else None
        if not isinstance(name, str):
            raise StreamError("dangling_reference")
        return name

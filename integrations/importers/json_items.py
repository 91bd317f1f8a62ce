"""Takes a long list of JSON values apart without holding it: each value is parsed alone, and may be damaged alone."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO

CHUNK_BYTES = 1024 * 1024
LIST_KEY = b'"conversations"'
_CARRIED_BYTES = 64  # a string that a chunk cuts is looked at again if it is short enough to be the key

# Possessive, so that no input makes it look at a byte twice. By group: a string that ends, and brackets.
_TOKEN = re.compile(rb'"(?:[^"\\]++|\\.)*+(")?|([\[{])|([\]}])', re.DOTALL)
_STRING, _OPENING, _CLOSING = 1, 2, 3
_REST_OF_STRING = re.compile(rb'(?:[^"\\]++|\\.)*+(")?', re.DOTALL)


@dataclass(frozen=True, slots=True)
class Item:
    """One object or list of a list, as it stands in the file; `data` is None if it is too long or the file ends in it.

    `error_code` then says which: `too_large` or `cut_off`.
    """

    data: bytes | None
    error_code: str = ""


def items(file: IO[bytes], *, most: int) -> Iterator[Item]:
    """The objects and lists in the list that `file` is, or in the list `conversations` of the object that it is.

    Holds at most one item of `most` bytes and one chunk. What ends early ends with an item `cut_off`; a file of another
    shape gives nothing. Linear in the file, whatever stands in it.
    """
    splitter = _Splitter(most)
    while not splitter.is_over and (chunk := file.read(CHUNK_BYTES)):
        yield from splitter.feed(chunk)
    if splitter.is_inside:
        yield Item(None, "cut_off")


class _Splitter:
    """`is_inside`: the list has begun and not ended; `is_over`: it has ended."""

    def __init__(self, most: int) -> None:
        self.is_inside = self.is_over = False
        self._most = most
        self._depth = 0
        self._item_depth = 2  # until the list has begun: no list that counts begins deeper
        self._key = b""  # the last string one level deep
        self._in_string = False
        self._carry = b""
        self._parts: list[bytes] | None = None  # of the item that has begun
        self._size = 0

    def feed(self, chunk: bytes) -> Iterator[Item]:
        chunk = self._carry + chunk
        self._carry = b""
        start = 0  # where the present item goes on in this chunk
        for token in _TOKEN.finditer(chunk, self._end_of_string(chunk)):
            kind = token.lastindex
            if kind == _OPENING:
                self._depth += 1
                if self._depth <= self._item_depth and self._opens_item(chunk[token.start()]):
                    start = token.start()
            elif kind == _CLOSING:
                self._depth -= 1
                if self._parts is not None and self._depth < self._item_depth:
                    self._keep(chunk[start : token.end()])
                    yield self._item()
                elif self._depth < (self._item_depth - 1 if self.is_inside else 0):
                    self.is_inside, self.is_over = False, True
                    return
            elif kind != _STRING or self._depth == 1:
                self._note_string(token, chunk)
        self._keep(chunk[start : len(chunk) - len(self._carry)])

    def _opens_item(self, bracket: int) -> bool:
        if self.is_inside:
            self._parts, self._size = [], 0
            return True
        if bracket == ord("[") and (self._depth == 1 or self._key == LIST_KEY):
            self.is_inside, self._item_depth = True, self._depth + 1
        return False

    def _end_of_string(self, chunk: bytes) -> int:
        """Where the string that the last chunk has cut ends; 0 if it has cut none."""
        if not self._in_string:
            return 0
        rest = _REST_OF_STRING.match(chunk)
        assert rest  # it matches nothing, too
        self._in_string = not rest[1]
        self._carry = chunk[rest.end() :] if self._in_string else b""
        return len(chunk) if self._in_string else rest.end()

    def _note_string(self, token: re.Match[bytes], chunk: bytes) -> None:
        if token[1]:
            if self._depth == 1 and not self.is_inside:
                self._key = token[0][: _CARRIED_BYTES + 1]
        elif len(chunk) - token.start() <= _CARRIED_BYTES:
            self._carry = chunk[token.start() :]
        else:
            self._in_string, self._carry = True, chunk[token.end() :]  # at most the backslash of an escape

    def _keep(self, part: bytes) -> None:
        if self._parts is None:
            return
        self._size += len(part)
        if self._size > self._most:
            self._parts = []
        else:
            self._parts.append(part)

    def _item(self) -> Item:
        parts, self._parts = self._parts or [], None
        return Item(None, "too_large") if self._size > self._most else Item(b"".join(parts))

"""Cursors: places in a sorted list that stay where they are while rows come, go and move.

A cursor is URL-safe base64 of a JSON array: the name of the order, then the keys of the last row shown. It is not
signed, since it opens nothing: what follows is looked for among the rows that may be seen, whatever the cursor says.
"""

import base64
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple, TypeVar
from uuid import UUID

import orjson
from django.db.models import F, Func, Model, QuerySet, TextField, Value
from django.db.models.lookups import GreaterThan, LessThan

from config.exceptions import Invalid

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)
MOST_BIGINT = 2**63 - 1

_CURSOR = re.compile(r"[A-Za-z0-9_-]{1,2000}", re.ASCII)  # 200 characters of a title, escaped, take 1,680
_Model = TypeVar("_Model", bound=Model)


class Kind(NamedTuple):
    """How a value stands in a cursor. `decode` raises `ValueError` or `OverflowError` for what no row can have."""

    encode: Callable[[Any], int | str]
    decode: Callable[[Any], Any]


def _whole(value: Any) -> int:
    if type(value) is not int or abs(value) > MOST_BIGINT:
        raise ValueError("no whole number of a bigint column")
    return value


def _text(value: Any) -> str:
    if not isinstance(value, str) or "\0" in value:
        raise ValueError("no text that a column can hold")
    return value


TIME = Kind(lambda moment: (moment - EPOCH) // MICROSECOND, lambda value: EPOCH + _whole(value) * MICROSECOND)
TEXT = Kind(str, _text)
NUMBER = Kind(int, _whole)
IDENTIFIER = Kind(str, lambda value: UUID(_text(value)))


class Key(NamedTuple):
    """A column to sort by, or the name of an `expression` to sort by."""

    name: str
    kind: Kind
    expression: Func | None = None

    @property
    def sorted_by(self) -> F | Func:
        return self.expression or F(self.name)


@dataclass(frozen=True, slots=True)
class Ordering:
    """A total order of rows: the last of `keys` is unique, and all of them go in one direction.

    `name` tells it from the other orders of the same list, so that a cursor of one is not taken for one of another.
    """

    name: str
    keys: tuple[Key, ...]
    descending: bool = True

    @property
    def computed(self) -> dict[str, Func]:
        """What `values()` must be asked for beside columns, so that `cursor` finds all keys in its rows."""
        return {key.name: key.expression for key in self.keys if key.expression is not None}

    def sort(self, rows: QuerySet[_Model]) -> QuerySet[_Model]:
        keys = [key.sorted_by for key in self.keys]
        return rows.order_by(*(key.desc() if self.descending else key.asc() for key in keys))

    def after(self, rows: QuerySet[_Model], place: tuple[Any, ...]) -> QuerySet[_Model]:
        """The rows behind `place`: one comparison of rows, which leads PostgreSQL straight to its place in an index."""
        keys, values = _row(*(key.sorted_by for key in self.keys)), _row(*(Value(value) for value in place))
        return rows.filter(LessThan(keys, values) if self.descending else GreaterThan(keys, values))

    def cursor(self, row: Any) -> str:
        """The place of a row: a model's, or a mapping that has the keys."""
        read = row.__getitem__ if isinstance(row, Mapping) else lambda name: getattr(row, name)
        return self._encoded([read(key.name) for key in self.keys])

    def place(self, cursor: str) -> tuple[Any, ...]:
        """The keys in a cursor. Raises `Invalid` (`invalid_cursor`) for what `cursor` does not give in this order."""
        try:
            values = [key.kind.decode(value) for key, value in zip(self.keys, self._decoded(cursor), strict=True)]
            if self._encoded(values) != cursor:
                raise ValueError("written in another way")
        except (ValueError, OverflowError) as error:
            detail = "This `cursor` is not one of this list in this order. Start again without it."
            raise Invalid(detail, code="invalid_cursor", field="cursor") from error
        return tuple(values)

    @property
    def _bound_to(self) -> str:
        return f"{self.name} {'desc' if self.descending else 'asc'}"

    def _encoded(self, values: list[Any]) -> str:
        keys = [key.kind.encode(value) for key, value in zip(self.keys, values, strict=True)]
        return base64.urlsafe_b64encode(orjson.dumps([self._bound_to, *keys])).rstrip(b"=").decode()

    def _decoded(self, cursor: str) -> list[Any]:
        if not _CURSOR.fullmatch(cursor):
            raise ValueError("no base64")
        parts = orjson.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
        if not isinstance(parts, list) or parts[:1] != [self._bound_to]:
            raise ValueError("of another order")
        return parts[1:]


def _row(*parts: Any) -> Func:
    return Func(*parts, function="ROW", output_field=TextField())  # of a type that Django has no name for

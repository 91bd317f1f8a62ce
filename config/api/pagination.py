"""Pages of a list: `limit` and `offset`, or a `cursor` that goes on where the page before it ended."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from django.db.models import Model, QuerySet
from drf_spectacular.utils import OpenApiParameter
from rest_framework import serializers

from config.api.cursors import Ordering
from config.exceptions import BadRequest, Invalid

MOST_OFFSET = 2**63 - 1  # of PostgreSQL's OFFSET; a larger one means the same: past the end
CURSOR = OpenApiParameter("cursor", str, description="`next` of the page before, in the same order, without `offset`.")

_INTEGER = re.compile(r"[+-]?[0-9]{1,1000}", re.ASCII)
_Row = TypeVar("_Row")
_Model = TypeVar("_Model", bound=Model)


class PageSerializer(serializers.Serializer[Any]):
    """Documents what every list that is paged says beside its rows."""

    next = serializers.CharField(allow_null=True, help_text="`cursor` of the next page; null if this is the last one.")


@dataclass(frozen=True, slots=True)
class Page:
    """The part of a list that a request asks for; `after` are the keys of the last row that was shown before it."""

    ordering: Ordering
    limit: int
    offset: int = 0
    after: tuple[Any, ...] | None = None

    def take(self, rows: QuerySet[_Model]) -> QuerySet[_Model]:
        """The rows of the page in their order, and the one behind it, which tells that there are more."""
        if self.after is not None:
            rows = self.ordering.after(rows, self.after)
        return self.ordering.sort(rows)[self.offset : min(self.offset + self.limit + 1, MOST_OFFSET)]

    def cut(self, taken: list[_Row]) -> tuple[list[_Row], str | None]:
        """Of the rows taken those of the page, and the cursor of the next page, None if there is none."""
        shown = taken[: self.limit]
        return shown, self.ordering.cursor(shown[-1]) if len(taken) > self.limit else None


def page_of(query_params: Mapping[str, str], ordering: Ordering, default: int = 100, most: int = 1000) -> Page:
    """The page that a request asks for.

    Raises as `limit_offset` does, and `Invalid` (`invalid_cursor`) for a cursor of another order or with an offset.
    """
    limit, offset = limit_offset(query_params, default, most)
    cursor = query_params.get("cursor")
    if cursor is None:
        return Page(ordering, limit, offset)
    if "offset" in query_params:
        raise Invalid("Send `cursor` or `offset`, not both.", code="invalid_cursor", field="cursor")
    return Page(ordering, limit, after=ordering.place(cursor))


def limit_offset(query_params: Mapping[str, str], default: int = 100, most: int = 1000) -> tuple[int, int]:
    """How many rows a request asks for at most, and how many it leaves out from the start.

    Raises `Invalid` for what is no whole number, `BadRequest` for a limit outside of 1 to `most` or an offset below 0.
    """
    limit = _integer(query_params, "limit", default)
    offset = _integer(query_params, "offset", 0)
    if not 1 <= limit <= most:
        raise BadRequest(f"`limit` must be from 1 to {most}.", code="invalid_limit", field="limit")
    if offset < 0:
        raise BadRequest("`offset` must not be negative.", code="invalid_offset", field="offset")
    return limit, min(offset, MOST_OFFSET)


def _integer(query_params: Mapping[str, str], name: str, default: int) -> int:
    text = query_params.get(name)
    if text is None:
        return default
    if not _INTEGER.fullmatch(text):
        raise Invalid(f"`{name}` must be a whole number.", code=f"invalid_{name}", field=name)
    return int(text)

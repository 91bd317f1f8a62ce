"""`limit` and `offset` in a query string."""

import re
from collections.abc import Mapping

from config.exceptions import BadRequest, Invalid

MOST_OFFSET = 2**63 - 1  # of PostgreSQL's OFFSET; a larger one means the same: past the end

_INTEGER = re.compile(r"[+-]?[0-9]{1,1000}", re.ASCII)


def limit_offset(query_params: Mapping[str, str], default: int = 100, most: int = 1000) -> tuple[int, int]:
    """The page that a request asks for.

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

"""Ids as they stand in a path: strings until somebody looks at them."""

import re
import uuid
from collections.abc import Mapping

from config.exceptions import BadRequest, Invalid, NotFound

MOST = 2**63 - 1  # of a bigint

_INTEGER = re.compile(r"([+-]?)0*([0-9]*)", re.ASCII)
_POSITIVE = re.compile(r"0{0,20}[1-9][0-9]{0,999}", re.ASCII)
_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.ASCII | re.IGNORECASE)


def parse_id(text: str, what: str) -> int:
    """The id of a `what` ("conversation").

    Raises `Invalid` for what is no whole number, `BadRequest` for one that is not positive, and `NotFound` for one that
    no row can have.
    """
    match = _INTEGER.fullmatch(text)
    if not match or not text[-1:].isdigit():
        raise Invalid(f"The id of a {what} must be a whole number.", code="invalid_id")
    sign, digits = match.groups()
    if sign == "-" or not digits:
        raise BadRequest(f"The id of a {what} must be positive.", code="invalid_id")
    if len(digits) > len(str(MOST)) or int(digits) > MOST:
        raise NotFound(f"{what.capitalize()} not found.")
    return int(digits)


def parse_query_id(query_params: Mapping[str, str], name: str) -> int:
    """The id that a query must have under this name. Raises `Invalid`, which names it, for anything but a whole number
    from 1 on; a number that no row can have is one that nothing is found under."""
    text = query_params.get(name)
    if text is None:
        raise Invalid(f"`{name}` is missing.", field=name)
    if not _POSITIVE.fullmatch(text):
        raise Invalid(f"`{name}` must be a whole number from 1 on.", code="invalid_id", field=name)
    return min(int(text), MOST)


def parse_uuid(text: str, what: str) -> uuid.UUID:
    """The id of a `what` ("run"). Raises `Invalid` for anything but the usual five groups of hexadecimal digits."""
    if not _UUID.fullmatch(text):
        raise Invalid(f"The id of a {what} must be a UUID.", code="invalid_id")
    return uuid.UUID(text)


def parse_version(text: str) -> int:
    """The number of a version, from 0 on. Raises `Invalid` for anything else, `NotFound` for one that none can have."""
    if not re.fullmatch(r"[0-9]+", text, re.ASCII):
        raise Invalid("The number of a version must be a whole number.", code="invalid_id")
    if len(text.lstrip("0")) > 9:
        raise NotFound("There is no such version.")
    return int(text)

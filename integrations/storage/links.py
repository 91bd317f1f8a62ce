"""Signed links to files of the folder: whoever holds one may fetch that file until it lapses, and nothing else."""

import time
from typing import NamedTuple

from django.core import signing
from django.utils.http import content_disposition_header

from config.exceptions import Gone, NotFound

SALT = "draftloom.files"


class Link(NamedTuple):
    """What is fetched, and how a browser is told to take it."""

    key: str
    filename: str
    content_type: str
    inline: bool


def sign(link: Link, seconds: int) -> str:
    """A token for `read` within so many seconds, of characters that a path needs not quote."""
    return signing.dumps([*link, int(time.time()) + seconds], salt=SALT)


def read(token: str) -> Link:
    """Raises `NotFound` for a token that was not made here, and `Gone` (`link_expired`) for one that has lapsed."""
    try:
        *link, until = signing.loads(token, salt=SALT)
    except signing.BadSignature as error:
        raise NotFound("There is no file here.") from error
    if time.time() >= until:
        raise Gone("This link has lapsed. Open the file from its conversation again.", code="link_expired")
    return Link(*link)


def disposition(filename: str, *, inline: bool) -> str:
    """A `Content-Disposition` (RFC 6266), in ASCII whatever the name."""
    return content_disposition_header(as_attachment=not inline, filename=filename) or "inline"

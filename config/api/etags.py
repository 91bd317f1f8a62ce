"""Entity tags (RFC 9110, sections 8.8.3 and 13): reading what one lacks, and writing over what one has seen.

All of ours are strong: a tag is the digest of what a resource shows as JSON, so it is another one as soon as that is.
"""

import hashlib
import re
from collections.abc import Callable, Collection, Mapping
from typing import Any, TypeVar

from drf_spectacular.utils import OpenApiParameter
from rest_framework.request import Request
from rest_framework.response import Response

from config.api.renderers import dumps
from config.exceptions import BadRequest, PreconditionFailed
from config.preconditions import Precondition, no_precondition

T = TypeVar("T")

_TAG = r'(?:W/)?"[\x21\x23-\x7e\x80-\xff]*"'
_LIST = re.compile(rf"[ \t,]*{_TAG}(?:[ \t]*,[ \t,]*{_TAG})*[ \t,]*")  # Django's `parse_etags` skips what is no tag

ETAG = OpenApiParameter(
    "ETag", str, "header", response=[200], required=True, description="The strong entity tag of what there is now."
)
IF_NONE_MATCH = OpenApiParameter(
    "If-None-Match", str, "header", description="Entity tags of what you have: if it is one of them, the answer is 304."
)
IF_MATCH = OpenApiParameter(
    "If-Match",
    str,
    "header",
    description="The entity tag of what you mean to change: if that is not what is there now, nothing is written, and "
    "the answer, 412, shows what is. Without it the write goes through.",
)
READS, WRITES = [IF_NONE_MATCH, ETAG], [IF_MATCH, ETAG]
"""What a view that reads, and one that writes, adds to its `parameters`."""


def etag_of(shown: Any) -> str:
    """The strong tag of what is shown, whatever the order of its members: what comes out of `jsonb` has another one."""
    return f'"{hashlib.blake2b(dumps(shown, sort_keys=True), digest_size=16).hexdigest()}"'


def tagged(answer: Any, etag: str) -> Response:
    return Response(answer, headers={"ETag": etag})


def unless_known(request: Request, shown: Any) -> Response:
    """What there is, or 304 for a client that has it already."""
    etag = etag_of(shown)
    return not_modified(request, lambda: etag) or tagged(shown, etag)


def not_modified(request: Request, present: Callable[[], str]) -> Response | None:
    """304 for a client that has what there is; None for one that lacks it, or does not say.

    `present` finds the present tag and is called only if it matters. Raises `BadRequest` for a header that is no list
    of tags.
    """
    known = _tags(request, "If-None-Match")
    if known is None or not _is_known(etag := present(), known):
        return None
    return Response(status=304, headers={"ETag": etag})


def precondition(request: Request, show: Callable[[T], Mapping[str, Any]]) -> Precondition[T]:
    """What a request that writes demands of what is there, which `show` turns into what its tag is made of.

    A failure holds that as `current`, and its tag. Raises `BadRequest` for a header that is no list of tags.
    """
    wanted, unwanted = _tags(request, "If-Match"), _tags(request, "If-None-Match")
    if wanted is None and unwanted is None:
        return no_precondition

    def check(thing: T) -> None:
        current = show(thing)
        etag = etag_of(current)
        if (wanted is not None and not _is_wanted(etag, wanted)) or (unwanted and _is_known(etag, unwanted)):
            raise PreconditionFailed(
                "This is not what it was when you loaded it, so nothing was written. Look at what is there now, and "
                "send your change again with the ETag of that as If-Match.",
                extra={"current": current, "etag": etag},
            )

    return check


def _is_wanted(etag: str, wanted: Collection[str]) -> bool:
    """By the strong comparison: a weak tag is nobody's."""
    return "*" in wanted or etag in wanted


def _is_known(etag: str, known: Collection[str]) -> bool:
    """By the weak comparison: a proxy may have made a tag weak on its way."""
    return "*" in known or etag in {tag.removeprefix("W/") for tag in known}


def _tags(request: Request, header: str) -> list[str] | None:
    """The tags that a header lists, `*` for any; None without the header."""
    value = request.headers.get(header)
    if value is None:
        return None
    if value.strip() == "*":
        return ["*"]
    if not _LIST.fullmatch(value):
        detail = f"{header} is `*` or a list of entity tags, each as an ETag header has it: in double quotes."
        raise BadRequest(detail, code="invalid_etag")
    return re.findall(_TAG, value)

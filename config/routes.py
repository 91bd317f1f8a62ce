"""What each route may be sent, how long that may take, and whether its view talks to the outside world."""

import re
from typing import NamedTuple

from django.conf import settings

from config import limits


class RouteLimits(NamedTuple):
    """`max_bytes` and `seconds` bound the request's body; `outside` marks a view that waits for other servers."""

    max_bytes: int = limits.JSON_BYTES
    seconds: float = 30
    outside: bool = False


_DEFAULT = RouteLimits()
_OUTSIDE = RouteLimits(outside=True)
_IMPORT = RouteLimits(limits.IMPORT_BYTES + limits.MULTIPART_BYTES, 120, outside=True)
_ARCHIVE = RouteLimits(settings.LIMIT_ARCHIVE_BYTES + limits.MULTIPART_BYTES, 600, outside=True)
_UPLOAD = RouteLimits(limits.UPLOAD_BYTES + limits.MULTIPART_BYTES, 120, outside=True)

_TABLE = tuple(
    (methods, re.compile(pattern), route)
    for methods, pattern, route in (
        ({"POST"}, r"/api/conversations/import-file/?", _IMPORT),
        ({"POST"}, r"/api/conversations/import-slack/?", _OUTSIDE),
        ({"POST"}, r"/api/imports/?", _ARCHIVE),
        ({"POST"}, r"/api/conversations/[^/]+/files/?", _UPLOAD),
        ({"GET", "HEAD"}, r"/api/conversations/files/[^/]+/(?:download|thumbnail)/?", _OUTSIDE),
        ({"GET", "HEAD"}, r"/files/[^/]+/?", _OUTSIDE),
        ({"POST"}, r"/api/conversations/[^/]+/project/?", _OUTSIDE),
        ({"GET", "HEAD", "POST"}, r"/api/auth/(?:login|callback)/?", _OUTSIDE),
        ({"GET", "HEAD"}, r"/api/search/?", _OUTSIDE),
        ({"GET", "HEAD"}, r"/api/integrations/?", _OUTSIDE),
    )
)


def limits_for(method: str, path: str) -> RouteLimits:
    for methods, pattern, route in _TABLE:
        if method in methods and pattern.fullmatch(path):
            return route
    return _DEFAULT

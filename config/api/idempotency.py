"""`Idempotency-Key`: what a request says of itself, so that sending it twice does a thing once (IETF draft, 07)."""

import hashlib
import re

import orjson
from django.core.files.uploadedfile import UploadedFile
from rest_framework.request import Request

from config.exceptions import BadRequest

REPLAYED = "Idempotent-Replayed"
_KEY = re.compile(r"[\x21-\x7e]{1,255}")


def key_of(request: Request) -> str | None:
    """The key that the client chose, if any. Raises `BadRequest` for one that is no key."""
    key = request.headers.get("Idempotency-Key")
    if key is not None and not _KEY.fullmatch(key):
        raise BadRequest("An Idempotency-Key has 1 to 255 visible ASCII characters.", code="invalid_idempotency_key")
    return key


def fingerprint(request: Request) -> str:
    """SHA-256 of method, path and content: two requests with one key must be the same request."""
    digest = hashlib.sha256(f"{request.method} {request.path}\n".encode())
    data = request.data
    fields = {name: data.getlist(name) for name in data} if hasattr(data, "getlist") else data
    digest.update(orjson.dumps(fields, default=_file_digest, option=orjson.OPT_SORT_KEYS | orjson.OPT_NON_STR_KEYS))
    return digest.hexdigest()


def _file_digest(value: object) -> str:
    if not isinstance(value, UploadedFile):
        raise TypeError
    digest = hashlib.sha256()
    for chunk in value.chunks():
        digest.update(chunk)
    value.seek(0)
    return digest.hexdigest()

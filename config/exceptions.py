"""Errors that a use case may raise, free of HTTP. `config.api.errors` turns each into a problem document.

DraftloomError
├── Invalid        the input is well-formed but not acceptable (422)
│   └── BadRequest     the request makes no sense, such as an id of 0 (400)
├── Forbidden      visible, but not this person's to change (403)
├── NotFound       missing, or not visible to this person (404)
├── Conflict       the state of the thing does not allow it now (409)
├── Gone           it was there once and is not any more (410)
├── PreconditionFailed  it is not what the caller meant to change (412)
├── TooLarge       more than a limit allows (413)
├── UnsupportedType  a kind of content we do not read (415)
└── Unavailable    something this needs is away or not configured (503)
"""

from collections.abc import Mapping
from typing import Any


class DraftloomError(Exception):
    """What went wrong, for the person who asked.

    `detail` is a sentence in plain words that never holds another exception's text. `code` is a stable
    snake_case name for programs. `extra` holds further JSON members of the answer.
    """

    code = "error"

    def __init__(self, detail: str, *, code: str | None = None, extra: Mapping[str, Any] | None = None) -> None:
        super().__init__(detail)
        self.detail = detail
        self.code = code or type(self).code
        self.extra: dict[str, Any] = dict(extra or {})


class Invalid(DraftloomError):
    """`field` names the member of the input that is at fault, if one is."""

    code = "invalid"

    def __init__(
        self, detail: str, *, code: str | None = None, field: str = "", extra: Mapping[str, Any] | None = None
    ) -> None:
        super().__init__(detail, code=code, extra=extra)
        self.field = field


class BadRequest(Invalid):
    code = "bad_request"


class Forbidden(DraftloomError):
    code = "forbidden"


class NotFound(DraftloomError):
    code = "not_found"


class Conflict(DraftloomError):
    code = "conflict"


class Gone(DraftloomError):
    code = "gone"


class PreconditionFailed(DraftloomError):
    """`extra["current"]` is what is there, `extra["etag"]` its entity tag."""

    code = "precondition_failed"


class TooLarge(DraftloomError):
    code = "too_large"


class UnsupportedType(DraftloomError):
    code = "unsupported_type"


class TooMany(DraftloomError):
    """`extra["retry_after"]` is in how many seconds it may be tried again."""

    code = "too_many_requests"


class Unavailable(DraftloomError):
    code = "unavailable"

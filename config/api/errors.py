"""Every refusal of the API as a problem document: from a view, from Django, from the database."""

import logging
import sys
from collections.abc import Iterator, Mapping, Sequence
from functools import singledispatch
from typing import Any, NamedTuple

from django.core import exceptions as django_exceptions
from django.db import DataError, InterfaceError, OperationalError
from django.http import Http404, HttpRequest, HttpResponse
from django.http.multipartparser import MultiPartParserError
from rest_framework import exceptions as drf
from rest_framework.request import Request

from config import exceptions
from config.api.problems import MEDIA_TYPE, FieldError, problem
from config.api.renderers import dumps
from config.text import clean_text, shorten

logger = logging.getLogger(__name__)

RETRY_SECONDS = 2
MESSAGE_CHARACTERS = 300  # of one field's message, which may quote the input
MOST_ERRORS = 50
TEXT_SQLSTATES = {None, "22021", "22P02", "22P05"}  # text refused by the driver, by UTF-8, by json(b)


class Described(NamedTuple):
    """What a client is told of an exception."""

    status: int
    code: str
    detail: str
    errors: Sequence[FieldError] = ()
    extra: Mapping[str, Any] | None = None
    headers: Mapping[str, str] | None = None


class ProblemResponse(HttpResponse):
    """A problem document. With `request`, it names the request's id."""

    def __init__(
        self,
        status: int,
        code: str,
        detail: str,
        *,
        request: HttpRequest | Request | None = None,
        errors: Sequence[FieldError] = (),
        extra: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        request_id = getattr(request, "request_id", "")
        document = problem(status, code, detail, errors=errors, request_id=request_id, extra=extra)
        super().__init__(dumps(document), status=status, content_type=MEDIA_TYPE)
        for name, value in (headers or {}).items():
            self[name] = value


def exception_handler(exception: Exception, context: Mapping[str, Any]) -> HttpResponse | None:
    """DRF's hook: the answer to what a view raised; None leaves it to `server_error`."""
    described = describe(exception)
    return _response(described, context.get("request")) if described else None


@singledispatch
def describe(exception: BaseException | None) -> Described | None:
    """What to tell of an exception; None for one that nobody expects."""
    return None


_STATUS: dict[type[Exception], int] = {
    exceptions.DraftloomError: 500,
    exceptions.Invalid: 422,
    exceptions.BadRequest: 400,
    exceptions.Forbidden: 403,
    exceptions.NotFound: 404,
    exceptions.Conflict: 409,
    exceptions.Gone: 410,
    exceptions.PreconditionFailed: 412,
    exceptions.TooLarge: 413,
    exceptions.UnsupportedType: 415,
    exceptions.TooMany: 429,
    exceptions.Unavailable: 503,
}


@describe.register
def _(exception: exceptions.DraftloomError) -> Described:
    status = next(_STATUS[kind] for kind in type(exception).__mro__ if kind in _STATUS)
    field = getattr(exception, "field", "")
    errors = [FieldError(field, exception.detail)] if field else []
    headers = _retry_after(exception.extra.get("retry_after", RETRY_SECONDS)) if status in (429, 503) else {}
    if status == 412:
        headers = {"ETag": exception.extra["etag"]}
    return Described(status, exception.code, exception.detail, errors, exception.extra, headers)


_DRF_CODES = {"permission_denied": "forbidden"}


@describe.register
def _(exception: drf.APIException) -> Described:
    detail = exception.detail
    if isinstance(detail, list | dict):
        return Described(exception.status_code, exception.default_code, "The server does not accept this request.")
    code = detail.code or exception.default_code
    return Described(exception.status_code, _DRF_CODES.get(code, code), str(detail))


@describe.register
def _(exception: drf.ValidationError) -> Described:
    errors = [
        FieldError(field, clean_text(shorten(text, MESSAGE_CHARACTERS))) for field, text in _flat(exception.detail)
    ]
    field, detail = errors[0] if errors else FieldError("", "The input is not acceptable.")
    return Described(422, "validation_error", f"{field}: {detail}" if field else detail, errors[:MOST_ERRORS])


@describe.register
def _(exception: drf.ParseError) -> Described:
    return Described(400, "malformed", "The body of this request could not be read.")


@describe.register(drf.NotAuthenticated)
@describe.register(drf.AuthenticationFailed)
def _(exception: drf.NotAuthenticated | drf.AuthenticationFailed) -> Described:
    headers = {"WWW-Authenticate": getattr(exception, "auth_header", None) or "Cookie"}
    return Described(401, exception.default_code, str(exception.detail), headers=headers)


@describe.register
def _(exception: drf.UnsupportedMediaType) -> Described:
    return Described(415, "unsupported_type", "This address does not read bodies of that content type.")


@describe.register
def _(exception: drf.Throttled) -> Described:
    wait: float = getattr(exception, "wait", None) or RETRY_SECONDS  # the stubs lack it
    detail = f"Too many requests. Try again in {wait:g} s."
    return Described(429, "throttled", detail, headers=_retry_after(wait))


@describe.register
def _(exception: Http404) -> Described:
    return Described(404, "not_found", "There is nothing here.")


@describe.register
def _(exception: django_exceptions.PermissionDenied) -> Described:
    return Described(403, "forbidden", "You may not do this.")


@describe.register(django_exceptions.BadRequest)
@describe.register(django_exceptions.SuspiciousOperation)
def _(exception: Exception) -> Described:
    return Described(400, "bad_request", "The server does not accept this request.")


@describe.register
def _(exception: django_exceptions.DisallowedHost) -> Described:
    return Described(400, "invalid_host", "This server does not answer to that host name.")


@describe.register
def _(exception: django_exceptions.RequestDataTooBig) -> Described:
    return Described(413, "too_large", "The body of this request is too large.")


@describe.register
def _(exception: MultiPartParserError) -> Described:
    return Described(400, "malformed", "The form in this request could not be read.")


@describe.register(OperationalError)
@describe.register(InterfaceError)
def _(exception: Exception) -> Described:
    logger.warning("The database is not available: %s, SQLSTATE %s", type(exception).__name__, _sqlstate(exception))
    detail = "The database is not available at the moment. Try again."
    return Described(503, "database_unavailable", detail, headers=_retry_after(RETRY_SECONDS))


@describe.register
def _(exception: DataError) -> Described:
    state = _sqlstate(exception)
    if state in TEXT_SQLSTATES:
        return _UNSTORABLE_TEXT
    logger.warning("The database refused a value that validation let through: SQLSTATE %s", state)
    return Described(422, "unstorable_value", "A value is out of range.")


@describe.register
def _(exception: UnicodeEncodeError) -> Described | None:
    return _UNSTORABLE_TEXT if exception.reason == "surrogates not allowed" else None


_UNSTORABLE_TEXT = Described(422, "unstorable_text", "The text holds characters that cannot be stored.")


def _sqlstate(exception: Exception) -> str | None:
    return getattr(exception.__cause__, "sqlstate", None)


def _retry_after(seconds: float) -> dict[str, str]:
    return {"Retry-After": f"{seconds:.0f}"}


def _flat(detail: Any, path: str = "") -> Iterator[tuple[str, str]]:
    """The messages of a `ValidationError` with the dotted paths of their fields."""
    if isinstance(detail, dict):
        for name, inner in detail.items():
            yield from _flat(inner, path if name == "non_field_errors" else f"{path}.{name}".strip("."))
    elif isinstance(detail, list):
        for index, inner in enumerate(detail):
            yield from _flat(inner, path if isinstance(inner, str) else f"{path}.{index}".strip("."))
    else:
        yield path, str(detail)


def _response(described: Described, request: HttpRequest | Request | None) -> ProblemResponse:
    status, code, detail, errors, extra, headers = described
    return ProblemResponse(status, code, detail, request=request, errors=errors, extra=extra, headers=headers)


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Django's `handler400`."""
    return _response(describe(exception) or Described(400, "bad_request", "The server does not accept this."), request)


def permission_denied(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Django's `handler403`."""
    return _response(Described(403, "forbidden", "You may not do this."), request)


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Django's `handler404`."""
    return _response(Described(404, "not_found", "There is nothing here."), request)


def server_error(request: HttpRequest) -> HttpResponse:
    """Django's `handler500`, called while the exception is being handled: a lost database is still told as such."""
    if expected := describe(sys.exception()):
        response = _response(expected, request)
        response._has_been_logged = True  # type: ignore[attr-defined]  # in a line; Django would add a traceback
        return response
    return _response(Described(500, "server_error", "The server met a fault of its own."), request)

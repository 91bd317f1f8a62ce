"""The outermost middlewares: an id for every request, one shape for every refusal."""

import re
import secrets
from collections.abc import Callable
from http import HTTPStatus
from typing import cast

import orjson
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase

from config.api.errors import ProblemResponse
from config.api.problems import MEDIA_TYPE, REFUSAL, Refusal, problem

GetResponse = Callable[[HttpRequest], HttpResponseBase]

_SANE_ID = re.compile(r"[A-Za-z0-9-]{1,64}")
_CODES = {400: "bad_request", 403: "forbidden", 404: "not_found", 405: "method_not_allowed"}


class IdentifiedRequest(HttpRequest):
    """A request as every view gets it; `request_id` is the client's own `X-Request-Id` or a new one."""

    request_id: str


class RequestIdMiddleware:
    """Names each request, and evens out what is the same all over `/api/`.

    There, a path may end in a slash, answers are not cached unless they say so, and an HTML page of refusal (Django
    has a few that no error handler reaches) becomes a problem document.
    """

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        given = request.META.get("HTTP_X_REQUEST_ID", "")
        request_id = given if _SANE_ID.fullmatch(given) else secrets.token_hex(16)
        cast(IdentifiedRequest, request).request_id = request_id
        response = self._api(request) if request.path_info.startswith("/api/") else self.get_response(request)
        response.headers["X-Request-Id"] = request_id
        return response

    def _api(self, request: HttpRequest) -> HttpResponseBase:
        if request.path_info.endswith("/") and len(request.path_info) > len("/api/"):
            request.path_info = request.META["PATH_INFO"] = request.path_info[:-1]
            request.path = request.path[:-1]
        response = self.get_response(request)
        response.headers.setdefault("Cache-Control", "no-cache")
        if isinstance(response, HttpResponse) and _is_page_of_refusal(response):
            _turn_into_problem(response, cast(IdentifiedRequest, request))
        return response


class RefusalMiddleware:
    """Answers a request that the bridge has refused; it stands below CORS, so that a browser may read why."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        refusal: Refusal | None = request.META.get(REFUSAL)
        if refusal is None:
            return self.get_response(request)
        return ProblemResponse(*refusal, request=request)


def _is_page_of_refusal(response: HttpResponse) -> bool:
    return response.status_code in _CODES and response.headers.get("Content-Type", "").startswith("text/html")


def _turn_into_problem(response: HttpResponse, request: IdentifiedRequest) -> None:
    status = response.status_code
    detail = f"{HTTPStatus(status).phrase}."
    document = problem(status, _CODES.get(status, "bad_request"), detail, request_id=request.request_id)
    response.content = orjson.dumps(document)
    response.headers["Content-Type"] = MEDIA_TYPE
    response.headers["Content-Length"] = str(len(response.content))

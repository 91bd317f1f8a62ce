"""Who may come in at all: decided before routing, so that an anonymous caller learns nothing of what exists."""

import re
from collections.abc import Callable
from typing import Any, cast
from urllib.parse import urlsplit

from django.conf import settings
from django.contrib.auth import SESSION_KEY
from django.contrib.auth.middleware import AuthenticationMiddleware as DjangoAuthentication
from django.contrib.auth.models import AnonymousUser
from django.http import HttpRequest, HttpResponseBase
from django.utils.functional import SimpleLazyObject

from accounts import audit, keys
from accounts.models import User
from accounts.principals import principal_of
from config import throttle
from config.api.errors import ProblemResponse, exception_handler
from config.exceptions import TooMany

PUBLIC = re.compile(
    r"/api/(auth/(login|callback|status|logout|login-link/[^/]+)|integrations/(slack/events|[a-z0-9_-]+/webhook))\Z"
)
SIGN_IN = re.compile(r"/api/auth/(login|callback|login-link/[^/]+)\Z")
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})
GetResponse = Callable[[HttpRequest], HttpResponseBase]


class AuthenticationMiddleware(DjangoAuthentication):
    """Django's, with the user read in the same query as the session."""

    def process_request(self, request: HttpRequest) -> None:
        request.user = SimpleLazyObject(lambda: _signed_in(request))  # type: ignore[assignment]


def _signed_in(request: HttpRequest) -> User | AnonymousUser:
    """Whose cookie it is; nobody's if there is a key as well: that alone decides, and opens nothing of a person."""
    if keys.presented(request) is not None:
        return AnonymousUser()
    signed_in = SESSION_KEY in request.session  # reads the session, and its owner with it
    owner = getattr(request.session, "owner", None)
    return owner if signed_in and owner is not None and owner.is_active else AnonymousUser()


class AuditMiddleware:
    """Lets the audit know who asks, and records what services write by their keys and spent links."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        with audit.during(request):
            response = self.get_response(request)
            if response.status_code == 410 and SIGN_IN.match(request.path_info):
                audit.record("session.refused", outcome=audit.REFUSED, resource="link")
            wrote = request.method not in SAFE_METHODS and response.status_code < 400
            if wrote and hasattr(request, "service_key"):
                audit.record("key.wrote", resource=f"{request.method} {request.path_info}")
            return response


class SignInFirstMiddleware:
    """Answers 401 to an anonymous caller of anything under `/api/` that is not public, existing or not.

    Whoever tries to sign in, or shows keys that do not fit, does so no more often than `LIMIT_SIGN_INS`.
    """

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        try:
            return self._refusal(request) or self.get_response(request)
        except TooMany as error:
            return cast(HttpResponseBase, exception_handler(error, {"request": request}))

    def _refusal(self, request: HttpRequest) -> HttpResponseBase | None:
        path = request.path_info
        if SIGN_IN.match(path):
            throttle.take("sign-ins", audit.address_of(request), settings.LIMIT_SIGN_INS)
        if not path.startswith("/api/") or PUBLIC.match(path):
            return None
        if (raw := keys.presented(request)) is not None:
            return self._refused_key(request, raw)
        return None if request.user.is_authenticated else _unknown(request, "not_authenticated", "Sign in first.")

    @staticmethod
    def _refused_key(request: HttpRequest, raw: str) -> HttpResponseBase | None:
        try:
            key = keys.authenticate(raw)
        except keys.KeyRefused as refused:
            throttle.take("refused-keys", audit.address_of(request), settings.LIMIT_SIGN_INS)
            audit.record(
                "key.refused", outcome=audit.REFUSED, resource=refused.prefix, after={"reason": refused.reason}
            )
            return _unknown(request, "authentication_failed", "This service key is unknown, expired or revoked.")
        cast(Any, request).service_key = key
        request.user = principal_of(key)  # type: ignore[assignment]
        return None


def _unknown(request: HttpRequest, code: str, detail: str) -> HttpResponseBase:
    return ProblemResponse(401, code, detail, request=request, headers={"WWW-Authenticate": "Cookie"})


class OriginGuardMiddleware:
    """Refuses a write that a foreign page makes a signed-in browser send (OWASP: cross-site request forgery).

    Browsers say where a request comes from in `Sec-Fetch-Site`, `Origin` or `Referer`; a client that sends none of them
    is not a browser and carries no cookie against its owner's will. Nor does a cookie matter beside a service key,
    which no browser adds by itself. The admin keeps Django's token as well.
    """

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        if self._is_at_risk(request) and not self._comes_from_us(request):
            return ProblemResponse(
                403, "foreign_origin", "This request came from a page of another site.", request=request
            )
        return self.get_response(request)

    @staticmethod
    def _is_at_risk(request: HttpRequest) -> bool:
        return (
            request.method not in SAFE_METHODS
            and request.path_info.startswith("/api/")
            and settings.SESSION_COOKIE_NAME in request.COOKIES
            and (keys.presented(request) is None or PUBLIC.match(request.path_info) is not None)
        )

    @staticmethod
    def _comes_from_us(request: HttpRequest) -> bool:
        origin = request.headers.get("Origin")
        if origin is None and (referer := request.headers.get("Referer")):
            origin = _origin_of(referer)
        if origin is None:
            return request.headers.get("Sec-Fetch-Site") != "cross-site"
        return origin == f"{request.scheme}://{request.get_host()}" or origin in settings.CORS_ALLOWED_ORIGINS


def _origin_of(address: str) -> str:
    """Scheme, host and port of an address; empty if it is none."""
    try:
        parts = urlsplit(address)
    except ValueError:
        return ""
    return f"{parts.scheme}://{parts.netloc}"

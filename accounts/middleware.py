"""Who may come in at all: decided before routing, so that an anonymous caller learns nothing of what exists."""

import re
from collections.abc import Callable
from urllib.parse import urlsplit

from django.conf import settings
from django.contrib.auth import SESSION_KEY
from django.contrib.auth.middleware import AuthenticationMiddleware as DjangoAuthentication
from django.contrib.auth.models import AnonymousUser
from django.http import HttpRequest, HttpResponseBase
from django.utils.functional import SimpleLazyObject

from accounts.models import User
from config.api.errors import ProblemResponse

PUBLIC = re.compile(
    r"/api/(auth/(login|callback|status|logout|login-link/[^/]+)|integrations/(slack/events|[a-z0-9_-]+/webhook))\Z"
)
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})
GetResponse = Callable[[HttpRequest], HttpResponseBase]


class AuthenticationMiddleware(DjangoAuthentication):
    """Django's, with the user read in the same query as the session."""

    def process_request(self, request: HttpRequest) -> None:
        request.user = SimpleLazyObject(lambda: _signed_in(request))  # type: ignore[assignment]


def _signed_in(request: HttpRequest) -> User | AnonymousUser:
    signed_in = SESSION_KEY in request.session  # reads the session, and its owner with it
    owner = getattr(request.session, "owner", None)
    return owner if signed_in and owner is not None and owner.is_active else AnonymousUser()


class SignInFirstMiddleware:
    """Answers 401 to an anonymous caller of anything under `/api/` that is not public, existing or not."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        path = request.path_info
        if path.startswith("/api/") and not PUBLIC.match(path) and not request.user.is_authenticated:
            response = ProblemResponse(401, "not_authenticated", "Sign in first.", request=request)
            response["WWW-Authenticate"] = "Cookie"
            return response
        return self.get_response(request)


class OriginGuardMiddleware:
    """Refuses a write that a foreign page makes a signed-in browser send (OWASP: cross-site request forgery).

    Browsers say where a request comes from in `Sec-Fetch-Site`, `Origin` or `Referer`; a client that sends none of them
    is not a browser and carries no cookie against its owner's will. The admin keeps Django's token as well.
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

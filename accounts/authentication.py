"""How the API knows who is asking."""

from typing import TYPE_CHECKING, cast

from rest_framework.authentication import BaseAuthentication
from rest_framework.request import Request

if TYPE_CHECKING:
    from accounts.models import User


def current_user(request: Request) -> "User":
    """The signed-in person behind a request that `SignInFirstMiddleware` has let through."""
    return cast("User", request.user)


class SessionAuthentication(BaseAuthentication):
    """The user of the session cookie. Unlike DRF's own it asks for no CSRF token; `OriginGuardMiddleware` guards it."""

    def authenticate(self, request: Request) -> tuple["User", None] | None:
        user = request._request.user
        return (user, None) if user.is_authenticated else None

    def authenticate_header(self, request: Request) -> str:
        return "Cookie"

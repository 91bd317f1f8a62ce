"""How the API knows who is asking. `SignInFirstMiddleware` has decided it; here DRF is told."""

from typing import cast

from django.http import HttpRequest
from rest_framework.authentication import BaseAuthentication
from rest_framework.request import Request

from accounts.models import ServiceKey, User
from accounts.principals import Principal
from config.exceptions import Forbidden


def service_key_of(request: HttpRequest) -> ServiceKey | None:
    """The key that let this request in; None if a person did, or nobody."""
    return getattr(request, "service_key", None)


def principal(request: Request) -> Principal:
    """Who may see what this request reads."""
    return cast(Principal, request.user)


def current_user(request: Request) -> User:
    """The person under whom this request writes. Raises `Forbidden` for a service key that belongs to nobody."""
    user = principal(request)
    if not isinstance(user, User):
        raise Forbidden("This service key belongs to no user, so it can't do what is done under a person's name.")
    return user


def required_key(request: Request) -> ServiceKey:
    """The service key that asks. Raises `Forbidden` for a person."""
    key = service_key_of(request._request)
    if key is None:
        raise Forbidden("This is for services: send a service key.")
    return key


def counted_as(request: Request) -> int:
    """The number under which the streams of whoever asks are counted: a user's id, or a key's below zero."""
    key = service_key_of(request._request)
    return -key.pk if key else current_user(request).pk


class SessionAuthentication(BaseAuthentication):
    """The user of the session cookie. Unlike DRF's own it asks for no CSRF token; `OriginGuardMiddleware` guards it."""

    def authenticate(self, request: Request) -> tuple[User, None] | None:
        user = request._request.user
        if service_key_of(request._request) or not user.is_authenticated:
            return None
        return user, None

    def authenticate_header(self, request: Request) -> str:
        return "Cookie"


class KeyAuthentication(BaseAuthentication):
    """Whom a service key stands for; `request.auth` is the key."""

    def authenticate(self, request: Request) -> tuple[Principal, ServiceKey] | None:
        key = service_key_of(request._request)
        return (cast(Principal, request._request.user), key) if key else None

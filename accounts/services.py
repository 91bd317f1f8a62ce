"""Signing in and out."""

import hashlib
import secrets
from datetime import timedelta

from django.conf import settings
from django.contrib.auth import login
from django.contrib.auth.models import Group
from django.db import transaction
from django.http import HttpRequest
from django.utils import timezone

from accounts.models import OPERATOR, LoginLink, User, UserSession
from accounts.sessions import SessionStore
from config.exceptions import Gone


@transaction.atomic
def get_or_make_user(*, email: str, operator: bool = False) -> User:
    """The user with this address, made as a member if there is none; `operator` adds the role."""
    user = User.objects.get_or_make(email)
    if operator:
        user.groups.add(Group.objects.get(name=OPERATOR))
        user.__dict__.pop("is_operator", None)
    return user


def issue_login_link(*, user: User) -> str:
    """A fresh token for `GET /api/auth/login-link/{token}`; works once, for a day."""
    token = secrets.token_urlsafe(32)
    expires_at = timezone.now() + timedelta(seconds=settings.LOGIN_LINK_SECONDS)
    LoginLink.objects.create(user=user, token_hash=_hash(token), expires_at=expires_at)
    return token


def redeem_login_link(*, token: str) -> User:
    """Whose link this is; it is spent. Raises `Gone` if it is unknown, spent, expired or a deactivated user's."""
    now = timezone.now()
    valid = LoginLink.objects.filter(token_hash=_hash(token), used_at=None, expires_at__gt=now, user__is_active=True)
    if not valid.update(used_at=now):  # decided by the database: of two that come at once, one gets in
        raise Gone("This sign-in link was used already or has expired. Ask for another one.", code="link_expired")
    return User.objects.get(login_links__token_hash=_hash(token))


def sign_in(*, request: HttpRequest, user: User) -> None:
    """Makes `user` the user of this request's session, under a new key; of an earlier session nothing is left."""
    request.session.flush()  # `login` itself keeps the key of somebody who signs in again
    login(request, user, backend="accounts.backends.Backend")


def open_session(*, user: User) -> str:
    """The key of a fresh session for `user`, for a client that was handed its cookie."""
    request = HttpRequest()
    request.session = SessionStore()
    sign_in(request=request, user=user)
    request.session.save()
    return str(request.session.session_key)


def clear_expired() -> int:
    """Deletes sessions and sign-in links that are over; how many rows went."""
    now = timezone.now()
    sessions, _ = UserSession.objects.filter(expire_date__lt=now).delete()
    links, _ = LoginLink.objects.filter(expires_at__lt=now).delete()
    return sessions + links


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode("utf-8", "replace")).hexdigest()

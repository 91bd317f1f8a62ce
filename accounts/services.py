"""Signing in and out."""

import hashlib
import secrets
from collections.abc import Collection, Sequence
from datetime import timedelta

from django.conf import settings
from django.contrib.auth import login
from django.contrib.auth.models import Group
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone

from accounts import audit, keys
from accounts.google import Identity
from accounts.models import OPERATOR, LoginLink, User, UserSession
from accounts.sessions import SessionStore, digest
from config.exceptions import Forbidden, Gone, NotFound
from config.text import clean_text


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


@transaction.atomic
def user_of_google(identity: Identity) -> User:
    """The user Google knows as this, with the name and address Google has; made as a member if there is none.

    A user made on this server is found by the address and from then on by `sub`. Raises `Forbidden` for a deactivated
    user, and for an address that belongs to another account of Google's: addresses are given out again, `sub` is not.
    """
    user = User.objects.filter(google_id=identity.sub).first() or User.objects.get_or_make(identity.email)
    if not user.is_active:
        raise Forbidden("This person was deactivated.")
    if user.google_id not in {None, identity.sub}:
        raise Forbidden("This address belongs to another Google account.")
    if user.google_id is None:
        audit.record("google.linked", user=user, resource=user.email)
    user.google_id, user.name = identity.sub, identity.name
    if not User.objects.filter(email__iexact=identity.email).exists():
        user.email = identity.email
    user.save(update_fields=["google_id", "name", "email", "updated_at"])
    return user


def sign_in(*, request: HttpRequest, user: User, keep: Sequence[str] = ()) -> None:
    """Makes `user` the user of this request's session, under a new key; of an earlier session only `keep` is left."""
    kept = {name: request.session[name] for name in keep if name in request.session}
    request.session.flush()  # `login` itself keeps the key of somebody who signs in again
    login(request, user, backend="accounts.backends.Backend")
    request.session.update(kept)
    request.session.save()
    UserSession.objects.filter(session_key=digest(request.session.session_key)).update(
        user_agent=clean_text(request.headers.get("User-Agent", ""))[:300],
        address=audit.address_of(request),
        last_used_at=timezone.now(),
    )


def shut_out(ids: Collection[int]) -> set[int]:
    """Those of users, and of service keys by the number below zero, who may not be here any more."""
    users = User.objects.filter(pk__in=[number for number in ids if number > 0], is_active=True)
    live = keys.live().exclude(user__is_active=False).filter(pk__in=[-number for number in ids if number < 0])
    welcome = {*users.values_list("pk", flat=True), *(-pk for pk in live.values_list("pk", flat=True))}
    return set(ids) - welcome


def sessions_of(user: User) -> QuerySet[UserSession]:
    """The browsers in which `user` is signed in, the latest first."""
    return UserSession.objects.filter(user=user, expire_date__gt=timezone.now()).order_by("-created_at", "-id")


@transaction.atomic
def end_session(*, user: User, session_id: int) -> None:
    """Signs one browser of `user` out. Raises `NotFound`."""
    deleted, _ = sessions_of(user).filter(pk=session_id).delete()
    if not deleted:
        raise NotFound("Session not found.")
    audit.record("session.revoked", user=user, resource=f"session {session_id}")


@transaction.atomic
def end_other_sessions(*, user: User, key: str | None) -> int:
    """Signs `user` out everywhere but in the session with this key; how many browsers that were."""
    deleted, _ = sessions_of(user).exclude(session_key=digest(key)).delete()
    audit.record("session.revoked", user=user, resource=f"{deleted} other sessions")
    return deleted


def open_session(*, user: User) -> str:
    """The key of a fresh session for `user`, for a client that was handed its cookie."""
    request = HttpRequest()
    request.session = SessionStore()
    sign_in(request=request, user=user)
    return str(request.session.session_key)


def clear_expired() -> int:
    """Deletes sessions and sign-in links that are over; how many rows went."""
    now = timezone.now()
    sessions, _ = UserSession.objects.filter(expire_date__lt=now).delete()
    links, _ = LoginLink.objects.filter(expires_at__lt=now).delete()
    return sessions + links


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode("utf-8", "replace")).hexdigest()

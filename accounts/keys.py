"""Keys of services: `dl_<id>_<secret>_<checksum>`. The secret has 256 random bits, so a plain SHA-256 keeps it safe."""

import hashlib
import hmac
import re
import secrets
import string
import zlib
from collections.abc import Collection
from datetime import datetime, timedelta

from django.db import connection, transaction
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.utils import timezone

from accounts import audit
from accounts.models import READ_SCOPES, SCOPES, ServiceKey, User
from config.exceptions import Conflict, Forbidden, Invalid, NotFound

MOST_LIVE = 2
USE_NOTED_EVERY = timedelta(minutes=1)
_ID_LETTERS = string.ascii_lowercase + string.digits
_SHAPE = re.compile(r"(dl_[a-z0-9]{8})_[A-Za-z0-9_-]{43}_[0-9a-f]{8}")


class KeyRefused(Exception):
    """`reason` is for the audit and never for the caller; `prefix` is empty for what has not the shape of a key."""

    def __init__(self, reason: str, prefix: str = "") -> None:
        super().__init__(reason)
        self.reason, self.prefix = reason, prefix


def presented(request: HttpRequest) -> str | None:
    """The key that a request shows, in `X-API-Key` or else as a Bearer token; None if it shows none."""
    given = request.headers.get("X-API-Key")
    if given is not None:
        return given
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else None


def authenticate(raw: str) -> ServiceKey:
    """The live key that `raw` is, with its user. Raises `KeyRefused`."""
    shape = _SHAPE.fullmatch(raw)
    if not shape or not hmac.compare_digest(raw[-8:], _checksum(raw[:-9])):
        raise KeyRefused("malformed")
    prefix = shape[1]
    key = ServiceKey.objects.select_related("user").filter(prefix=prefix).first()
    if key is None or not hmac.compare_digest(key.api_key_hash, _digest(raw)):
        raise KeyRefused("unknown", prefix)
    if key.state != "live":
        raise KeyRefused(key.state, prefix)
    _note_use(key)
    return key


@transaction.atomic
def create(
    *,
    service_name: str,
    scopes: Collection[str],
    user: User | None = None,
    expires_at: datetime | None = None,
    may_name: Collection[User] = (),
) -> str:
    """A new key, which nothing shows again. Raises `Invalid`, or `Conflict` while a name has two live keys.

    `may_name` are the people under whom it may import for Slack, beside `user`.
    """
    _check(scopes, user)
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [f"keys of {service_name}"])
    if live().filter(service_name=service_name).count() >= MOST_LIVE:
        raise Conflict(f"{service_name} has {MOST_LIVE} live keys already. Revoke one of them first.")
    raw = _random_key()
    key = ServiceKey.objects.create(
        service_name=service_name,
        prefix=raw[:11],
        api_key_hash=_digest(raw),
        scopes=sorted(scopes),
        user=user,
        expires_at=expires_at,
    )
    key.may_name.set(may_name)
    audit.record("key.created", resource=str(key), after=_told(key))
    return raw


def nameable_user(*, key: ServiceKey, user_id: int) -> User:
    """The active person under whom a key may import: its own or one of `may_name`. Raises `Forbidden`."""
    named = User.objects.filter(Q(pk=key.user_id) | Q(pk__in=key.may_name.values("pk")), pk=user_id, is_active=True)
    if (user := named.first()) is None:
        raise Forbidden("This key may not import under that person. An operator can make one that may.")
    return user


@transaction.atomic
def revoke(*, prefix: str) -> ServiceKey:
    """Ends a key at once, for good or until the admin switches it on again. Raises `NotFound`."""
    key = ServiceKey.objects.select_for_update().filter(prefix=prefix).first()
    if key is None:
        raise NotFound(f"There is no key {prefix}.")
    if key.is_active:
        key.is_active = False
        key.save(update_fields=["is_active"])
        audit.record("key.revoked", resource=str(key), before={"is_active": True}, after={"is_active": False})
    return key


def live() -> QuerySet[ServiceKey]:
    """Those whose `state` is `live`."""
    unexpired = Q(expires_at=None) | Q(expires_at__gt=timezone.now())
    return ServiceKey.objects.filter(unexpired, Q(user=None) | Q(user__is_active=True), is_active=True)


def _check(scopes: Collection[str], user: User | None) -> None:
    if unknown := sorted(set(scopes) - SCOPES.keys()):
        raise Invalid(f"There is no scope {unknown[0]}. There are: {', '.join(SCOPES)}.")
    if not scopes:
        raise Invalid("A key without a scope may do nothing: name at least one.")
    if user is None and (writing := sorted(set(scopes) - set(READ_SCOPES))):
        raise Invalid(f"{writing[0]} needs a user: what the key writes is stored under that person.")


def _random_key() -> str:
    name = "".join(secrets.choice(_ID_LETTERS) for _ in range(8))
    body = f"dl_{name}_{secrets.token_urlsafe(32)}"
    return f"{body}_{_checksum(body)}"


def _checksum(body: str) -> str:
    return f"{zlib.crc32(body.encode()):08x}"


def _digest(raw: str) -> str:
    return hashlib.sha256(raw.encode()).hexdigest()


def _note_use(key: ServiceKey) -> None:
    now = timezone.now()
    stale = Q(last_used_at=None) | Q(last_used_at__lte=now - USE_NOTED_EVERY)
    if key.last_used_at is None or key.last_used_at <= now - USE_NOTED_EVERY:
        ServiceKey.objects.filter(stale, pk=key.pk).update(last_used_at=now)


def _told(key: ServiceKey) -> dict[str, object]:
    """A key for the audit."""
    told = {"scopes": key.scopes, "user": key.user_id, "expires_at": key.expires_at}
    named = sorted(key.may_name.values_list("pk", flat=True))
    return told | ({"may_name": named} if named else {})

"""The audit: a row of `AuditEvent` and a line of JSON for each event. Who acts is known from the request in hand."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import partial
from typing import Any

import orjson
from django.db import transaction
from django.forms.models import model_to_dict
from django.http import HttpRequest

from accounts.models import AuditEvent, ServiceKey, User

DONE, REFUSED = AuditEvent.Outcome.DONE, AuditEvent.Outcome.REFUSED
SERVER = "server"
log = logging.getLogger(__name__)
_request: ContextVar[HttpRequest | None] = ContextVar("audited_request", default=None)


@contextmanager
def during(request: HttpRequest) -> Iterator[None]:
    """What is recorded meanwhile was asked for by this request."""
    token = _request.set(request)
    try:
        yield
    finally:
        _request.reset(token)


def record(
    action: str,
    *,
    outcome: str = DONE,
    user: User | None = None,
    resource: str = "",
    before: dict[str, Any] | None = None,
    after: dict[str, Any] | None = None,
) -> None:
    """Stores an event together with what the transaction stores, and writes its line when that commits.

    `user` is who acted, where the request does not know it (yet). Nothing secret may be in any argument.
    """
    request = _request.get()
    key: ServiceKey | None = getattr(request, "service_key", None)
    person = user or _person(request)
    event = AuditEvent.objects.create(
        action=action,
        outcome=outcome,
        actor=_name(request, key, person),
        user_id=person.pk if person else None,
        service_key=key,
        resource=resource,
        address=address_of(request) if request else "",
        request_id=getattr(request, "request_id", ""),
        before=before,
        after=after,
    )
    transaction.on_commit(partial(_write_line, event))


def address_of(request: HttpRequest) -> str:
    """The client's address; behind a proxy, the one that the server was told by it. Empty on a Unix socket."""
    return str(request.META.get("REMOTE_ADDR") or "")[:45]


def _person(request: HttpRequest | None) -> User | None:
    user = getattr(request, "user", None)
    return user if isinstance(user, User) else None


def _name(request: HttpRequest | None, key: ServiceKey | None, person: User | None) -> str:
    if key is not None:
        return str(key)
    if person is not None:
        return person.email
    return "" if request else SERVER


def _write_line(event: AuditEvent) -> None:
    line = {"at": event.created_at, "event": event.pk, **model_to_dict(event), "service_key": event.service_key_id}
    line.pop("id")
    log.info("%s", orjson.dumps(line).decode())

"""Does what a request asks for once, however often it comes with one `Idempotency-Key`."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any, NamedTuple

import orjson
from django.db import transaction
from django.utils import timezone
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.authentication import current_user
from accounts.models import IdempotencyRecord
from config.api.idempotency import REPLAYED, fingerprint, key_of
from config.api.renderers import dumps
from config.exceptions import Invalid

KEPT = timedelta(days=1)
Outcome = dict[str, Any]


class Once(NamedTuple):
    """What came of it, as JSON, and whether that was earlier."""

    outcome: Outcome
    is_replay: bool


def once(request: Request, action: Callable[[], Outcome]) -> Once:
    """Calls `action`, or tells what it returned when this key came first.

    The record commits together with what `action` stores, and goes with it when that raises: a refusal is no outcome.
    Of requests that come at once, the others wait for the first. Raises `Invalid` (`idempotency_key_reused`) if the key
    came with another request.
    """
    key = key_of(request)
    if key is None:
        return Once(action(), is_replay=False)
    digest = fingerprint(request)
    with transaction.atomic():
        record, is_first = IdempotencyRecord.objects.get_or_create(
            user=current_user(request), key=key, defaults={"request_hash": digest}
        )
        if not is_first:
            return Once(_outcome_of(record, digest), is_replay=True)
        record.outcome = orjson.loads(dumps(action()))  # as it will be told, the first time and later
        record.save(update_fields=["outcome"])
        return Once(record.outcome, is_replay=False)


def answer_once(request: Request, action: Callable[[], Outcome]) -> Response:
    """An ordinary JSON answer that is given, and earned, once."""
    answer = once(request, action)
    return Response(answer.outcome, headers=replay_headers(answer))


def replay_headers(answer: Once) -> dict[str, str]:
    return {REPLAYED: "true"} if answer.is_replay else {}


def forget_old() -> int:
    return IdempotencyRecord.objects.filter(created_at__lt=timezone.now() - KEPT).delete()[0]


def _outcome_of(record: IdempotencyRecord, digest: str) -> Outcome:
    if record.request_hash != digest:
        raise Invalid("This Idempotency-Key was used for another request.", code="idempotency_key_reused")
    return dict(record.outcome)

"""The states of a run, each change decided by the database. Lock order everywhere: conversation, run, draft."""

import logging
from collections.abc import Callable, Collection, Iterable
from functools import partial
from typing import Any, NamedTuple
from uuid import UUID

import redis.exceptions
from django.conf import settings
from django.db import connection, transaction
from django.utils import timezone

from accounts.models import User
from config import throttle
from config.exceptions import Conflict, TooMany
from config.failpoints import failpoint
from config.live import WAKE_CHANNEL, Entry, first_seq, log_key
from config.redis import if_it_answers
from conversations.models import Conversation, Run
from conversations.runs.handlers import handler_of

log = logging.getLogger(__name__)

MAX_TRIES = 3
EXCLUSIVE = {
    "chat_turn": ("chat_turn",),
    "import": ("import", "generate"),
    "generate": ("import", "generate"),
    "bulk": (),
    "summary": (),
    "trial": (),
}

CLAIM = """
WITH oldest AS MATERIALIZED (
    SELECT id FROM runs
    WHERE kind = ANY(%(kinds)s) AND (state = 'queued' OR (state = 'running' AND lease_until < now()))
    ORDER BY created_at LIMIT %(most)s FOR UPDATE SKIP LOCKED
)
UPDATE runs SET state = 'running', fence = fence + 1, tries = tries + 1, started_at = coalesce(started_at, now()),
       lease_until = now() + make_interval(secs => %(lease)s)
FROM oldest WHERE runs.id = oldest.id
RETURNING runs.*
"""
KEEP = """
UPDATE runs SET lease_until = now() + make_interval(secs => %s), partial = coalesce(held.partial, runs.partial),
       event_seq = held.seq
FROM unnest(%s::uuid[], %s::int[], %s::text[], %s::bigint[]) AS held(id, fence, partial, seq)
WHERE runs.id = held.id AND runs.fence = held.fence AND runs.state = 'running'
RETURNING runs.id, runs.cancel_requested
"""


class LostRun(Exception):
    """Somebody else owns the run now, or it is gone: whoever gets this writes nothing more."""


class Held(NamedTuple):
    """A runner's hold on a run, and what it wants kept. `partial` is None when the text has not changed."""

    id: UUID
    fence: int
    partial: str | None
    seq: int


class Ending(NamedTuple):
    """How a run ends. `seq` is the number of its terminal event."""

    state: str
    seq: int
    text: str
    error_code: str = ""
    message: str = ""
    retryable: bool = False
    usage: dict[str, Any] | None = None


def start_run(*, kind: str, user: User, payload: dict[str, Any], conversation: Conversation | None = None) -> Run:
    """Queues a run and wakes a runner once the caller's transaction has committed.

    The caller holds the conversation's lock. Raises `Conflict` (`run_in_progress`, with `run_id`) while another run of
    the same sort works on the conversation.
    """
    if conversation is not None:
        refuse_second_run(kind=kind, conversation=conversation)
    refuse_too_many(kind=kind, user=user)
    return queue_run(kind=kind, user_id=user.pk, payload=payload, conversation=conversation)


def queue_run(
    *,
    kind: str,
    user_id: int,
    payload: dict[str, Any],
    conversation: Conversation | None = None,
    step: dict[str, Any] | None = None,
) -> Run:
    """Queues what follows from something that was asked for before, and so counts against nobody's limits."""
    run = Run.objects.create(kind=kind, user_id=user_id, payload=payload, conversation=conversation, step=step or {})
    transaction.on_commit(partial(ring, "queued"))
    return run


def refuse_second_run(*, kind: str, conversation: Conversation) -> None:
    active = Run.objects.active().filter(conversation=conversation, kind__in=EXCLUSIVE[kind]).first()
    if active is not None and active.state == Run.State.WAITING:
        raise Conflict(
            "The assistant waits for your approval. Approve or refuse it first.",
            code="approval_pending",
            extra={"run_id": str(active.id)},
        )
    if active is not None:
        raise Conflict(
            "An answer for this conversation is still being written. Wait for it, or stop it.",
            code="run_in_progress",
            extra={"run_id": str(active.id)},
        )


def refuse_too_many(*, kind: str, user: User) -> None:
    """Raises `TooMany` for a person who starts runs too often, or has too many that are not over."""
    if kind == Run.Kind.CHAT_TURN:
        throttle.take("sends", user.pk, settings.LIMIT_SENDS)
    else:
        throttle.take("imports", user.pk, settings.LIMIT_IMPORTS)
    if Run.objects.active().filter(user=user).count() >= settings.LIMIT_RUNS_PER_USER:
        raise TooMany("Too many of your answers are being written. Wait for one, or stop one.", code="too_many_runs")


def ring(message: str) -> None:
    """Wakes the runners. They look for themselves every second, so a Redis that is away costs only that."""
    try:
        with if_it_answers() as connections:
            connections.publish(WAKE_CHANNEL, message)
    except redis.exceptions.RedisError as error:
        log.warning("Could not wake a runner: %s", type(error).__name__)


def claim(kinds: Collection[str], most: int) -> list[Run]:
    """Takes up to `most` runs that nobody works on, the oldest first."""
    parameters = {"lease": settings.RUN_LEASE_SECONDS, "kinds": list(kinds), "most": most}
    runs = sorted(Run.objects.raw(CLAIM, parameters), key=lambda run: run.created_at)
    if runs:
        failpoint("after_claim")
    return runs


def keep(held: Iterable[Held]) -> dict[UUID, bool]:
    """Renews leases and writes partial texts, in one statement. Of those still held: is a cancel asked for?"""
    columns = list(zip(*held, strict=True))
    if not columns:
        return {}
    ids, fences, partials, seqs = (list(column) for column in columns)
    with connection.cursor() as cursor:
        cursor.execute(KEEP, [settings.RUN_LEASE_SECONDS, ids, fences, partials, seqs])
        return dict(cursor.fetchall())


def checkpoint(run: Run, **values: Any) -> None:
    """Stores how far a run has come; that is progress, so its tries begin anew. Raises `LostRun`."""
    run.step = run.step | values
    mine = Run.objects.filter(pk=run.pk, fence=run.fence, state=Run.State.RUNNING)
    failpoint("before_checkpoint")
    if not mine.update(step=run.step, tries=0):
        raise LostRun
    failpoint("after_checkpoint")


def release(run: Run) -> None:
    """Gives a run back unfinished, so that another runner takes it at once."""
    mine = Run.objects.filter(pk=run.pk, fence=run.fence, state=Run.State.RUNNING)
    if mine.update(state=Run.State.QUEUED, tries=max(run.tries - 1, 0)):
        ring("queued")


def lock_run(run: Run) -> Run:
    """This run's row, locked, after its conversation's. Raises `LostRun` if it is not this owner's any more."""
    if run.conversation_id:
        Conversation.objects.select_for_update(no_key=True).filter(pk=run.conversation_id).values_list("pk").first()
    mine = Run.objects.select_for_update(no_key=True).filter(pk=run.pk, fence=run.fence, state=Run.State.RUNNING)
    if (row := mine.first()) is None:
        raise LostRun
    return row


@transaction.atomic
def finish(run: Run, ending: Ending, write: Callable[[Run], dict[str, Any]]) -> Run:
    """Ends a run; what `write` stores commits together with it, and what it returns becomes the run's result."""
    row = lock_run(run)
    result = write(row)
    _end(row, ending, result)
    failpoint("before_finish")  # everything is written, nothing committed
    return row


def _end(row: Run, ending: Ending, result: dict[str, Any]) -> None:
    row.state, row.event_seq, row.partial = ending.state, ending.seq, ending.text
    row.error_code, row.usage, row.finished_at = ending.error_code, ending.usage, timezone.now()
    row.result = result | ({"message": ending.message, "retryable": ending.retryable} if ending.message else {})
    row.lease_until = None
    row.save(
        update_fields=[
            "state", "fence", "event_seq", "partial", "error_code", "usage", "finished_at", "result", "lease_until",
            "conversation",
        ]
    )  # fmt: skip


@transaction.atomic
def suspend(run: Run, *, step: dict[str, Any], seq: int, text: str) -> None:
    """Lets a run wait for a person: nobody executes it, and no lease runs. Raises `LostRun`."""
    row = lock_run(run)
    row.state, row.step, row.event_seq, row.partial = Run.State.WAITING, step, seq, text
    row.lease_until, row.tries, row.waiting_since = None, 0, timezone.now()
    row.save(update_fields=["state", "step", "event_seq", "partial", "lease_until", "tries", "waiting_since"])


def lock_waiting(run_id: UUID) -> Run | None:
    """The row of a waiting run, locked, after its conversation's; None if it does not wait (any more)."""
    conversation_id = Run.objects.values_list("conversation_id", flat=True).get(pk=run_id)
    Conversation.objects.select_for_update(no_key=True).filter(pk=conversation_id).values_list("pk").first()
    return Run.objects.select_for_update(no_key=True).filter(pk=run_id, state=Run.State.WAITING).first()


def resume(row: Run) -> None:
    """Lets a waiting run go on, as `row.step` says. Within the transaction that has locked the row."""
    row.state = Run.State.QUEUED
    row.save(update_fields=["state", "step"])
    transaction.on_commit(partial(ring, "queued"))


def end_unattended(row: Run, state: str, *, reason: str, error_code: str = "") -> None:
    """Ends a run that nobody executes. Within the transaction that has locked the row."""
    result = handler_of(row.kind).interrupted(row, row.partial, reason)
    seq = max(row.event_seq, first_seq(row.fence)) + 1
    message, usage = reason if error_code else "", row.step.get("usage")
    _end(row, Ending(state, seq, row.partial, error_code, message, bool(error_code), usage), result)
    transaction.on_commit(partial(announce_end, row))


def end_all_of(conversation: Conversation, *, reason: str) -> None:
    """Ends the runs of a conversation that disappears, at once: whoever executes one can write nothing more.

    Within the transaction that has locked the conversation. What was written of an answer is kept; those who watch are
    told by the database that the run is gone.
    """
    active = Run.objects.active().filter(conversation=conversation).order_by("pk")
    for row in list(active.select_for_update(no_key=True)):
        row.fence += 1
        result = handler_of(row.kind).interrupted(row, row.partial, reason)
        ending = Ending(Run.State.CANCELLED, first_seq(row.fence) + 1, row.partial, usage=row.usage)
        _end(row, ending, result)
        transaction.on_commit(partial(ring, f"cancel:{row.id}"))


def announce_end(row: Run) -> None:
    """Tells those who watch a run that nobody executes that it is over; without Redis they find out by themselves."""
    end = Entry(row.event_seq, "done", b"")
    try:
        with if_it_answers() as connections:
            connections.publish(log_key(str(row.id)), end.packed())
    except redis.exceptions.RedisError as error:
        log.warning("Could not announce the end of run %s: %s", row.id, type(error).__name__)


@transaction.atomic
def cancel(*, run: Run) -> Run:
    """Asks for a run to stop. One that nobody works on ends at once; one that is over stays as it is."""
    if run.conversation_id:
        Conversation.objects.select_for_update(no_key=True).filter(pk=run.conversation_id).values_list("pk").first()
    row = Run.objects.select_for_update(no_key=True).get(pk=run.pk)
    if row.state in (Run.State.QUEUED, Run.State.WAITING):
        end_unattended(row, Run.State.CANCELLED, reason="It was stopped.")
    elif row.state == Run.State.RUNNING and not row.cancel_requested:
        row.cancel_requested = True
        row.save(update_fields=["cancel_requested"])
    transaction.on_commit(partial(ring, f"cancel:{row.id}"))
    return row

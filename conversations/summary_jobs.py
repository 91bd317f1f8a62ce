"""What the external summariser is told and asked, step by step; between two steps all that is known is in the row.

    sending ─ told ─► polling ─ all of it is in the summary ─► done
       │                 │ └ there is more to tell ─► sending
       └─────────────────┴─ 100 minutes ─► timed_out ┐
                         └─ it makes no sense ─► failed ┴─► a model of ours writes the summary

A step is taken by whoever claims it (`SKIP LOCKED`, a fence, a lease), and a killed worker's step is taken again: the
service then says which message it expects, and is told from there on.
"""

import logging
from datetime import timedelta
from typing import Any

from django.core.exceptions import ObjectDoesNotExist
from django.db import transaction
from django.utils import timezone

from config.failpoints import failpoint
from conversations import summaries
from conversations.models import Conversation, Run, SummaryJob
from conversations.runs import lifecycle
from conversations.summaries import Document
from integrations import summarizer
from integrations.http import ServiceAway
from integrations.summarizer import IndexMismatch

log = logging.getLogger(__name__)

POLL = timedelta(seconds=5)  # contract.md 5.4
LONGEST_PAUSE = timedelta(minutes=5)
LEASE_SECONDS = 150  # a step is two calls of a minute, and one message of a worker lasts no longer
State = SummaryJob.State

CLAIM = """
WITH due AS MATERIALIZED (
    SELECT id FROM summary_jobs
    WHERE (state IN ('sending', 'polling') OR "then" IS NOT NULL) AND next_check_at <= now()
      AND (lease_until IS NULL OR lease_until < now())
      AND NOT EXISTS (SELECT FROM conversations c WHERE c.id = conversation_id AND c.deleted_at IS NOT NULL)
    ORDER BY next_check_at LIMIT 1 FOR UPDATE SKIP LOCKED
)
UPDATE summary_jobs SET fence = fence + 1, lease_until = now() + make_interval(secs => %s)
FROM due WHERE summary_jobs.id = due.id
RETURNING summary_jobs.*
"""


def claim() -> SummaryJob | None:
    """Takes the job that has been due for longest and that nobody works on; those of deleted conversations wait."""
    return next(iter(SummaryJob.objects.raw(CLAIM, [LEASE_SECONDS])), None)


def advance(job: SummaryJob) -> None:
    """Takes one step of a job that was claimed. Of one that was deleted or taken meanwhile nothing is stored."""
    if not Conversation.objects.kept().filter(pk=job.conversation_id).exists():
        return
    if job.state not in SummaryJob.OPEN:
        _start_waiting_run(job)
    elif timezone.now() >= job.deadline:
        _give_up(job, State.TIMED_OUT, "timed_out")
    elif not summarizer.is_configured():
        _give_up(job, State.FAILED, "not_configured")
    else:
        _ask(job)


def _ask(job: SummaryJob) -> None:
    source = summaries.source_of(job.source)
    try:
        new = [document for document in source.documents(job.conversation_id) if document.id not in job.documents]
        if job.external_id and new:
            _send_document(job, new[0])
        else:
            messages = source.messages(job.conversation_id)
            state, told = _told(job, messages)
            _take(job, state, told=told, messages=len(messages), is_last=not new)
    except ObjectDoesNotExist:  # the conversation was deleted, and the job with it
        return
    except ServiceAway as error:
        if error.retryable:
            _put_off(job, error)
        else:
            _give_up(job, State.FAILED, error.code)


def _told(job: SummaryJob, messages: list[dict[str, str]]) -> tuple[summarizer.State, int]:
    """Tells the service what it has not been told, or only asks; and how many messages it was told in all.

    If it knows of another number of them than we do, it is told from there on, once.
    """
    is_sending = job.state == State.SENDING
    try:
        state = _send(job, messages, job.told if is_sending else len(messages))
        return state, (len(messages) if is_sending else job.told)
    except IndexMismatch as mismatch:
        if mismatch.expected > len(messages):
            raise ServiceAway("summarizer", "malformed") from mismatch
        return _send(job, messages, mismatch.expected), len(messages)


def _send(job: SummaryJob, messages: list[dict[str, str]], start: int) -> summarizer.State:
    new = messages[start:]
    failpoint("before_summary_call")
    state = summarizer.manage_conversation(job.external_id, start if new else 0, new)
    failpoint("after_summary_call")  # the service knows, we don't
    return state


@transaction.atomic
def _take(job: SummaryJob, state: summarizer.State, *, told: int, messages: int, is_last: bool) -> None:
    """Stores what the service said. Raises `ServiceAway` if it claims to have read more than there is."""
    if state.processed > messages:
        raise ServiceAway("summarizer", "malformed")
    conversation = summaries.lock(job.conversation_id)
    is_whole = bool(state.summary) and state.processed >= told
    is_done = is_whole and is_last
    taken = _write(
        job,
        state=State.DONE if is_done else State.POLLING,
        next_check_at=timezone.now() if is_whole else timezone.now() + POLL,
        external_id=state.external_id,
        told=told,
        failures=0,
        error_code="",
    )
    if taken and state.summary and state.processed and (is_whole or job.source == SummaryJob.Source.CHAT):
        source = summaries.source_of(job.source)
        source.store(conversation, state.summary, covered=state.processed, external_id=state.external_id, basis=None)
    failpoint("before_summary_stored")  # everything is written, nothing committed


def _send_document(job: SummaryJob, document: Document) -> None:
    """Uploads a file's text and links it; one that was uploaded by a worker that died is uploaded again."""
    number = summarizer.upload_document(content=document.text, filename=document.filename, document_type=document.type)
    failpoint("after_summary_document")
    summarizer.link_document(job.external_id or 0, number)
    _write(job, documents=[*job.documents, document.id], next_check_at=timezone.now())


def _put_off(job: SummaryJob, error: ServiceAway) -> None:
    """Another try later, each time after twice the pause, but before the deadline."""
    pause = min(POLL * 2 ** min(job.failures, 10), LONGEST_PAUSE)
    asked = timedelta(seconds=min(error.retry_after or 0.0, LONGEST_PAUSE.total_seconds()))
    due = min(timezone.now() + max(pause, asked), job.deadline)
    _write(job, failures=job.failures + 1, error_code=error.code, next_check_at=due)


@transaction.atomic
def _give_up(job: SummaryJob, state: str, code: str) -> None:
    """The service won't do it: a model of ours takes over."""
    try:
        conversation = summaries.lock(job.conversation_id)
    except Conversation.DoesNotExist:
        return
    if _write(job, state=state, error_code=code, next_check_at=timezone.now()):
        summaries.request_own(conversation=conversation, source=job.source)
        log.warning("The summary of conversation %s is left to a model: %s", job.conversation_id, code)


@transaction.atomic
def _start_waiting_run(job: SummaryJob) -> None:
    """Queues the run that waits for the summary, once nothing else works on the conversation."""
    try:
        conversation = summaries.lock(job.conversation_id)
    except Conversation.DoesNotExist:
        return
    busy = [Run.Kind.SUMMARY, *lifecycle.EXCLUSIVE[Run.Kind.GENERATE]]
    if Run.objects.active().filter(conversation=conversation, kind__in=busy).exists():
        _write(job, next_check_at=timezone.now() + POLL)
    elif (run := job.then) and _write(job, then=None) and not conversation.is_locked:
        lifecycle.queue_run(**run, conversation=conversation)


def _write(job: SummaryJob, **values: Any) -> bool:
    """Stores a step and lets go of the job; False if it is somebody else's by now, or gone."""
    mine = SummaryJob.objects.filter(pk=job.pk, fence=job.fence)
    for name, value in values.items():
        setattr(job, name, value)
    return bool(mine.update(**values, lease_until=None))

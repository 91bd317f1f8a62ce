"""Writes a draft for each conversation of a bulk import that has none: one after another, so that no chat waits."""

from dataclasses import dataclass

from django.db import transaction

from config.exceptions import DraftloomError
from conversations.models import Run
from conversations.runs import lifecycle
from conversations.runs.context import RunContext
from conversations.runs.handlers import RunFailed
from conversations.services import lock_for_write
from drafts import services
from drafts.events import Progress
from drafts.generation import parse_completion, store_answer
from drafts.models import ArchiveEntry, ProjectDraft
from drafts.writing import Assignment, Writing, assign_for
from integrations.llm.completion import completion_of
from integrations.llm.errors import LLMError

FAILURES = 3  # one after another: then it is not the conversations


@dataclass(frozen=True, slots=True)
class Work:
    """One draft to be written, and how many are left with it."""

    entry: ArchiveEntry
    assignment: Assignment
    left: int


async def write_drafts(context: RunContext) -> None:
    """Returns when every draft is written or has failed; a restart goes on behind the last.

    Raises `RunFailed` when the model fails again and again; what was imported stays.
    """
    failures, total = 0, 0
    while work := await context.db(_next, context.run):
        total = total or work.left
        context.tell(Progress("generating", total - work.left, total))
        try:
            await _write(context, work)
            failures = 0
        except (LLMError, RunFailed) as error:
            await context.db(_give_up, context.run, work, error.message)
            failures += 1
            if failures == FAILURES:
                raise RunFailed(error.code, error.message, retryable=error.retryable) from error
    context.tell(Progress("generating", total, total))


def _next(run: Run) -> Work | None:
    """The next draft to write, what needs none passed over. Raises `LostRun`."""
    waiting = ArchiveEntry.objects.filter(archive__run=run, wants_draft=True).order_by("position")
    for entry in waiting.iterator(chunk_size=20):
        try:
            if assignment := _assign(run, entry):
                return Work(entry, assignment, waiting.count())
        except DraftloomError:  # deleted, locked, or not this member's to change any more
            pass
        _settle(run, entry)
    return None


@transaction.atomic
def _assign(run: Run, entry: ArchiveEntry) -> Assignment | None:
    row = lifecycle.lock_run(run)
    if entry.conversation_id is None or services.has_text(conversation_id=entry.conversation_id):
        return None
    conversation = lock_for_write(user=row.user, conversation_id=entry.conversation_id)
    lifecycle.refuse_second_run(kind=Run.Kind.GENERATE, conversation=conversation)
    return assign_for(conversation, row)


async def _write(context: RunContext, work: Work) -> None:
    writing = Writing(context, work.assignment, tell=lambda _: None)  # its watchers see many drafts, each as one step
    title, description = parse_completion(await completion_of(writing.events()))
    await context.db(_store, context.run, work, writing, title, description)


@transaction.atomic
def _store(run: Run, work: Work, writing: Writing, title: str, description: str) -> None:
    row = lifecycle.lock_run(run)
    conversation_id = work.entry.conversation_id
    assert conversation_id is not None
    try:
        lock_for_write(user=row.user, conversation_id=conversation_id)
        store_answer(writing, title, description, row)
    except DraftloomError:  # deleted or locked while the model wrote: nobody needs the draft any more
        pass
    row.tries = 0  # that was progress
    row.save(update_fields=["tries"])
    _settle(row, work.entry)


@transaction.atomic
def _give_up(run: Run, work: Work, reason: str) -> None:
    """The draft says why it was not written."""
    row = lifecycle.lock_run(run)
    drafts = ProjectDraft.objects.filter(pk=work.assignment.draft.pk, conversation__deleted_at=None)
    if draft := drafts.first():  # else it was deleted meanwhile
        services.store_failure(draft=draft, run=row, reason=reason)
    _settle(row, work.entry)


def _settle(run: Run, entry: ArchiveEntry) -> None:
    ArchiveEntry.objects.filter(pk=entry.pk, archive__run=run).update(wants_draft=False)

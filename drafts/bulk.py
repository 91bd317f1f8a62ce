"""Imports the chosen conversations of an archive, as one run that the runner of bulk imports executes.

A child process reads the archive; what it gives is stored some conversations at a time, and the entry of each says what
became of it in the same transaction. So a run that begins again goes on with what is left, and takes nothing in twice.
"""

import asyncio
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db import DataError, transaction

from accounts.models import User
from config.exceptions import Conflict, Invalid, NotFound
from config.failpoints import failpoint
from conversations import services as conversations
from conversations.models import Run
from conversations.runs import lifecycle
from conversations.runs.context import RunContext
from conversations.runs.events import Event
from conversations.runs.handlers import RunFailed
from drafts.archives import count_results, lock_archive, path_of, refuse_while_running
from drafts.bulk_drafts import write_drafts
from drafts.events import BulkDone, ConversationTold, Progress, StateTold
from drafts.models import Archive, ArchiveEntry
from integrations.importers.archive_child import Answer, ArchiveChild
from integrations.importers.base import ImportedChat
from llmconfig.models import Task
from llmconfig.services import choose_model, default_model

BATCH = 20  # a transaction is short: the leases of this runner's other runs wait for it
Result = ArchiveEntry.Result


@transaction.atomic
def start_bulk(
    *,
    user: User,
    archive_id: UUID,
    duplicate_resolution: str,
    generate_drafts: bool,
    entries: list[int] | None = None,
    llm_provider: str = "",
    llm_model: str = "",
) -> Run:
    """Queues the import of the `entries` at these positions, or of all if there are none given.

    Raises `NotFound`, `Invalid` for a model that can't be used or an entry that is not there, and `Conflict` for an
    archive that is not listed yet (`import_not_ready`) or is being imported (`run_in_progress`).
    """
    if llm_provider:
        model = choose_model(provider=llm_provider, model_id=llm_model)
    else:
        model = default_model(prompt_type=Task.GENERATION)
    archive = lock_archive(user=user, archive_id=archive_id)
    refuse_while_running(archive)
    if archive.state != Archive.State.READY:
        raise Conflict("This archive is not ready: `state` says what it is.", code="import_not_ready")
    _choose(archive, entries, wants_draft=generate_drafts)
    payload = {
        "archive_id": str(archive.id),
        "duplicate_resolution": duplicate_resolution,
        "generate_drafts": generate_drafts,
        "llm_provider": model.provider,
        "llm_model": model.model_id,
    }
    archive.run = lifecycle.start_run(kind=Run.Kind.BULK, user=user, payload=payload)
    archive.state = Archive.State.IMPORTING
    archive.save(update_fields=["run", "state"])
    return archive.run


def _choose(archive: Archive, positions: list[int] | None, *, wants_draft: bool) -> None:
    """Forgets what came of an earlier run, so that the results are this one's."""
    archive.entries.exclude(result="").update(result="", reason="", conversation=None, wants_draft=False)
    chosen = archive.entries.all() if positions is None else archive.entries.filter(position__in=positions)
    count = chosen.update(result=Result.CHOSEN, wants_draft=wants_draft)
    if positions is not None and count != len(set(positions)):
        detail = "This archive has no entry of one of these keys."
        raise Invalid(detail, code="unknown_entry", field="entries")


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one entry."""

    result: str
    reason: str = ""
    conversation_id: int | None = None


class BulkHandler:
    """Kind `bulk`."""

    async def execute(self, context: RunContext) -> None:
        context.tell(StateTold("importing"))
        await _import(context)
        if context.run.payload["generate_drafts"]:
            context.tell(StateTold("generating"))
            await write_drafts(context)
        await context.finish(_close)

    def interrupted(self, run: Run, text: str, reason: str) -> dict[str, Any]:
        archive = Archive.objects.filter(run=run).first()
        if archive is None:
            return {}
        archive.entries.filter(result=Result.CHOSEN).update(result="")
        return _close(run)

    def terminal(self, run: Run) -> Event:
        return BulkDone(run.result["import_id"], run.result["results"])

    def salvaged(self, run: Run) -> Event | None:
        return None


def _close(run: Run) -> dict[str, Any]:
    """The archive can be imported from again. Within the transaction that ends the run."""
    archive = Archive.objects.get(run=run)
    archive.entries.filter(wants_draft=True).update(wants_draft=False)
    Archive.objects.filter(pk=archive.pk).update(state=Archive.State.READY)
    return {"import_id": str(archive.id), "results": count_results(archive)}


async def _import(context: RunContext) -> None:
    left = await context.db(_left, context.run)
    total = await context.db(_chosen_at_first, context.run)
    done = total - len(left)
    if context.run.fence > 1:  # an owner that died may have stored results that it told nobody
        for result in await context.db(_done_before, context.run):
            context.tell(result)
    if not left:
        return
    child = await context.db(_open, context.run, left)
    batch: list[Answer] = []
    try:
        while (answers := await asyncio.to_thread(child.take)) is not None:
            batch += answers
            while len(batch) >= BATCH or (batch and not answers):
                done += await _store_and_tell(context, batch[:BATCH], done, total)
                del batch[:BATCH]
        if batch:
            await _store_and_tell(context, batch, done, total)
    finally:
        child.close()
    await context.db(_give_up_rest, context.run)


async def _store_and_tell(context: RunContext, answers: list[Answer], done: int, total: int) -> int:
    results = await context.db(store, context.run, answers)
    failpoint("after_batch")
    for result in results:
        context.tell(result)
    context.tell(Progress("importing", done + len(results), total))
    return len(results)


def _entries(run: Run) -> Any:
    return ArchiveEntry.objects.filter(archive__run=run)


def _chosen_at_first(run: Run) -> int:
    return int(_entries(run).exclude(result="").count())


def _left(run: Run) -> list[int]:
    return list(_entries(run).filter(result=Result.CHOSEN).values_list("position", flat=True))


def _done_before(run: Run) -> list[ConversationTold]:
    return [_told(entry) for entry in _entries(run).exclude(result__in=["", Result.CHOSEN]).order_by("position")]


def _open(run: Run, positions: list[int]) -> ArchiveChild:
    archive = Archive.objects.get(run=run)
    try:
        return ArchiveChild(path_of(archive.id), archive.filename, positions=positions, chats=True)
    except FileNotFoundError:
        raise RunFailed("file_gone", "The file of this archive is gone. Upload it again.") from None


@transaction.atomic
def store(run: Run, answers: list[Answer]) -> list[ConversationTold]:
    """Takes in what is chosen and not done yet, each with its entry. Raises `LostRun`."""
    row = lifecycle.lock_run(run)
    chosen = _entries(run).filter(result=Result.CHOSEN, position__in=[answer.position for answer in answers])
    entries = {entry.position: entry for entry in chosen.select_for_update(of=("self",))}
    pairs = [(entries[answer.position], answer) for answer in answers if answer.position in entries]
    for url in sorted({answer.chat.url for _, answer in pairs if answer.chat}):
        conversations.lock_url(url)  # in order, so that two imports never wait for each other
    told = [_take_in(row, entry, answer) for entry, answer in pairs]
    row.tries = 0  # that was progress
    row.save(update_fields=["tries"])
    return told


def _take_in(run: Run, entry: ArchiveEntry, answer: Answer) -> ConversationTold:
    outcome = Outcome(Result.FAILED, answer.error_code)
    if answer.chat:
        try:
            with transaction.atomic():
                outcome = bring_in(run, answer.chat)
        except DataError:
            outcome = Outcome(Result.FAILED, "unstorable_text")
    elif answer.error_code == "no_messages":
        outcome = Outcome(Result.SKIPPED, answer.error_code)
    entry.result, entry.reason, entry.conversation_id = outcome.result, outcome.reason, outcome.conversation_id
    entry.wants_draft = entry.wants_draft and outcome.result in ArchiveEntry.HERE
    entry.save(update_fields=["result", "reason", "conversation", "wants_draft"])
    return _told(entry)


def _told(entry: ArchiveEntry) -> ConversationTold:
    return ConversationTold(entry.position, entry.title, entry.result, entry.reason, entry.conversation_id)


def bring_in(run: Run, chat: ImportedChat) -> Outcome:
    """Creates the conversation of `chat`, or updates the newest that is the same chat, as the run was told to."""
    resolution = run.payload["duplicate_resolution"]
    same = conversations.same_chat(user=run.user, chat=chat).values_list("pk", flat=True)
    here = None if resolution == "create_new" else same.first()
    if here is None:
        return Outcome(Result.CREATED, "", conversations.create_from_chat(user=run.user, chat=chat).pk)
    if resolution == "skip":
        return Outcome(Result.SKIPPED, "already_imported", here)
    try:
        conversation = conversations.lock_for_write(user=run.user, conversation_id=here)
    except Conflict as error:
        return Outcome(Result.SKIPPED, error.code, here)
    except NotFound:  # it was deleted this very moment
        return Outcome(Result.CREATED, "", conversations.create_from_chat(user=run.user, chat=chat).pk)
    is_new = conversations.update_chat(conversation=conversation, chat=chat)
    return Outcome(Result.UPDATED if is_new else Result.UNCHANGED, "", here)


@transaction.atomic
def _give_up_rest(run: Run) -> None:
    """What the archive was said to hold, and does not give."""
    lifecycle.lock_run(run)
    _entries(run).filter(result=Result.CHOSEN).update(result=Result.FAILED, reason="damaged", wants_draft=False)

"""Trying a prompt: what one of its versions would have made of drafts that models wrote in the last days.

sample ─ each: its chat as it is now ─► the model that wrote the draft, told by the version on trial ─► a text beside it

It changes no draft. It is a run like any other: it may be watched and stopped, and what is stored is not asked for
again.
"""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any, NamedTuple

from django.core.exceptions import ObjectDoesNotExist
from django.db import IntegrityError, transaction
from django.db.models import Q, QuerySet
from django.utils import timezone

from accounts import audit
from accounts.models import User
from config.exceptions import Conflict, DraftloomError, Forbidden
from conversations.models import Conversation, Run
from conversations.runs import lifecycle
from conversations.runs.context import RunContext
from conversations.runs.events import Event
from conversations.runs.handlers import RunFailed
from drafts.bulk_drafts import FAILURES
from drafts.events import Progress, TrialDone
from drafts.models import DraftVersion, TrialDraft
from drafts.trial_writing import Trying, prepare
from integrations.llm.errors import LLMError
from llmconfig.models import LLMCall, Task
from llmconfig.prompts import text_of
from llmconfig.usage import Totals, totals

DAYS, MOST = 7, 10
TAGS = ("<title>", "<description>")


class Sample(NamedTuple):
    """Drafts to try a prompt on, the newest first, and what writing them took."""

    versions: list[DraftVersion]
    took: Totals


def sample(*, user: User, most: int = MOST) -> Sample:
    """The drafts of the last `DAYS` days that a model has written from a chat, the newest of each conversation."""
    versions = list(_written(user)[:most])
    return Sample(versions, totals(_calls_for(versions)))


def _written(user: User) -> QuerySet[DraftVersion]:
    written = DraftVersion.objects.filter(
        created_at__gte=timezone.now() - timedelta(days=DAYS),
        project_draft__conversation__in=Conversation.objects.visible_to(user),
        prompt_version__isnull=False,
        restored_from=None,
        tool_call="",
    ).exclude(model="")
    newest = written.order_by("project_draft_id", "-pk").distinct("project_draft_id").values("pk")
    rows = DraftVersion.objects.filter(pk__in=newest).select_related("project_draft__conversation")
    return rows.defer("description", "project_draft__conversation__imported_chat").order_by("-created_at", "-pk")


def _calls_for(versions: Sequence[DraftVersion]) -> QuerySet[LLMCall]:
    """A run may have written many drafts, so that its calls are known by their conversation, too."""
    of_any = Q(pk=None)
    for version in versions:
        of_any |= Q(run_id=version.run_id, conversation_id=version.project_draft.conversation_id)
    return LLMCall.objects.filter(of_any, task=Task.GENERATION)


def lacking(version: int) -> list[str]:
    """The tags between which a draft is looked for, and of which a version of the prompt says nothing."""
    text = text_of(prompt_type=Task.GENERATION, version=version)
    return [tag for tag in TAGS if tag not in text]


def may_try(user: User) -> bool:
    return user.has_perm("llmconfig.change_prompt")


@transaction.atomic
def start_trial(*, user: User, version: int, most: int = MOST) -> Run:
    """Queues the trial of a version of the prompt that writes drafts; 0 is the built-in text.

    Raises `Forbidden`, `NotFound` for no such version, `TooMany`, and `Conflict`: `nothing_to_try` if there is no
    draft, `trial_in_progress` with the `run_id` of another one of this person.
    """
    if not may_try(user):
        raise Forbidden("Only who may change prompts may try them.")
    text_of(prompt_type=Task.GENERATION, version=version)
    versions = _locked(user, most)
    if not versions:
        raise Conflict(f"No model has written a draft in the last {DAYS} days.", code="nothing_to_try")
    run = _queue(user, version)
    TrialDraft.objects.bulk_create(TrialDraft(run=run, version=drafted) for drafted in versions)
    tried = {"version": version, "drafts": len(versions)}
    audit.record("prompt.tried", user=user, resource=Task.GENERATION, after=tried)
    return run


def _locked(user: User, most: int) -> list[DraftVersion]:
    """The newest drafts whose conversations are still there, and stay there until the transaction ends."""
    versions = list(_written(user)[:most])
    rows = Conversation.objects.kept().filter(project_draft__versions__in=versions).order_by("pk")
    kept = set(rows.select_for_update(no_key=True, of=("self",)).values_list("pk", flat=True))
    return [version for version in versions if version.project_draft.conversation_id in kept]


def _queue(user: User, version: int) -> Run:
    try:
        with transaction.atomic():
            return lifecycle.start_run(kind=Run.Kind.TRIAL, user=user, payload={"prompt_version": version})
    except IntegrityError:
        active = Run.objects.active().filter(kind=Run.Kind.TRIAL, user=user).values_list("pk", flat=True).first()
        detail = "One of your trials is under way. Wait for it, or stop it."
        raise Conflict(detail, code="trial_in_progress", extra={"run_id": str(active)}) from None


@transaction.atomic
def stop_trial(*, user: User, run: Run) -> None:
    """Any operator may; one that is over stays as it is. Raises `Forbidden`."""
    if not may_try(user):
        raise Forbidden("Only who may change prompts may stop their trials.")
    if not run.is_active:
        return
    lifecycle.cancel(run=run)
    audit.record("prompt.trial_stopped", user=user, resource=f"run {run.pk}")


def drafts_of(*, user: User, run: Run) -> QuerySet[TrialDraft]:
    """What is there of a trial, of the conversations that the user may see."""
    visible = TrialDraft.objects.filter(
        run=run, version__project_draft__conversation__in=Conversation.objects.visible_to(user)
    )
    rows = visible.select_related("version__project_draft__conversation")
    return rows.defer("version__project_draft__conversation__imported_chat").order_by("pk")


class TrialHandler:
    """Kind `trial`: one draft after another, so that no member's answer waits for it."""

    async def execute(self, context: RunContext) -> None:
        failures, total = 0, await context.db(TrialDraft.objects.filter(run=context.run).count)
        while left := await context.db(_left, context.run):
            context.tell(Progress("generating", total - len(left), total))
            row = await _try(context, left[0])
            failures = failures + 1 if row.error else 0
            if failures == FAILURES:
                raise RunFailed("generation_failed", f"{FAILURES} drafts in a row were not written.", retryable=True)
        context.tell(Progress("generating", total, total))
        await context.finish(lambda _: {})

    def interrupted(self, run: Run, text: str, reason: str) -> dict[str, Any]:
        return {}

    def terminal(self, run: Run) -> Event:
        rows = TrialDraft.objects.filter(run=run)
        return TrialDone(rows.exclude(description="").filter(error="").count(), rows.exclude(error="").count())

    def salvaged(self, run: Run) -> Event | None:
        return None


def _left(run: Run) -> list[TrialDraft]:
    """What is still to be tried, but for conversations that are deleted."""
    rows = TrialDraft.objects.filter(run=run, description="", error="")
    kept = rows.filter(version__project_draft__conversation__deleted_at=None)
    return list(kept.select_related("version__project_draft__conversation").order_by("pk"))


async def _try(context: RunContext, row: TrialDraft) -> TrialDraft:
    """A draft that can't be written says why; the others are tried all the same."""
    trying = Trying(context, row)
    try:
        await trying.write(await context.db(prepare, context.run, row))
    except (LLMError, RunFailed) as error:
        row.error = error.message
    except DraftloomError as error:
        row.error = error.detail
    except ObjectDoesNotExist:  # the conversation is deleted, and nothing of it is told to anybody any more
        pass
    await context.db(_store, context.run, row, context.usage)
    return row


@transaction.atomic
def _store(run: Run, row: TrialDraft, usage: dict[str, Any] | None) -> None:
    conversation = Conversation.objects.kept().filter(pk=row.version.project_draft.conversation_id)
    is_kept = conversation.select_for_update(no_key=True, of=("self",)).values_list("pk", flat=True).first()
    lifecycle.lock_run(run)
    if is_kept:
        values = {name: getattr(row, name) for name in ("model", "title", "description", "error", "note")}
        TrialDraft.objects.filter(pk=row.pk).update(**values)
    lifecycle.checkpoint(run, usage=usage)

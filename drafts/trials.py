"""Trying a prompt: what one of its versions would have made of drafts that models wrote in the last days.

sample ─ each: its chat as it is now ─► the model that wrote the draft, told by the version on trial ─► a text beside it

It is a run like any other: it may be watched and stopped, and a restart asks no model twice. No draft is changed.
"""

from datetime import timedelta
from decimal import Decimal
from typing import Any, NamedTuple

from django.core.exceptions import ObjectDoesNotExist
from django.db import transaction
from django.db.models import QuerySet, Sum
from django.utils import timezone

from accounts import audit
from accounts.models import User
from config.exceptions import Conflict, DraftloomError, Forbidden, Invalid
from conversations.models import Conversation, Run
from conversations.runs import lifecycle
from conversations.runs.context import RunContext
from conversations.runs.events import Event
from conversations.runs.handlers import RunFailed
from conversations.runs.ledger import RunLedger
from drafts.events import Progress, TrialDone
from drafts.generation import parse_completion
from drafts.material import material_for
from drafts.models import DraftVersion, TrialDraft
from integrations.llm.completion import completion_of
from integrations.llm.errors import LLMError
from integrations.llm.messages import ChatRequest
from llmconfig.asking import stream_answer
from llmconfig.metering import Purpose
from llmconfig.models import LLMCall, LLMModel, Task
from llmconfig.prompts import text_of
from llmconfig.services import choose_model, default_model

DAYS, MOST = 7, 10


class Sample(NamedTuple):
    """Drafts to try a prompt on, the newest first. `cost` is what writing them took, in US dollars, as far as known."""

    versions: list[DraftVersion]
    cost: Decimal | None


class Step(NamedTuple):
    """One draft of a trial, the model that is asked, and what it is told."""

    row: TrialDraft
    model: LLMModel
    prompt: str


def sample(*, user: User, most: int = MOST) -> Sample:
    """The drafts of the last `DAYS` days that a model has written from a chat, the newest of each conversation."""
    written = DraftVersion.objects.filter(
        created_at__gte=timezone.now() - timedelta(days=DAYS),
        project_draft__conversation__in=Conversation.objects.visible_to(user),
        prompt_version__isnull=False,
        restored_from=None,
        tool_call="",
    ).exclude(model="")
    newest = written.order_by("project_draft_id", "-pk").distinct("project_draft_id").values("pk")
    rows = DraftVersion.objects.filter(pk__in=newest).select_related("project_draft__conversation")
    versions = list(rows.defer("project_draft__conversation__imported_chat").order_by("-created_at", "-pk")[:most])
    calls = LLMCall.objects.filter(task=Task.GENERATION, run_id__in=[version.run_id for version in versions])
    return Sample(versions, calls.aggregate(cost=Sum("cost_usd"))["cost"])


def may_try(user: User) -> bool:
    return user.has_perm("llmconfig.change_prompt")


@transaction.atomic
def start_trial(*, user: User, version: int, most: int = MOST) -> Run:
    """Queues the trial of a version of the prompt that writes drafts; 0 is the built-in text.

    Raises `Forbidden`, `NotFound` for no such version, `TooMany`, and `Conflict` if there is no draft to try it on.
    """
    if not may_try(user):
        raise Forbidden("Only who may change prompts may try them.")
    text_of(prompt_type=Task.GENERATION, version=version)
    versions = sample(user=user, most=most).versions
    if not versions:
        raise Conflict(f"No model has written a draft in the last {DAYS} days.", code="nothing_to_try")
    run = lifecycle.start_run(kind=Run.Kind.TRIAL, user=user, payload={"prompt_version": version})
    TrialDraft.objects.bulk_create(TrialDraft(run=run, version=drafted) for drafted in versions)
    audit.record(
        "prompt.tried", user=user, resource=Task.GENERATION, after={"version": version, "drafts": len(versions)}
    )
    return run


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
        total = await context.db(TrialDraft.objects.filter(run=context.run).count)
        while left := await context.db(_left, context.run):
            context.tell(Progress("generating", total - len(left), total))
            await _try(context, left[0])
        context.tell(Progress("generating", total, total))
        await context.finish(lambda _: {})

    def interrupted(self, run: Run, text: str, reason: str) -> dict[str, Any]:
        return {}

    def terminal(self, run: Run) -> Event:
        rows = TrialDraft.objects.filter(run=run)
        return TrialDone(rows.exclude(description="").count(), rows.exclude(error="").count())

    def salvaged(self, run: Run) -> Event | None:
        return None


def _left(run: Run) -> list[TrialDraft]:
    """What is still to be tried, but for conversations that are deleted."""
    rows = TrialDraft.objects.filter(run=run, description="", error="").exclude(
        version__project_draft__conversation__deleted_at__isnull=False
    )
    return list(rows.select_related("version__project_draft").order_by("pk"))


async def _try(context: RunContext, row: TrialDraft) -> None:
    """A draft that can't be written says why; the others are tried all the same."""
    try:
        step = await context.db(_prepared, context.run, row)
        row.model = str(step.model)
        row.title, row.description = await _written(context, step)
    except ObjectDoesNotExist:  # the conversation is gone for good, and the row with it
        return
    except (LLMError, RunFailed) as error:
        row.error = error.message
    except DraftloomError as error:
        row.error = error.detail
    await context.db(_store, context.run, row, context.usage)


def _prepared(run: Run, row: TrialDraft) -> Step:
    prompt = text_of(prompt_type=Task.GENERATION, version=run.payload["prompt_version"])
    return Step(row, _model_of(row.version), prompt)


def _model_of(version: DraftVersion) -> LLMModel:
    """The model that wrote it, so that only the prompt differs; if it can't be asked any more, the default one."""
    provider, _, model_id = version.model.partition("/")
    try:
        return choose_model(provider=provider, model_id=model_id)
    except Invalid:
        return default_model(prompt_type=Task.GENERATION)


async def _written(context: RunContext, step: Step) -> tuple[str, str]:
    async def build(model: LLMModel) -> ChatRequest:
        conversation_id = step.row.version.project_draft.conversation_id
        return (await context.db(material_for, conversation_id, model, step.prompt)).request

    run = context.run
    # Not on the conversation's account: its member did not ask for it.
    purpose = Purpose(Task.GENERATION, run.user_id, run.id, prompt_version=run.payload["prompt_version"])
    answer = stream_answer(purpose, [step.model], build, RunLedger(context))
    return parse_completion(await completion_of(answer))


@transaction.atomic
def _store(run: Run, row: TrialDraft, usage: dict[str, Any] | None) -> None:
    lifecycle.lock_run(run)
    TrialDraft.objects.filter(pk=row.pk).update(
        model=row.model, title=row.title, description=row.description, error=row.error
    )
    lifecycle.checkpoint(run, usage=usage)

"""Which model a task uses, and which ones may stand in for it."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any, NamedTuple

from django.conf import settings
from django.db import connection, transaction
from django.db.models import Q, QuerySet
from django.utils import timezone

from accounts import audit
from accounts.models import User
from config.exceptions import BadRequest, Invalid
from integrations.llm import registry
from integrations.llm.tokens import estimate_tokens
from llmconfig.models import DefaultModel, LLMCall, LLMModel, Task
from llmconfig.prompts import active_prompt, has_prompt

LISTED_FIRST = ("anthropic", "grok", "openai")
OFFLINE = "offline"  # the embedder that needs no key
STANDARD = ("openai", "gpt-4o")  # design.md section 10, "Defaults without a row"
OVERHEAD_TOKENS = 256  # contract.md 2.1
LEAST_INPUT_TOKENS = 512  # for what a task is about, beside the prompt
LONGEST_CALL = timedelta(minutes=15)  # more than the ten minutes that an answer may take


class Need(NamedTuple):
    """What a model must be able to do for a task."""

    kind: str = LLMModel.Kind.CHAT
    images: bool = False
    tools: bool = False

    def missing_in(self, model: LLMModel) -> str:
        """Why the model won't do, as the end of a sentence; empty if it will."""
        if model.kind != self.kind:
            return "it writes text" if model.kind == LLMModel.Kind.CHAT else "it only turns text into vectors"
        if self.images and not model.supports_images:
            return "it takes no images"
        return "it can't call tools" if self.tools and not model.supports_tools else ""


NEEDS = {
    Task.CHAT: Need(tools=True),
    Task.IMAGE_CAPTION: Need(images=True),
    Task.EMBEDDING: Need(kind=LLMModel.Kind.EMBEDDING),
}


def find_model(*, provider: str, model_id: str) -> LLMModel | None:
    """The active model with this id or, if there is none, with this alias."""
    active = LLMModel.objects.filter(provider=provider, is_active=True)
    named = active.filter(Q(model_id=model_id) | Q(aliases__contains=[model_id]))
    return min(named, key=lambda model: model.model_id != model_id, default=None)


def choose_model(*, provider: str, model_id: str, kind: str = LLMModel.Kind.CHAT) -> LLMModel:
    """The active model with this name. Raises `Invalid` if there is none or its provider has no key here."""
    model = find_model(provider=provider, model_id=model_id)
    if model is None or model.kind != kind:
        raise Invalid(f"There is no model {provider}/{model_id}.", code="unknown_model", field="llm_model")
    if provider not in _configured():
        raise Invalid(
            f"The provider {provider} is not configured here. Choose another model, or ask an operator for its key.",
            code="provider_not_configured",
            field="llm_provider",
        )
    return model


def usable_models(*, kind: str = LLMModel.Kind.CHAT) -> QuerySet[LLMModel]:
    """Active models of the providers that can be asked here."""
    return LLMModel.objects.filter(is_active=True, kind=kind, provider__in=_configured())


def models_by_provider() -> dict[str, list[LLMModel]]:
    """All models to chat with, each with `configured`; first the providers of contract.md 4.2, in its order."""
    configured = registry.configured()
    groups: dict[str, list[LLMModel]] = {name: [] for name in LISTED_FIRST}
    for model in LLMModel.objects.filter(is_active=True, kind=LLMModel.Kind.CHAT):
        model.configured = model.provider in configured
        groups.setdefault(model.provider, []).append(model)
    return groups


def find_default(*, prompt_type: str) -> LLMModel | None:
    """The operators' choice for a task, else its standard one if that has a key, else the first that is able to."""
    row = DefaultModel.objects.filter(prompt_type=prompt_type).first()
    able = _able(Task(prompt_type))
    for name in ((row.llm_provider, row.llm_model) if row else None, standard_of(Task(prompt_type))):
        if chosen := next((model for model in able if (model.provider, model.model_id) == name), None):
            return chosen
    return able[0] if able else None


def standard_of(task: Task) -> tuple[str, str]:
    """Provider and id of the model that a task uses if operators have chosen none and it has a key."""
    if task != Task.EMBEDDING:
        return STANDARD
    provider, _, model_id = settings.EMBEDDING_MODEL.partition("/")
    return provider, model_id


def default_model(*, prompt_type: str) -> LLMModel:
    """As `find_default`. Raises `Invalid` with the code `provider_not_configured` if no model here does the task."""
    model = find_default(prompt_type=prompt_type)
    if model is None:
        name = Task(prompt_type).label
        raise Invalid(f"No model that is configured here does “{name}”.", code="provider_not_configured")
    return model


def candidates(*, prompt_type: str, chosen: LLMModel) -> list[LLMModel]:
    """`chosen`, then the models that may stand in for it before the first word of an answer."""
    row = DefaultModel.objects.filter(prompt_type=prompt_type).first()
    able = {str(model): model for model in _able(Task(prompt_type))} if row and row.fallbacks else {}
    standing_in = [able[name] for name in (row.fallbacks if row else []) if name in able and name != str(chosen)]
    return [chosen, *standing_in]


@transaction.atomic
def set_default_model(
    *,
    prompt_type: str,
    provider: str,
    model_id: str,
    user: User | None,
    fallbacks: Sequence[str] | None = None,
) -> DefaultModel:
    """Makes a model the one that a task uses unless told otherwise; `fallbacks` stay as they are if None.

    Raises `BadRequest` or `Invalid` for a model that is unknown, has no key, or can't do the task.
    """
    hold_choices()
    model = _fitting(prompt_type, provider, model_id)
    chosen: dict[str, Any] = {"llm_provider": model.provider, "llm_model": model.model_id}
    if fallbacks is not None:
        chosen["fallbacks"] = [str(_fitting(prompt_type, *name.partition("/")[::2])) for name in fallbacks]
        _require_different(chosen["fallbacks"])
    before = DefaultModel.objects.filter(prompt_type=prompt_type).values(*chosen).first()
    row, _ = DefaultModel.objects.update_or_create(
        prompt_type=prompt_type, defaults={**chosen, "created_by_user": user}
    )
    audit.record("default_model.set", user=user, resource=prompt_type, before=before, after=chosen)
    return row


@transaction.atomic
def clear_default_model(*, prompt_type: str, user: User | None) -> None:
    """Lets a task use what `default_model` finds by itself."""
    rows = DefaultModel.objects.filter(prompt_type=prompt_type)
    if before := rows.values("llm_provider", "llm_model", "fallbacks").first():
        rows.delete()
        audit.record("default_model.cleared", user=user, resource=prompt_type, before=dict(before))


def fitting_models(*, prompt_type: str) -> list[LLMModel]:
    """The models that a task can be given here, by the order of their providers."""
    task = Task(prompt_type)
    needed = _tokens_needed(task)
    return [model for model in _able(task) if not _why_unfit(task, model, needed)]


def why_unfit(*, prompt_type: str, model: LLMModel) -> str:
    """Why a model can't be used for a task, as a sentence; empty if it can."""
    task = Task(prompt_type)
    return _why_unfit(task, model, _tokens_needed(task))


def hold_choices() -> None:
    """Until the transaction ends nobody else chooses a model for a task, or changes one that may be chosen."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended('choices of models', 0))")


def sweep_lost_calls() -> int:
    """Marks the calls whose process died before it could say how they ended."""
    before = timezone.now() - LONGEST_CALL
    started = LLMCall.objects.filter(outcome=LLMCall.Outcome.STARTED, created_at__lt=before)
    return started.update(outcome=LLMCall.Outcome.LOST)


def _configured() -> tuple[str, ...]:
    return (*registry.configured(), OFFLINE)


def _able(task: Task) -> list[LLMModel]:
    """The models that can do a task here, by the order of their providers."""
    need, order = NEEDS.get(task, Need()), _configured()
    able = [model for model in usable_models(kind=need.kind) if not need.missing_in(model)]
    return sorted(able, key=lambda model: (order.index(model.provider), model.position))


def _require_different(names: Sequence[str]) -> None:
    for name in names:
        if names.count(name) > 1:
            raise Invalid(f"{name} stands in twice. Name each model once.", code="repeated_model", field="fallbacks")


def _tokens_needed(task: Task) -> int:
    """What a model's window has to hold beside the answer; 0 for a task without a prompt."""
    if not has_prompt(task):
        return 0
    return estimate_tokens(active_prompt(prompt_type=task).text) + OVERHEAD_TOKENS + LEAST_INPUT_TOKENS


def _why_unfit(task: Task, model: LLMModel, needed: int) -> str:
    reason = NEEDS.get(task, Need()).missing_in(model)
    if not reason and needed and model.context_window_tokens < needed + model.output_cap:
        reason = "its window is too small for the prompt and an answer"
    return f"{model.label} can't be used for “{task.label}”: {reason}." if reason else ""


def _fitting(prompt_type: str, provider: str, model_id: str) -> LLMModel:
    """Raises `BadRequest` with contract.md's two errors, and `Invalid` for what it does not know."""
    if not LLMModel.objects.filter(provider=provider).exists() and provider not in _configured():
        raise BadRequest("Unsupported provider", code="unsupported_provider", field="llm_provider")
    model = find_model(provider=provider, model_id=model_id)
    if model is None:
        raise BadRequest("Unsupported model", code="unsupported_model", field="llm_model")
    if provider not in _configured():
        choose_model(provider=provider, model_id=model_id, kind=model.kind)
    if reason := why_unfit(prompt_type=prompt_type, model=model):
        raise Invalid(reason, code="unfit_model", field="llm_model")
    return model

"""Which model and which prompt a task uses."""

import functools
import re
from collections.abc import Mapping
from typing import NamedTuple

from django.conf import settings
from django.db import connection, transaction
from django.db.models import Max, QuerySet

from accounts import audit
from accounts.models import User
from config.exceptions import Invalid
from integrations.llm import registry
from llmconfig.models import DefaultModel, LLMModel, Prompt, PromptType

LISTED_FIRST = ("anthropic", "grok", "openai")
PLACEHOLDER = re.compile(r"\{\{(\w+)\}\}")


class ActivePrompt(NamedTuple):
    """A task's system prompt before its placeholders are filled; `version` 0 is the built-in text."""

    text: str
    version: int


def choose_model(*, provider: str, model_id: str) -> LLMModel:
    """The active model with this name. Raises `Invalid` if there is none or its provider has no key here."""
    model = LLMModel.objects.filter(provider=provider, model_id=model_id, is_active=True).first()
    if model is None:
        raise Invalid(f"There is no model {provider}/{model_id}.", code="unknown_model", field="llm_model")
    if provider not in registry.configured():
        raise Invalid(
            f"The provider {provider} is not configured here. Choose another model, or ask an operator for its key.",
            code="provider_not_configured",
            field="llm_provider",
        )
    return model


def usable_models() -> QuerySet[LLMModel]:
    """Active models of the providers that can be asked here."""
    return LLMModel.objects.filter(is_active=True, provider__in=registry.configured())


def models_by_provider() -> dict[str, list[LLMModel]]:
    """All active models, each with `configured`; the providers of contract.md 4.2 in its order, then the others."""
    configured = registry.configured()
    groups: dict[str, list[LLMModel]] = {name: [] for name in LISTED_FIRST}
    for model in LLMModel.objects.filter(is_active=True):
        model.configured = model.provider in configured
        groups.setdefault(model.provider, []).append(model)
    return groups


def default_model(*, prompt_type: str) -> LLMModel:
    """The operators' choice for a task, else openai/gpt-4o if it has a key, else the first that can be used."""
    configured, usable = registry.configured(), usable_models()
    row = DefaultModel.objects.filter(prompt_type=prompt_type).first()
    if row and (chosen := usable.filter(provider=row.llm_provider, model_id=row.llm_model).first()):
        return chosen
    if standard := usable.filter(provider="openai", model_id="gpt-4o").first():
        return standard
    first = min(usable, key=lambda model: (configured.index(model.provider), model.position), default=None)
    if first is None:
        raise Invalid("No language model is configured here.", code="provider_not_configured")
    return first


@transaction.atomic
def set_default_model(*, prompt_type: str, provider: str, model_id: str, user: User | None) -> DefaultModel:
    """Makes a model the one that a task uses unless told otherwise. Raises `Invalid` as `choose_model` does."""
    model = choose_model(provider=provider, model_id=model_id)
    chosen = {"llm_provider": model.provider, "llm_model": model.model_id}
    before = DefaultModel.objects.filter(prompt_type=prompt_type).values(*chosen).first()
    row, _ = DefaultModel.objects.update_or_create(
        prompt_type=prompt_type, defaults={**chosen, "created_by_user": user}
    )
    audit.record("default_model.set", user=user, resource=prompt_type, before=before, after=chosen)
    return row


def active_prompt(*, prompt_type: str) -> ActivePrompt:
    row = Prompt.objects.filter(prompt_type=prompt_type, is_active=True).values_list("system_prompt", "version").first()
    return ActivePrompt(*row) if row else ActivePrompt(built_in_prompt(prompt_type), 0)


@functools.cache
def built_in_prompt(prompt_type: str) -> str:
    """The text that ships with Draftloom. `prompt_type` is one of `PromptType`."""
    return (settings.PROMPTS_DIR / f"{PromptType(prompt_type).value}.md").read_text("utf-8").strip()


def fill(template: str, values: Mapping[str, str]) -> str:
    """`template` with each `{{name}}` of `values` replaced, in one pass: inserted text can't bring in another one."""
    return PLACEHOLDER.sub(lambda match: values.get(match[1], match[0]), template)


def placeholders(template: str) -> set[str]:
    """The names that `fill` would look up."""
    return set(PLACEHOLDER.findall(template))


@transaction.atomic
def save_prompt(*, prompt_type: str, system_prompt: str, user: User | None, note: str = "") -> Prompt:
    """Stores a new version of a task's prompt and puts it into use."""
    versions = _lock_prompts(prompt_type)
    last, before = versions.aggregate(last=Max("version", default=0))["last"], _in_use(prompt_type)
    versions.filter(is_active=True).update(is_active=False)
    prompt = Prompt.objects.create(
        prompt_type=prompt_type, version=last + 1, system_prompt=system_prompt, note=note, created_by_user=user
    )
    audit.record("prompt.saved", user=user, resource=prompt_type, before=before, after=_in_use(prompt_type))
    return prompt


@transaction.atomic
def activate_prompt(*, prompt: Prompt) -> None:
    """Puts an earlier version back into use."""
    versions, before = _lock_prompts(prompt.prompt_type), _in_use(prompt.prompt_type)
    versions.filter(is_active=True).update(is_active=False)
    versions.filter(pk=prompt.pk).update(is_active=True)
    after = _in_use(prompt.prompt_type)
    audit.record("prompt.activated", resource=prompt.prompt_type, before=before, after=after)


@transaction.atomic
def revert_prompt(*, prompt_type: str) -> None:
    """Puts the built-in text back into use; the versions stay."""
    versions, before = _lock_prompts(prompt_type), _in_use(prompt_type)
    versions.filter(is_active=True).update(is_active=False)
    audit.record("prompt.reverted", resource=prompt_type, before=before, after=_in_use(prompt_type))


def _in_use(prompt_type: str) -> dict[str, int]:
    """What the audit tells of a prompt: the text is in its version's row."""
    return {"version": active_prompt(prompt_type=prompt_type).version}


def _lock_prompts(prompt_type: str) -> QuerySet[Prompt]:
    """The versions of a task, whose changes take turns until the transaction ends: also when there is none yet."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [f"prompts of {prompt_type}"])
    return Prompt.objects.filter(prompt_type=prompt_type)

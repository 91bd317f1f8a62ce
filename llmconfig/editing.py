"""How operators change the catalogue: what a model may be called, when it was priced, and while it is needed."""

from collections import Counter
from datetime import date
from decimal import Decimal
from typing import Any

from django.db import transaction
from django.db.models import Q, QuerySet
from django.forms.models import model_to_dict
from django.utils import timezone

from accounts import audit
from accounts.models import User
from config.exceptions import Conflict, Invalid
from llmconfig.models import DefaultModel, LLMModel, Task
from llmconfig.services import hold_choices, why_unfit

PRICES = ("input_price", "cached_input_price", "output_price")


def check_model(model: LLMModel) -> None:
    """Whether a model may be stored as it is. Raises `Invalid` with what is wrong and what to do about it."""
    if not isinstance(model.options, dict):
        raise Invalid('The options have to be a JSON object. Write {} for none, or {"name": "value"}.', field="options")
    _check_names(model)
    _check_needed(model, LLMModel.objects.filter(pk=model.pk).first())


@transaction.atomic
def save_model(*, model: LLMModel, user: User | None) -> None:
    """Stores a new or a changed model; a change of its prices is dated today. Raises `Invalid`."""
    hold_choices()
    check_model(model)
    stored = LLMModel.objects.filter(pk=model.pk).first()
    model.priced_on = _priced_on(model, stored)
    model.save()
    before, after = _changes(_told(stored), _told(model))
    if before or after:
        action = "model.changed" if stored else "model.added"
        audit.record(action, user=user, resource=str(model), before=before or None, after=after)


@transaction.atomic
def delete_model(*, model: LLMModel, user: User | None) -> None:
    """Raises `Conflict` while a task has the model as its default or as a stand-in."""
    hold_choices()
    if refusal := why_needed(model):
        raise Conflict(refusal, code="model_in_use")
    audit.record("model.deleted", user=user, resource=str(model), before=_told(model))
    model.delete()


def choices_of(model: LLMModel) -> QuerySet[DefaultModel]:
    """The choices that name a model, as the default or as a stand-in."""
    is_default = Q(llm_provider=model.provider, llm_model=model.model_id)
    rows = DefaultModel.objects.filter(is_default | Q(fallbacks__contains=[str(model)]), prompt_type__in=Task.values)
    return rows.order_by("prompt_type")


def why_needed(model: LLMModel) -> str:
    """Why a model has to stay, as a sentence; empty if it may go."""
    tasks = ", ".join(f"“{Task(row.prompt_type).label}”" for row in choices_of(model))
    return f"{model.label} is chosen for {tasks}. Choose another model there first." if tasks else ""


def _check_names(model: LLMModel) -> None:
    """Two models of a provider can't go by one name: which of them is asked would be chance."""
    names = {model.model_id, *model.aliases}
    others = LLMModel.objects.filter(provider=model.provider).exclude(pk=model.pk)
    for other in others.filter(Q(model_id__in=names) | Q(aliases__overlap=list(names))):
        name = next(name for name in (other.model_id, *other.aliases) if name in names)
        raise Invalid(
            f"{other.label} goes by the name {name} already. Take it away there, or use another one here.",
            field="model_id" if name == model.model_id else "aliases",
        )
    if repeated := [name for name, times in Counter(model.aliases).items() if times > 1]:
        raise Invalid(f"The alias {repeated[0]} is there twice. Name it once.", field="aliases")


def _check_needed(model: LLMModel, stored: LLMModel | None) -> None:
    """A model that is chosen for a task keeps its name, stays active, and stays able to do it."""
    if stored is None or not (chosen := why_needed(stored)):
        return
    if str(model) != str(stored):
        raise Invalid(f"The provider and the id can't change now: {chosen}", field="model_id")
    if not model.is_active:
        raise Invalid(f"It can't be switched off now: {chosen}", field="is_active")
    for row in choices_of(stored):
        if reason := why_unfit(prompt_type=row.prompt_type, model=model):
            raise Invalid(f"{reason} It is chosen for that; choose another model there first.")


def _priced_on(model: LLMModel, stored: LLMModel | None) -> date | None:
    prices = [getattr(model, name) for name in PRICES]
    if not any(price is not None for price in prices):
        return None
    is_same = stored is not None and prices == [getattr(stored, name) for name in PRICES]
    return stored.priced_on if stored and is_same else timezone.localdate()


def _told(model: LLMModel | None) -> dict[str, Any]:
    """A model for the audit, in what JSON has."""
    values = model_to_dict(model, exclude=["id"]) if model else {}
    return {name: str(value) if isinstance(value, Decimal | date) else value for name, value in values.items()}


def _changes(before: dict[str, Any], after: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """What differs, as it was and as it is."""
    changed = [name for name in after if before.get(name) != after[name] or name not in before]
    return {name: before[name] for name in changed if name in before}, {name: after[name] for name in changed}

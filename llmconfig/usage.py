"""What calls of models took, added up. A sum of costs holds the known ones and goes with the number of the others."""

from datetime import date
from decimal import Decimal
from typing import NamedTuple
from uuid import UUID

from django.db.models import Count, Q, QuerySet, Sum
from django.db.models.functions import Coalesce, TruncDate

from llmconfig.models import LLMCall

Outcome = LLMCall.Outcome
FAILED = Q(outcome__in=[Outcome.FAILED, Outcome.LOST])
COST_UNKNOWN = Q(cost_usd=None) & ~Q(outcome=Outcome.STARTED) & ~Q(outcome=Outcome.FAILED, input_tokens=None)
"""Not of a call that is under way, and not of one that failed before a word of it came, which nobody charges for."""
MOST_DIGITS = 18  # of a conversation's id: a larger number is no bigint


class Totals(NamedTuple):
    """Of a number of calls. `cost_usd` leaves out the `cost_unknown` calls whose price or tokens are not known."""

    calls: int
    failed: int
    input_tokens: int
    cached_tokens: int
    output_tokens: int
    cost_usd: Decimal
    cost_unknown: int


class DayOfModel(NamedTuple):
    """What one model took on one day (UTC)."""

    day: date
    provider: str
    model_id: str
    calls: int
    cost_usd: Decimal
    cost_unknown: int


_TOTALS = {
    "cost_unknown": Count("pk", COST_UNKNOWN),  # first: what follows hides columns behind sums of the same name
    "calls": Count("pk"),
    "failed": Count("pk", FAILED),
    "input_tokens": Coalesce(Sum("input_tokens"), 0),
    "cached_tokens": Coalesce(Sum("cached_tokens"), 0),
    "output_tokens": Coalesce(Sum("output_tokens"), 0),
    "cost_usd": Coalesce(Sum("cost_usd"), Decimal(0)),
}


def totals(calls: QuerySet[LLMCall]) -> Totals:
    """One query that reads all of `calls`: bound them by time."""
    return Totals(**calls.order_by().aggregate(**_TOTALS))


def totals_by_task(calls: QuerySet[LLMCall]) -> dict[str, Totals]:
    """The totals of each task that has any, by name."""
    rows = calls.order_by().values("task").annotate(**_TOTALS).order_by("task")
    return {row.pop("task"): Totals(**row) for row in rows}


def calls_of(conversation_id: int) -> QuerySet[LLMCall]:
    return LLMCall.objects.filter(conversation_id=conversation_id)


def by_day_and_model(calls: QuerySet[LLMCall], most: int) -> list[DayOfModel]:
    """The latest `most` pairs of a day and a model, the dearest of a day first. Reads all of `calls`, too."""
    sums = {name: _TOTALS[name] for name in ("cost_unknown", "calls", "cost_usd")}
    days = calls.order_by().annotate(day=TruncDate("created_at")).values("day", "provider", "model_id")
    rows = days.annotate(**sums).order_by("-day", "-cost_usd", "provider", "model_id")
    return [DayOfModel(**row) for row in rows[:most]]


def of_run_or_conversation(calls: QuerySet[LLMCall], word: str) -> QuerySet[LLMCall]:
    """The calls of a conversation, by its number, or of a run, by its UUID; of anything else none."""
    if word.isascii() and word.isdigit() and len(word) <= MOST_DIGITS:
        return calls.filter(conversation_id=int(word))
    try:
        return calls.filter(run_id=UUID(word))
    except ValueError:
        return calls.none()

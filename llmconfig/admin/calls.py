"""The back office of calls: what was asked of which model, how it ended, and what it cost."""

from collections.abc import Iterable
from datetime import timedelta
from decimal import Decimal
from functools import cached_property
from typing import Any
from urllib.parse import urlencode

from django.contrib import admin
from django.contrib.admin.views.main import ORDER_VAR, PAGE_VAR, SEARCH_VAR, ChangeList
from django.core.paginator import Paginator
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

from accounts.admin import HistoryAdmin
from llmconfig import usage
from llmconfig.models import LLMCall, LLMModel

PERIODS = {"1": "24 hours", "7": "7 days", "30": "30 days", "90": "90 days"}
USUAL_PERIOD = "7"
UNFILTERED = {"days", SEARCH_VAR, ORDER_VAR, PAGE_VAR}  # what in a query narrows nothing beyond the period
MOST_LISTED = 10_000
MOST_DAYS = 60  # rows of the table of costs


class PeriodFilter(admin.SimpleListFilter):
    """Always one of the periods, so that no page reads all calls there are; whoever searches for an id gets any age."""

    title, parameter_name = "period", "days"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Iterable[tuple[str, str]]:
        return PERIODS.items()

    def value(self) -> str:
        asked = super().value()
        return asked if asked in PERIODS else USUAL_PERIOD

    def choices(self, changelist: ChangeList) -> Any:
        """Without the usual “All”."""
        return list(super().choices(changelist))[1:]

    def queryset(self, request: HttpRequest, queryset: QuerySet[LLMCall]) -> QuerySet[LLMCall]:
        if _searched(request):
            return queryset
        return queryset.filter(created_at__gte=timezone.now() - timedelta(days=int(self.value())))


class ProviderFilter(admin.SimpleListFilter):
    """The providers of the catalogue: to collect those of all calls would read every one."""

    title = parameter_name = "provider"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Iterable[tuple[str, str]]:
        providers = LLMModel.objects.order_by("provider").values_list("provider", flat=True).distinct()
        return [(provider, provider) for provider in providers]

    def queryset(self, request: HttpRequest, queryset: QuerySet[LLMCall]) -> QuerySet[LLMCall]:
        return queryset.filter(provider=self.value()) if self.value() else queryset


class BoundedPaginator(Paginator):  # type: ignore[type-arg]  # takes no argument at run time
    """Pages through the first `MOST_LISTED` rows, so that counting them has an end."""

    @cached_property
    def count(self) -> int:
        return int(self.object_list[:MOST_LISTED].count())  # type: ignore[attr-defined]  # a QuerySet has it


def dollars(cost: Decimal | None) -> str:
    return "unknown" if cost is None else f"${cost:,.4f}"


@admin.register(LLMCall)
class LLMCallAdmin(HistoryAdmin):
    list_display = ["started", "task", "model_name", "how", "tokens", "cost", "times", "user", "run"]
    list_filter = [PeriodFilter, "task", ProviderFilter, "outcome"]
    show_facets = admin.ShowFacets.NEVER  # those of the period would count all calls there are
    sortable_by = ["started", "cost", "times"]
    search_fields = ["run_id", "conversation_id"]
    search_help_text = "The id of a run, or the number of a conversation: its calls of any age."
    paginator = BoundedPaginator
    list_per_page = 100
    joined = ["user"]
    readonly_fields = [
        "created_at",
        "task",
        "model_name",
        "prompt_version",
        "outcome",
        "error_code",
        "stop_reason",
        "input_tokens",
        "cached_tokens",
        "output_tokens",
        "is_estimated",
        "cost",
        "first_event_ms",
        "duration_ms",
        "user",
        "run",
        "conversation",
    ]

    @admin.display(description="started at (UTC)", ordering="created_at")
    def started(self, call: LLMCall) -> str:
        return f"{call.created_at:%Y-%m-%d %H:%M:%S}"

    @admin.display(description="outcome")
    def how(self, call: LLMCall) -> str:
        label = LLMCall.Outcome(call.outcome).label
        return f"{label}: {call.error_code}" if call.error_code else label

    @admin.display(description="tokens: in · cached · out")
    def tokens(self, call: LLMCall) -> str:
        counts = (call.input_tokens, call.cached_tokens, call.output_tokens)
        if call.input_tokens is None:
            return "-"
        return ("about " if call.is_estimated else "") + " · ".join(f"{count or 0:,}" for count in counts)

    @admin.display(description="seconds: first token · all", ordering="duration_ms")
    def times(self, call: LLMCall) -> str:
        spans = (call.first_event_ms, call.duration_ms)
        return " · ".join("-" if span is None else f"{span / 1000:.1f}" for span in spans)

    @admin.display(description="model")
    def model_name(self, call: LLMCall) -> str:
        return f"{call.provider}/{call.model_id}"

    @admin.display(ordering="cost_usd")
    def cost(self, call: LLMCall) -> str:
        return "-" if call.outcome == LLMCall.Outcome.STARTED else dollars(call.cost_usd)

    @admin.display(description="run")
    def run(self, call: LLMCall) -> str:
        return _calls_of(str(call.run_id)[-12:], call.run_id)

    @admin.display(description="conversation")
    def conversation(self, call: LLMCall) -> str:
        return _calls_of(str(call.conversation_id), call.conversation_id)

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[LLMCall], search_term: str
    ) -> tuple[QuerySet[LLMCall], bool]:
        word = search_term.strip()
        return (usage.of_run_or_conversation(queryset, word) if word else queryset), False

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        response = super().changelist_view(request, {**(extra_context or {}), "title": "Calls of language models"})
        context = getattr(response, "context_data", None)
        if context and "cl" in context:
            calls = context["cl"].queryset
            context["totals"], context["days"] = usage.totals(calls), usage.by_day_and_model(calls, MOST_DAYS)
            context["period"], context["is_filtered"] = _period(request), bool(request.GET.keys() - UNFILTERED)
            context["most_days"], context["most_listed"] = MOST_DAYS, MOST_LISTED
        return response


def _period(request: HttpRequest) -> str:
    """What the totals cover, as a person would say it."""
    if _searched(request):
        return "all times"
    return f"the last {PERIODS.get(request.GET.get(PeriodFilter.parameter_name, ''), PERIODS[USUAL_PERIOD])}"


def _searched(request: HttpRequest) -> str:
    """What was searched for; the admin takes a text with a null character for none."""
    word = request.GET.get(SEARCH_VAR, "").strip()
    return "" if "\0" in word else word


def _calls_of(text: str, found_by: Any) -> SafeString | str:
    """A link to the calls of a run or of a conversation."""
    if found_by is None:
        return "-"
    url = f"{reverse('admin:llmconfig_llmcall_changelist')}?{urlencode({SEARCH_VAR: found_by})}"
    return format_html('<a href="{}">{}</a>', url, text)

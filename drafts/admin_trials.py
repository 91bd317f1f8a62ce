"""The back office of prompt trials: what a version of the prompt would have made of the drafts of the last days."""

from typing import Any, NamedTuple, cast

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import Count, Q, QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse

from accounts.admin import HistoryAdmin
from accounts.models import User
from config.exceptions import DraftloomError, NotFound
from conversations.models import Run
from drafts import trials
from drafts.comparing import Comparison, compare
from drafts.models import PromptTrial, TrialDraft
from llmconfig import prompts
from llmconfig.admin.prompts import more_of_version, name_of
from llmconfig.models import Task


class HowMany(forms.Form):
    """Each draft costs what an answer costs, so that few are the usual number."""

    most = forms.IntegerField(label="Drafts, at most", min_value=1, max_value=trials.MOST, initial=5)


class Compared(NamedTuple):
    """A draft as it was written, and as the trial would have it; no comparison without a draft."""

    row: TrialDraft
    comparison: Comparison | None


@admin.register(PromptTrial)
class PromptTrialAdmin(HistoryAdmin):
    list_display = ["tried", "progress", "state", "user", "created_at"]
    list_filter = ["state"]
    list_display_links = ["tried"]
    ordering = ["-id"]  # UUIDv7: by time
    joined = ["user"]
    deferred = ["step", "partial"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        rows: QuerySet[Any] = super().get_queryset(request).filter(kind=Run.Kind.TRIAL)
        is_tried = ~Q(trial_drafts__description="") | ~Q(trial_drafts__error="")
        rows = rows.annotate(drafts=Count("trial_drafts"), tried_drafts=Count("trial_drafts", filter=is_tried))
        return rows

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return trials.may_try(cast(User, request.user))

    def has_add_permission(self, request: HttpRequest) -> bool:
        return trials.may_try(cast(User, request.user))

    def has_module_permission(self, request: HttpRequest) -> bool:
        return self.has_view_permission(request)

    @admin.display(description="prompt")
    def tried(self, trial: Any) -> str:
        return name_of(_version(trial)).capitalize()

    @admin.display(description="drafts")
    def progress(self, trial: Any) -> str:
        return f"{trial.tried_drafts} of {trial.drafts}"

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Shows which drafts a version would be tried on, and starts the trial."""
        if not self.has_add_permission(request):
            raise PermissionDenied
        version = _asked_version(request)
        form = HowMany(request.POST or None, label_suffix="")
        if form.is_valid():
            return self._start(request, version, form.cleaned_data["most"])
        return self._page(
            request,
            "try",
            title=f"Try {name_of(version)} on the drafts of the last {trials.DAYS} days",
            version=version,
            form=form,
            sample=trials.sample(user=cast(User, request.user)),
            lacking=trials.lacking(version),
        )

    def _start(self, request: HttpRequest, version: int, most: int) -> HttpResponse:
        try:
            run = trials.start_trial(user=cast(User, request.user), version=version, most=most)
        except DraftloomError as error:
            self.message_user(request, error.detail, messages.ERROR)
            under_way = error.extra.get("run_id")
            return _to_trial(under_way) if under_way else HttpResponseRedirect(request.get_full_path())
        return _to_trial(str(run.pk))

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """The drafts of a trial beside those that there are; a POST stops it."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        trial = self.get_object(request, object_id)
        if trial is None:
            raise Http404
        if request.method == "POST":
            trials.stop_trial(user=cast(User, request.user), run=trial)
            return HttpResponseRedirect(request.path)
        return self._page(request, "trial", **_shown(request, trial))

    def _page(self, request: HttpRequest, template: str, **context: Any) -> HttpResponse:
        context |= self.admin_site.each_context(request) | {"opts": self.opts, "task": Task.GENERATION}
        return TemplateResponse(request, f"admin/drafts/prompttrial/{template}.html", context)


def _asked_version(request: HttpRequest) -> int:
    """The one in production unless `?version=` names another. Raises `Http404` for one that is not there."""
    asked = request.GET.get("version") or str(prompts.in_production()[Task.GENERATION])
    if not (asked.isascii() and asked.isdigit() and len(asked) < 10):
        raise Http404
    try:
        prompts.text_of(prompt_type=Task.GENERATION, version=int(asked))
    except NotFound as error:
        raise Http404(error.detail) from error
    return int(asked)


def _to_trial(run_id: str) -> HttpResponseRedirect:
    return HttpResponseRedirect(reverse("admin:drafts_prompttrial_change", args=[run_id]))


def _shown(request: HttpRequest, trial: Run) -> dict[str, Any]:
    version = _version(trial)
    return {
        "title": f"Trial of {name_of(version)}",
        "trial": trial,
        "version": version,
        "production": prompts.in_production()[Task.GENERATION],
        "drafts": [_compared(row) for row in trials.drafts_of(user=cast(User, request.user), run=trial)],
    }


def _version(trial: Run) -> int:
    return int(trial.payload.get("prompt_version", 0))


def _compared(row: TrialDraft) -> Compared:
    is_draft = row.description and not row.error
    return Compared(row, compare(row.version.description, row.description) if is_draft else None)


def _offer(task: str, version: int) -> tuple[str, str] | None:
    if task != Task.GENERATION:
        return None
    return "Try on last week's drafts…", f"{reverse('admin:drafts_prompttrial_add')}?version={version}"


more_of_version.append(_offer)

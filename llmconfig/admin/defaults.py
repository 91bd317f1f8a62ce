"""The back office of defaults: which model each task uses, why, and which ones stand in for it."""

from collections.abc import Sequence
from itertools import groupby
from typing import Any, cast

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse

from accounts.admin import LeanAdmin
from accounts.models import User
from config.exceptions import Invalid
from llmconfig import services
from llmconfig.admin.catalogue import provider_name
from llmconfig.models import DefaultModel, LLMModel, Task
from llmconfig.overview import tasks_in_use

STAND_INS = 5
Choices = list[tuple[str, str | list[tuple[str, str]]]]


class DefaultModelForm(forms.Form):
    """The model of a task and up to `STAND_INS` others, each as `provider/model`, of those that fit.

    A model that was chosen and can't be used any more stays visible until somebody chooses another one.
    """

    model = forms.CharField(label="It uses", widget=forms.Select)

    def __init__(self, task: Task, row: DefaultModel | None, data: Any = None) -> None:
        chosen = _chosen(row)
        super().__init__(data, initial=_initial(chosen), label_suffix="")
        fitting = services.fitting_models(prompt_type=task)
        self.task, self._passed_over = task, [name for name in chosen if name not in map(str, fitting)]
        for number in range(1, max(STAND_INS, len(chosen) - 1) + 1):
            self.fields[_stand_in(number)] = forms.CharField(label="then", required=False, widget=forms.Select)
        for name, field in self.fields.items():
            cast(forms.Select, field.widget).choices = _choices(fitting, self._passed_over, empty=name != "model")

    def clean(self) -> None:
        for name in self.fields:
            if self.cleaned_data.get(name) in self._passed_over:
                self.add_error(name, "This model is switched off, has no key here, or can't do this. Choose another.")

    def save(self, user: User) -> DefaultModel | None:
        """What the operator chose, stored; None, with the reason among the errors, if it was refused."""
        provider, _, model_id = self.cleaned_data["model"].partition("/")
        fallbacks = [self.cleaned_data[name] for name in self.fields if name != "model" and self.cleaned_data[name]]
        try:
            return services.set_default_model(
                prompt_type=self.task, provider=provider, model_id=model_id, user=user, fallbacks=fallbacks
            )
        except Invalid as error:
            self.add_error(None, error.detail)
            return None


def _stand_in(number: int) -> str:
    return f"fallback_{number}"


def _chosen(row: DefaultModel | None) -> list[str]:
    return [f"{row.llm_provider}/{row.llm_model}", *row.fallbacks] if row else []


def _initial(chosen: Sequence[str]) -> dict[str, str]:
    return {_stand_in(number) if number else "model": name for number, name in enumerate(chosen)}


def _choices(fitting: Sequence[LLMModel], passed_over: Sequence[str], *, empty: bool) -> Choices:
    choices: Choices = [("", "nothing else" if empty else "Choose a model")]
    choices += [(name, f"{name} (can't be used now)") for name in passed_over]
    for provider, models in groupby(fitting, key=lambda model: model.provider):
        choices.append((provider_name(provider), [(str(model), model.label) for model in models]))
    return choices


@admin.register(DefaultModel)
class DefaultModelAdmin(LeanAdmin):
    """A page of all tasks and one of each; a task without a row uses what `services.find_default` finds."""

    def get_urls(self) -> list[URLPattern]:
        edit = self.admin_site.admin_view(self.edit_view)
        return [path("<slug:task>/edit/", edit, name="llmconfig_defaultmodel_edit"), *super().get_urls()]

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: DefaultModel | None = None) -> bool:
        return False

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        if not self.has_view_permission(request):
            raise PermissionDenied
        return self._page(request, "change_list", title="Which model each task uses", tasks=tasks_in_use())

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Where the log's links lead: the page of the row's task."""
        row = self.get_object(request, object_id)
        if row is None or row.prompt_type not in Task.values:
            raise Http404
        return HttpResponseRedirect(reverse("admin:llmconfig_defaultmodel_edit", args=[row.prompt_type]))

    def edit_view(self, request: HttpRequest, task: str) -> HttpResponse:
        if not self.has_change_permission(request):
            raise PermissionDenied
        if task not in Task.values:
            raise Http404
        row = DefaultModel.objects.filter(prompt_type=task).first()
        if request.method == "POST" and "_automatic" in request.POST:
            return self._clear(request, Task(task), row)
        form = DefaultModelForm(Task(task), row, request.POST if request.method == "POST" else None)
        if form.is_valid() and (saved := form.save(cast(User, request.user))):
            self.log_change(request, saved, [{"changed": {"fields": ["model", "stand-ins"]}}])
            return self._told(request, f"{Task(task).label} now uses {saved.llm_provider}/{saved.llm_model}.")
        return self._page(request, "edit", title=Task(task).label, form=form, row=row)

    def _clear(self, request: HttpRequest, task: Task, row: DefaultModel | None) -> HttpResponse:
        services.clear_default_model(prompt_type=task, user=cast(User, request.user))
        if row:
            self.log_change(request, row, "Back to automatic.")
        return self._told(request, f"{task.label} now uses what fits best of what is configured.")

    def _told(self, request: HttpRequest, sentence: str) -> HttpResponse:
        self.message_user(request, sentence, messages.SUCCESS)
        return HttpResponseRedirect(reverse("admin:llmconfig_defaultmodel_changelist"))

    def _page(self, request: HttpRequest, template: str, **context: Any) -> HttpResponse:
        context |= self.admin_site.each_context(request) | {"opts": self.opts}
        return TemplateResponse(request, f"admin/llmconfig/defaultmodel/{template}.html", context)

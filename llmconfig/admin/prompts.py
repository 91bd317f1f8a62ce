"""The back office of prompts: the versions of each task, what differs between two, and which one is in production."""

from collections.abc import Callable, Collection, Sequence
from itertools import groupby
from typing import Any, NamedTuple, cast

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.widgets import AdminTextareaWidget
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse

from accounts.admin import HistoryAdmin
from accounts.models import User
from config.exceptions import NotFound
from config.limits import PROMPT_CHARACTERS, PROMPT_NOTE_CHARACTERS
from integrations.llm.tokens import estimate_tokens
from llmconfig import prompts
from llmconfig.models import PROMPT_CHOICES, PROMPTED, Prompt, Task

more_of_version: list[Callable[[str, int], tuple[str, str] | None]] = []
"""What apps above this one can do with a version of a task's prompt: the words of a link and its address, or None."""

CONTEXT_LINES = 3  # on both sides of a difference


class Stretch(NamedTuple):
    """Neighbouring lines of a comparison; those far from any difference are folded."""

    lines: list[prompts.Line]
    is_folded: bool


def stretches(lines: Sequence[prompts.Line]) -> list[Stretch]:
    changed = [at for at, line in enumerate(lines) if line.kind != "equal"]
    near = {at + distance for at in changed for distance in range(-CONTEXT_LINES, CONTEXT_LINES + 1)}
    groups = groupby(enumerate(lines), key=lambda pair: pair[0] not in near)
    return [Stretch([line for _, line in group], is_far) for is_far, group in groups]


class PromptForm(forms.Form):
    """A new version of a task's prompt."""

    prompt_type = forms.ChoiceField(choices=PROMPT_CHOICES, widget=forms.HiddenInput)
    system_prompt = forms.CharField(
        label="Text", max_length=PROMPT_CHARACTERS, widget=AdminTextareaWidget(attrs={"rows": 28})
    )
    note = forms.CharField(
        max_length=PROMPT_NOTE_CHARACTERS,
        required=False,
        help_text="What is different, and why: for whoever looks at the history.",
        widget=forms.TextInput(attrs={"class": "vTextField"}),
    )
    is_active = forms.BooleanField(label="Make it production now", required=False, initial=True)

    def clean_system_prompt(self) -> str:
        """Browsers end the lines of a form with CR LF."""
        return str(self.cleaned_data["system_prompt"]).replace("\r\n", "\n")


@admin.register(Prompt)
class PromptAdmin(HistoryAdmin):
    """A prompt is changed by adding a version. What was in production stays, to go back to; version 0 is built in."""

    list_display = ["name", "is_active", "note", "created_by_user", "created_at"]
    list_filter = ["prompt_type", "is_active"]
    search_fields = ["system_prompt", "note"]
    joined = ["created_by_user"]
    deferred = ["system_prompt"]

    @admin.display(description="version", ordering="prompt_type")
    def name(self, prompt: Prompt) -> str:
        return f"{Task(prompt.prompt_type).label}, version {prompt.version}"

    def get_urls(self) -> list[URLPattern]:
        show, activate = map(self.admin_site.admin_view, (self.version_view, self.activate_view))
        return [
            path("<slug:task>/<int:version>/", show, name="llmconfig_prompt_version"),
            path("<slug:task>/<int:version>/activate/", activate, name="llmconfig_prompt_activate"),
            *super().get_urls(),
        ]

    def has_add_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("llmconfig.add_prompt")

    def has_activate_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("llmconfig.change_prompt")

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        versions = prompts.in_production()
        tasks = [(task, versions[task]) for task in PROMPTED]
        return super().changelist_view(request, {**(extra_context or {}), "tasks": tasks, "title": "Prompts"})

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """A version is never changed: this is the page that shows it."""
        if request.method == "POST":
            raise PermissionDenied
        prompt = self.get_object(request, object_id)
        if prompt is None:
            raise Http404
        return self.version_view(request, prompt.prompt_type, prompt.version)

    def version_view(self, request: HttpRequest, task: str, version: int) -> HttpResponse:
        """One version beside another one: the one in production, unless `?compare=` names one."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        text = _text(task, version)
        rows = {prompt.version: prompt for prompt in prompts.versions_of(prompt_type=task).defer("system_prompt")}
        production = prompts.in_production()[task]
        other = _compared(request, {*rows, 0} - {version}, production if production != version else version - 1)
        return self._page(
            request,
            "version",
            title=f"{Task(task).label}: {name_of(version)}",
            text=text,
            prompt=rows.get(version),
            version=version,
            production=production,
            other=other,
            versions=[*rows, 0],
            more=_more(task, version),
            stretches=stretches(prompts.compare(prompt_type=task, older=other, newer=version)),
            **_about(task, text),
        )

    def activate_view(self, request: HttpRequest, task: str, version: int) -> HttpResponse:
        """Asks, and then makes a version production."""
        if not self.has_activate_permission(request):
            raise PermissionDenied
        text = _text(task, version)
        if request.method == "POST":
            prompts.activate_version(prompt_type=task, version=version)
            self._log_activation(request, task, version)
            return self._to_version(request, task, version, f"{Task(task).label}: {name_of(version)} is in production.")
        production = prompts.in_production()[task]
        return self._page(
            request,
            "activate",
            title=f"Make {name_of(version)} of “{Task(task).label}” production?",
            version=version,
            production=production,
            more=_more(task, version),
            stretches=stretches(prompts.compare(prompt_type=task, older=production, newer=version)),
            **_about(task, text),
        )

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """The form of a new version: it begins with the text of `?version=`, or with the one in production."""
        if not self.has_add_permission(request):
            raise PermissionDenied
        form = PromptForm(request.POST, label_suffix="") if request.method == "POST" else _form_from(request)
        if form.is_valid():
            if "_preview" not in request.POST:
                return self._save(request, form.cleaned_data)
            shown = _preview(form.cleaned_data["prompt_type"], form.cleaned_data["system_prompt"])
        else:
            shown = {}
        task = form["prompt_type"].value()
        label = Task(task).label if prompts.has_prompt(task) else "unknown task"
        return self._page(request, "new_version", title=f"New version: {label}", form=form, **shown)

    def _save(self, request: HttpRequest, values: dict[str, Any]) -> HttpResponse:
        saved = prompts.save_prompt(**values, user=cast(User, request.user))
        self.log_addition(request, saved, [{"added": {}}])
        for warning in prompts.placeholder_warnings(prompt_type=saved.prompt_type, text=saved.system_prompt):
            self.message_user(request, warning.sentence, messages.WARNING)
        state = "is in production" if saved.is_active else "is stored, and not in production"
        sentence = f"{Task(saved.prompt_type).label}: {name_of(saved.version)} {state}."
        return self._to_version(request, saved.prompt_type, saved.version, sentence)

    def _log_activation(self, request: HttpRequest, task: str, version: int) -> None:
        """In the history of the version; the built-in text has none, but it is in the audit like all others."""
        if prompt := Prompt.objects.filter(prompt_type=task, version=version).first():
            self.log_change(request, prompt, "Made production.")

    def _to_version(self, request: HttpRequest, task: str, version: int, sentence: str) -> HttpResponse:
        self.message_user(request, sentence, messages.SUCCESS)
        return HttpResponseRedirect(reverse("admin:llmconfig_prompt_version", args=[task, version]))

    def _page(self, request: HttpRequest, template: str, **context: Any) -> HttpResponse:
        context |= self.admin_site.each_context(request) | {"opts": self.opts}
        return TemplateResponse(request, f"admin/llmconfig/prompt/{template}.html", context)


def _text(task: str, version: int) -> str:
    if not prompts.has_prompt(task):
        raise Http404
    try:
        return prompts.text_of(prompt_type=task, version=version)
    except NotFound as error:
        raise Http404(error.detail) from error


def name_of(version: int) -> str:
    return f"version {version}" if version else "the built-in text"


def _more(task: str, version: int) -> list[tuple[str, str]]:
    return [link for offer in more_of_version if (link := offer(task, version))]


def _compared(request: HttpRequest, versions: Collection[int], usual: int) -> int:
    asked = request.GET.get("compare", "")
    return next((version for version in versions if str(version) == asked), max(usual, 0))


def _about(task: str, text: str) -> dict[str, Any]:
    """What is worth knowing of a text before it is used."""
    return {
        "task": Task(task),
        "tokens": estimate_tokens(text),
        "placeholders": sorted(prompts.placeholders(text) & prompts.placeholders(prompts.built_in_prompt(task))),
        "warnings": prompts.placeholder_warnings(prompt_type=task, text=text),
    }


def _preview(task: str, text: str) -> dict[str, Any]:
    production = prompts.active_prompt(prompt_type=task)
    compared = stretches(prompts.compare_texts(production.text, text))
    return {"production": production.version, "stretches": compared, **_about(task, text)}


def _form_from(request: HttpRequest) -> PromptForm:
    asked, version = request.GET.get("prompt_type", ""), request.GET.get("version", "")
    task = asked if prompts.has_prompt(asked) else PROMPTED[0].value
    number = int(version) if version.isascii() and version.isdigit() else prompts.in_production()[task]
    return PromptForm(initial={"prompt_type": task, "system_prompt": _text(task, number)}, label_suffix="")

"""The back office of models and prompts."""

from typing import Any, cast

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.widgets import AdminTextareaWidget
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse

from accounts.admin import HistoryAdmin, LeanAdmin
from accounts.models import User
from config.limits import PROMPT_CHARACTERS
from integrations.llm import registry
from llmconfig import services
from llmconfig.models import DefaultModel, LLMModel, Prompt, PromptType

PROVIDER_NAMES = {"openai": "OpenAI"}


@admin.register(LLMModel)
class LLMModelAdmin(LeanAdmin):
    list_display = [
        "label",
        "provider",
        "model_id",
        "context_window_tokens",
        "supports_images",
        "supports_pdfs",
        "supports_tools",
        "position",
        "is_active",
        "has_key",
    ]
    list_filter = ["provider", "is_active"]
    search_fields = ["label", "provider", "model_id"]

    @admin.display(boolean=True)
    def has_key(self, model: LLMModel) -> bool:
        return model.provider in registry.configured()


class PromptForm(forms.ModelForm):  # type: ignore[type-arg]  # takes no argument at run time
    system_prompt = forms.CharField(max_length=PROMPT_CHARACTERS, widget=AdminTextareaWidget(attrs={"rows": 32}))

    class Meta:
        model = Prompt
        fields = ["prompt_type", "system_prompt", "note"]

    def clean_system_prompt(self) -> str:
        """Browsers end the lines of a form with CR LF."""
        return str(self.cleaned_data["system_prompt"]).replace("\r\n", "\n")


@admin.register(Prompt)
class PromptAdmin(HistoryAdmin):
    """A prompt is changed by adding a version, which comes into use at once; what was in use stays to go back to."""

    form = PromptForm
    list_display = ["__str__", "prompt_type", "version", "is_active", "note", "created_by_user", "created_at"]
    list_filter = ["prompt_type", "is_active"]
    search_fields = ["system_prompt", "note"]
    joined = ["created_by_user"]
    deferred = ["system_prompt"]
    actions = ["put_into_use", "go_back_to_built_in"]

    def has_add_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("llmconfig.add_prompt")

    def has_activate_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("llmconfig.change_prompt")

    def get_fields(self, request: HttpRequest, obj: Prompt | None = None) -> Any:
        return self.get_readonly_fields(request, obj) if obj else PromptForm.Meta.fields

    def get_readonly_fields(self, request: HttpRequest, obj: Prompt | None = None) -> Any:
        read_only = ["prompt_type", "version", "is_active", "note", "created_by_user", "created_at", "system_prompt"]
        return read_only if obj else []

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        asked = request.GET.get("prompt_type", "")
        prompt_type = asked if asked in PromptType.values else PromptType.values[0]
        return {
            "prompt_type": prompt_type,
            "system_prompt": services.active_prompt(prompt_type=prompt_type).text,
        }

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        tasks = [
            {
                "name": task.value,
                "label": task.label,
                "version": services.active_prompt(prompt_type=task).version,
                "built_in": services.built_in_prompt(task),
            }
            for task in PromptType
        ]
        return super().changelist_view(request, {**(extra_context or {}), "tasks": tasks})

    def save_model(self, request: HttpRequest, obj: Prompt, form: Any, change: bool) -> None:
        saved = services.save_prompt(
            prompt_type=obj.prompt_type,
            system_prompt=obj.system_prompt,
            note=obj.note,
            user=cast(User, request.user),
        )
        obj.pk, obj.version = saved.pk, saved.version
        self._tell_placeholders(request, obj)

    def _tell_placeholders(self, request: HttpRequest, prompt: Prompt) -> None:
        """A text may leave one out, and then loses what would stand there; one that is unknown is probably a slip."""
        known = services.placeholders(services.built_in_prompt(prompt.prompt_type))
        used = services.placeholders(prompt.system_prompt)
        if unknown := sorted(used - known):
            self.message_user(request, f"Nothing is put in place of {_braced(unknown)}.", messages.WARNING)
        if unused := sorted(known - used):
            self.message_user(request, f"This text does without {_braced(unused)}.", messages.WARNING)

    @admin.action(description="Put this version into use", permissions=["activate"])
    def put_into_use(self, request: HttpRequest, queryset: QuerySet[Prompt]) -> None:
        prompt, *others = queryset
        if others:
            self.message_user(request, "Choose one version.", messages.ERROR)
            return
        services.activate_prompt(prompt=prompt)
        self._tell(request, prompt, f"version {prompt.version}")

    @admin.action(description="Go back to the built-in text", permissions=["activate"])
    def go_back_to_built_in(self, request: HttpRequest, queryset: QuerySet[Prompt]) -> None:
        for prompt in {prompt.prompt_type: prompt for prompt in queryset}.values():
            services.revert_prompt(prompt_type=prompt.prompt_type)
            self._tell(request, prompt, "the built-in text")

    def _tell(self, request: HttpRequest, prompt: Prompt, what: str) -> None:
        self.log_change(request, prompt, f"Put {what} into use.")
        label = PromptType(prompt.prompt_type).label
        self.message_user(request, f"{label}: {what} is in use now.", messages.SUCCESS)


def _braced(names: list[str]) -> str:
    return ", ".join(f"{{{{{name}}}}}" for name in names)


class ModelChoiceField(forms.ModelChoiceField):  # type: ignore[type-arg]  # takes no argument at run time
    def label_from_instance(self, model: Any) -> str:
        provider = PROVIDER_NAMES.get(model.provider, model.provider.capitalize())
        return f"{provider} · {model.label}"


class DefaultModelForm(forms.ModelForm):  # type: ignore[type-arg]  # takes no argument at run time
    """Offers the models that this installation can ask."""

    model = ModelChoiceField(
        queryset=LLMModel.objects.none(), help_text="Active models of providers that have a key here."
    )

    class Meta:
        model = DefaultModel
        fields = ["prompt_type"]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        usable = services.usable_models()
        cast(ModelChoiceField, self.fields["model"]).queryset = usable
        named = usable.filter(provider=self.instance.llm_provider, model_id=self.instance.llm_model)
        self.initial["model"] = named.first()


@admin.register(DefaultModel)
class DefaultModelAdmin(LeanAdmin):
    """The model of each task; a task without a row here uses what `services.default_model` finds."""

    form = DefaultModelForm
    list_display = ["prompt_type", "llm_provider", "llm_model", "created_by_user", "updated_at"]
    ordering = ["prompt_type"]
    joined = ["created_by_user"]
    fields = ["prompt_type", "model", "created_by_user", "updated_at"]
    readonly_fields = ["created_by_user", "updated_at"]

    def get_readonly_fields(self, request: HttpRequest, obj: DefaultModel | None = None) -> Any:
        return ["prompt_type", *self.readonly_fields] if obj else self.readonly_fields

    def save_model(self, request: HttpRequest, obj: DefaultModel, form: Any, change: bool) -> None:
        model = form.cleaned_data["model"]
        saved = services.set_default_model(
            prompt_type=obj.prompt_type,
            provider=model.provider,
            model_id=model.model_id,
            user=cast(User, request.user),
        )
        obj.pk, obj.llm_provider, obj.llm_model = saved.pk, saved.llm_provider, saved.llm_model

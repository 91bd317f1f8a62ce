"""The back office of the models there are: what each can do, what it costs, and who may ask it."""

from collections.abc import Callable, Iterable
from decimal import Decimal
from typing import Any, cast

from django import forms
from django.contrib import admin, messages
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect

from accounts.admin import LeanAdmin
from accounts.models import User
from config.exceptions import DraftloomError, Invalid
from integrations.llm import registry
from llmconfig import editing
from llmconfig.models import LLMModel
from llmconfig.services import OFFLINE

PROVIDER_NAMES = {"openai": "OpenAI"}
IDENTITY = ["provider", "model_id", "label", "aliases", "kind", "is_active", "position"]
WIRE = ["api_flavour", "options"]
WHAT_IT_CAN_DO = [
    "context_window_tokens",
    "output_cap_tokens",
    "supports_images",
    "supports_pdfs",
    "supports_tools",
]
LEAST_WINDOW = 1024  # as the table says
ABOUT_PRICES = (
    "US dollars for a million tokens. Leave empty what you don't know: what a call costs is then unknown, too. "
    "A call keeps the cost of its day."
)


def provider_name(provider: str) -> str:
    """As people write it."""
    return PROVIDER_NAMES.get(provider, provider.capitalize())


def price(dollars: Decimal | None) -> str:
    """US dollars without needless zeros, but at least two decimals; one that nobody has entered is not 0."""
    if dollars is None:
        return "unknown"
    return f"{dollars:.2f}" if dollars == round(dollars, 2) else f"{dollars.normalize():f}"


FIELDSETS: Any = [
    (None, {"fields": IDENTITY}),
    ("What it can do", {"fields": WHAT_IT_CAN_DO}),
    ("Prices", {"fields": [*editing.PRICES, "priced_on"], "description": ABOUT_PRICES}),
    ("How it is asked", {"fields": WIRE}),
]


class LLMModelForm(forms.ModelForm):  # type: ignore[type-arg]  # takes no argument at run time
    context_window_tokens = forms.IntegerField(
        min_value=LEAST_WINDOW,
        help_text="Input and output together.",
        error_messages={"min_value": "Fewer than %(limit_value)s tokens have no room for a draft. Check the number."},
    )

    class Meta:
        model = LLMModel
        fields = [*IDENTITY, *WHAT_IT_CAN_DO, *editing.PRICES, *WIRE]

    def clean_aliases(self) -> list[str]:
        return [alias.strip() for alias in self.cleaned_data["aliases"] if alias.strip()]

    def _post_clean(self) -> None:
        """The catalogue's rules, once all fields make sense by themselves."""
        super()._post_clean()  # type: ignore[misc]  # the stubs lack it
        if self.errors:
            return
        try:
            editing.check_model(self.instance)
        except Invalid as error:
            self.add_error(error.field or None, error.detail)


@admin.register(LLMModel)
class LLMModelAdmin(LeanAdmin):
    form = LLMModelForm
    list_display = ["label", "name", "kind", "context_window", "abilities", "prices", "is_active", "has_key"]
    list_filter = ["provider", "kind", "is_active"]
    search_fields = ["label", "provider", "model_id"]
    readonly_fields = ["priced_on"]
    fieldsets = FIELDSETS

    @admin.display(description="asked for as", ordering="provider")
    def name(self, model: LLMModel) -> str:
        return str(model)

    @admin.display(description="window", ordering="context_window_tokens")
    def context_window(self, model: LLMModel) -> str:
        return f"{model.context_window_tokens:,}"

    @admin.display(description="can do")
    def abilities(self, model: LLMModel) -> str:
        names = {"images": model.supports_images, "PDFs": model.supports_pdfs, "tools": model.supports_tools}
        return ", ".join(name for name, is_supported in names.items() if is_supported) or "-"

    @admin.display(description="$ per million: in · cached · out", ordering="input_price")
    def prices(self, model: LLMModel) -> str:
        prices = [getattr(model, name) for name in editing.PRICES]
        return " · ".join(map(price, prices)) if any(known is not None for known in prices) else "unknown"

    @admin.display(boolean=True)
    def has_key(self, model: LLMModel) -> bool:
        return model.provider in (*registry.configured(), OFFLINE)

    def changeform_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        return self._telling(request, lambda: super(LLMModelAdmin, self).changeform_view(request, *args, **kwargs))

    def delete_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        return self._telling(request, lambda: super(LLMModelAdmin, self).delete_view(request, *args, **kwargs))

    def _telling(self, request: HttpRequest, view: Callable[[], HttpResponse]) -> HttpResponse:
        """What `view` answers; a refusal, for which something must have changed since the page was shown, in words."""
        try:
            return view()
        except DraftloomError as error:
            self.message_user(request, error.detail, messages.ERROR)
            return HttpResponseRedirect(request.path)

    def save_model(self, request: HttpRequest, obj: LLMModel, form: Any, change: bool) -> None:
        editing.save_model(model=obj, user=cast(User, request.user))

    def delete_model(self, request: HttpRequest, obj: LLMModel) -> None:
        editing.delete_model(model=obj, user=cast(User, request.user))

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[LLMModel]) -> None:
        for model in queryset:
            self.delete_model(request, model)

    def get_deleted_objects(self, objs: Iterable[Model], request: HttpRequest) -> Any:
        """What would go; a model that a task needs is among those that are protected, with the reason."""
        models = [model for model in objs if isinstance(model, LLMModel)]
        shown, counts, missing_permissions, protected = super().get_deleted_objects(models, request)
        return shown, counts, missing_permissions, [*protected, *filter(None, map(editing.why_needed, models))]

"""Language models as operators see them: which exist, which are the defaults, what they are told, what they cost."""

from decimal import Decimal
from typing import Any, ClassVar

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q

from accounts.models import User
from config.limits import PROMPT_NOTE_CHARACTERS
from config.text import uuid7

MILLION = Decimal(1_000_000)


class Task(models.TextChoices):
    """What a model is asked for. Each task has a default model, and all but embedding have a prompt."""

    GENERATION = "project_draft_generation", "Draft generation"
    CHAT = "project_draft_chat", "Draft chat"
    CONVERSATION_SUMMARY = "conversation_summary", "Conversation summary"
    DOCUMENT_SUMMARY = "document_summary", "Document summary"
    IMAGE_CAPTION = "image_caption", "Image caption"
    KEYWORDS = "keywords", "Keywords"
    EMBEDDING = "embedding", "Embedding"


PROMPTED = [task for task in Task if task is not Task.EMBEDDING]
PROMPT_CHOICES = [(task.value, task.label) for task in PROMPTED]


class LLMModel(models.Model):
    """One model of one provider, with the facts that decide what it may be asked.

    `context_window_tokens` is input and output together. `aliases` are other names it is asked for by.
    `output_cap_tokens` replaces `PROJECT_DRAFT_MAX_COMPLETION_TOKENS` for a model whose thinking counts as output.
    `options` tells the provider's code about the model's wire, such as `max_tokens_field`. Prices are US dollars for a
    million tokens; an empty one is unknown, and then so is the cost of every call.
    """

    class Kind(models.TextChoices):
        CHAT = "chat", "writes text"
        EMBEDDING = "embedding", "turns text into vectors"

    class Flavour(models.TextChoices):
        """Which of OpenAI's APIs the model is asked through; empty for the usual one, or a provider's only one."""

        CHAT = "chat", "Chat Completions"
        RESPONSES = "responses", "Responses"

    provider = models.CharField(max_length=40)
    model_id = models.CharField("model id", max_length=120)
    label = models.CharField(max_length=120)
    kind = models.CharField(max_length=20, choices=Kind.choices, default=Kind.CHAT)
    aliases = ArrayField(
        models.CharField(max_length=120), default=list, blank=True, help_text="Other names for it, comma-separated."
    )
    context_window_tokens = models.PositiveIntegerField(help_text="Input and output together.")
    output_cap_tokens = models.PositiveIntegerField(
        null=True, blank=True, help_text="For a model that thinks: its answer and its thinking. Empty: the usual cap."
    )
    supports_images = models.BooleanField("images", default=False)
    supports_pdfs = models.BooleanField("PDFs", default=False)
    supports_tools = models.BooleanField("tools", default=True)
    api_flavour = models.CharField("API", max_length=20, choices=Flavour.choices, blank=True)
    options = models.JSONField(default=dict, blank=True)
    input_price = models.DecimalField(max_digits=10, decimal_places=4, null=True, blank=True)
    cached_input_price = models.DecimalField(max_digits=10, decimal_places=4, null=True, blank=True)
    output_price = models.DecimalField(max_digits=10, decimal_places=4, null=True, blank=True)
    priced_on = models.DateField(null=True, blank=True, help_text="The day the prices were entered; set by itself.")
    position = models.PositiveIntegerField(default=0, help_text="Order in lists, within the provider.")
    is_active = models.BooleanField("active", default=True)
    configured: bool
    """Whether the provider has a key here; set where lists of models are made."""

    class Meta:
        db_table = "llm_models"
        verbose_name = "model"
        ordering = ["provider", "position", "id"]
        constraints = [
            models.UniqueConstraint(fields=["provider", "model_id"], name="llm_models_provider_model_key"),
            models.CheckConstraint(condition=Q(context_window_tokens__gte=1024), name="llm_models_window_check"),
            models.CheckConstraint(
                condition=Q(input_price=None, cached_input_price=None, output_price=None) | ~Q(priced_on=None),
                name="llm_models_priced_on_check",
                violation_error_message="A price needs the day on which it was entered.",
            ),
            models.CheckConstraint(
                condition=(Q(input_price=None) | Q(input_price__gte=0))
                & (Q(cached_input_price=None) | Q(cached_input_price__gte=0))
                & (Q(output_price=None) | Q(output_price__gte=0)),
                name="llm_models_price_check",
                violation_error_message="A price can't be negative.",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.provider}/{self.model_id}"

    @property
    def output_cap(self) -> int:
        """Tokens that one answer may have."""
        return self.output_cap_tokens or int(settings.MAX_COMPLETION_TOKENS)

    @property
    def wire_options(self) -> dict[str, Any]:
        """What the provider's code is told about how to ask."""
        columns = {"api_flavour": self.api_flavour, "output_cap": self.output_cap_tokens}
        return {**self.options, **{name: value for name, value in columns.items() if value}}

    def cost(self, *, input_tokens: int, output_tokens: int, cached_tokens: int) -> Decimal | None:
        """US dollars at today's prices; None if one that is needed is unknown. `cached_tokens` are among the input."""
        if self.input_price is None or self.output_price is None:
            return None
        cached_price = self.input_price if self.cached_input_price is None else self.cached_input_price
        full = (input_tokens - cached_tokens) * self.input_price
        return (full + cached_tokens * cached_price + output_tokens * self.output_price) / MILLION


class Prompt(models.Model):
    """One numbered wording of a task's system prompt, never changed. The active one is used; else the built-in text."""

    prompt_type = models.TextField("task", choices=PROMPT_CHOICES)
    version = models.PositiveIntegerField()
    system_prompt = models.TextField()
    note = models.CharField(max_length=PROMPT_NOTE_CHARACTERS, blank=True)
    is_active = models.BooleanField("in production", default=True)
    created_by_user = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True, related_name="+"
    )
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        db_table = "llm_prompts"
        ordering = ["prompt_type", "-version"]
        constraints = [
            models.UniqueConstraint(fields=["prompt_type"], condition=Q(is_active=True), name="unique_active_prompt"),
            models.UniqueConstraint(fields=["prompt_type", "version"], name="llm_prompts_type_version_key"),
            models.CheckConstraint(condition=Q(version__gte=1), name="llm_prompts_numbered_from_one"),
        ]

    def __str__(self) -> str:
        return f"{self.prompt_type} v{self.version}"


class DefaultModel(models.Model):
    """The model a task uses unless somebody chooses another, and which ones stand in while it fails."""

    prompt_type = models.TextField("task", unique=True, choices=Task.choices)
    llm_provider = models.TextField()
    llm_model = models.TextField()
    fallbacks = ArrayField(
        models.CharField(max_length=161), default=list, blank=True, help_text="`provider/model`, the first one first."
    )
    created_by_user = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True, related_name="+"
    )
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        db_table = "default_llm_parameters"

    def __str__(self) -> str:
        return f"{self.prompt_type}: {self.llm_provider}/{self.llm_model}"


class LLMCall(models.Model):
    """One call of a provider: what it was for, what it took, how it ended. Written when it begins and when it ends.

    `run_id` and `conversation_id` name rows of apps above this one. Tokens are the provider's count, or our estimate
    where `is_estimated`; `cost_usd` is what they cost at the prices of that day, null if one was unknown.
    """

    class Outcome(models.TextChoices):
        STARTED = "started", "under way"
        FINISHED = "finished"
        STOPPED = "stopped", "stopped by us"
        FAILED = "failed"
        LOST = "lost", "its process died"

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    task = models.CharField(max_length=40, choices=Task.choices)
    provider = models.CharField(max_length=40)
    model_id = models.CharField("model", max_length=120)
    prompt_version = models.PositiveIntegerField(null=True)
    user = models.ForeignKey(User, models.SET_NULL, null=True, related_name="+")
    run_id = models.UUIDField(null=True)
    conversation_id = models.BigIntegerField(null=True)
    outcome = models.CharField(max_length=20, choices=Outcome.choices, default=Outcome.STARTED)
    error_code = models.CharField(max_length=60, blank=True)
    stop_reason = models.CharField(max_length=20, blank=True)
    input_tokens = models.PositiveBigIntegerField(null=True)
    cached_tokens = models.PositiveBigIntegerField(null=True)
    output_tokens = models.PositiveBigIntegerField(null=True)
    is_estimated = models.BooleanField("estimated", default=False)
    cost_usd = models.DecimalField("cost (USD)", max_digits=14, decimal_places=8, null=True)
    first_event_ms = models.PositiveIntegerField("first token (ms)", null=True)
    duration_ms = models.PositiveIntegerField("duration (ms)", null=True)
    created_at = models.DateTimeField("started at")

    objects: ClassVar[models.Manager["LLMCall"]] = models.Manager()

    class Meta:
        db_table = "llm_calls"
        verbose_name = "LLM call"
        ordering = ["-created_at", "-id"]
        constraints = [
            models.CheckConstraint(
                condition=Q(outcome__in=["started", "finished", "stopped", "failed", "lost"]),
                name="llm_calls_outcome_check",
            ),
        ]
        indexes = [
            models.Index(fields=["run_id"], condition=~Q(run_id=None), name="llm_calls_run"),  # the cost of a message
            models.Index(fields=["conversation_id"], condition=~Q(conversation_id=None), name="llm_calls_conversation"),
            models.Index(fields=["-created_at", "-id"], name="llm_calls_newest"),  # the admin's list and its totals
            models.Index(  # the sweep of calls whose process died
                fields=["created_at"], condition=Q(outcome="started"), name="llm_calls_started"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.task} by {self.provider}/{self.model_id}"

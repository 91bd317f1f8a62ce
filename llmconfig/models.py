"""What operators decide about language models: which exist, which are the defaults, and what they are told."""

from django.conf import settings
from django.db import models


class PromptType(models.TextChoices):
    """The tasks that have a prompt and a default model."""

    GENERATION = "project_draft_generation", "Draft generation"
    CHAT = "project_draft_chat", "Draft chat"


class LLMModel(models.Model):
    """One model of one provider, with the facts that decide what it may be asked.

    `context_window_tokens` is input and output together. `options` tells the provider's code about the model's wire,
    such as `max_tokens_field`.
    """

    provider = models.CharField(max_length=40)
    model_id = models.CharField(max_length=120)
    label = models.CharField(max_length=120)
    context_window_tokens = models.PositiveIntegerField()
    supports_images = models.BooleanField(default=False)
    supports_pdfs = models.BooleanField(default=False)
    supports_tools = models.BooleanField(default=True)
    options = models.JSONField(default=dict, blank=True)
    position = models.PositiveIntegerField(default=0, help_text="Order in lists, within the provider.")
    is_active = models.BooleanField(default=True)
    configured: bool
    """Whether the provider has a key here; set where lists of models are made."""

    class Meta:
        db_table = "llm_models"
        ordering = ["provider", "position", "id"]
        constraints = [
            models.UniqueConstraint(fields=["provider", "model_id"], name="llm_models_provider_model_key"),
            models.CheckConstraint(condition=models.Q(context_window_tokens__gte=1024), name="llm_models_window_check"),
        ]

    def __str__(self) -> str:
        return f"{self.provider}/{self.model_id}"


class Prompt(models.Model):
    """One numbered wording of a task's system prompt. The active one is used; with none, the built-in text is."""

    prompt_type = models.TextField(choices=PromptType.choices)
    version = models.PositiveIntegerField()
    system_prompt = models.TextField()
    note = models.CharField(max_length=200, blank=True)
    is_active = models.BooleanField(default=True)
    created_by_user = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True, related_name="+"
    )
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        db_table = "llm_prompts"
        ordering = ["prompt_type", "-version"]
        constraints = [
            models.UniqueConstraint(
                fields=["prompt_type"], condition=models.Q(is_active=True), name="unique_active_prompt"
            ),
            models.UniqueConstraint(fields=["prompt_type", "version"], name="llm_prompts_type_version_key"),
        ]

    def __str__(self) -> str:
        return f"{self.prompt_type} v{self.version}"


class DefaultModel(models.Model):
    """The model a task uses unless somebody chooses another."""

    prompt_type = models.TextField(unique=True, choices=PromptType.choices)
    llm_provider = models.TextField()
    llm_model = models.TextField()
    created_by_user = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True, related_name="+"
    )
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        db_table = "default_llm_parameters"

    def __str__(self) -> str:
        return f"{self.prompt_type}: {self.llm_provider}/{self.llm_model}"

"""The JSON of models, defaults and prompts (contract.md 1.10, with additive members)."""

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from config.api.fields import StrictCharField
from config.limits import PROMPT_CHARACTERS, PROMPT_NOTE_CHARACTERS
from llmconfig.models import LLMModel, Prompt


class LLMModelSerializer(serializers.ModelSerializer[LLMModel]):
    id = serializers.CharField(source="model_id")
    configured = serializers.BooleanField(help_text="Whether this installation has a key for the provider.")

    class Meta:
        model = LLMModel
        fields = ["id", "provider", "label", "supports_images", "supports_pdfs", "context_window_tokens", "configured"]


class ProvidersSerializer(serializers.Serializer[Any]):
    providers = serializers.DictField(child=LLMModelSerializer(many=True))


class ModelNameSerializer(serializers.Serializer[Any]):
    llm_provider = StrictCharField(max_length=40)
    llm_model = StrictCharField(max_length=120)


class CurrentDefaultSerializer(serializers.Serializer[Any]):
    current_default = ModelNameSerializer(allow_null=True, help_text="Null if no model here does the task.")


class UpdatedDefaultSerializer(serializers.Serializer[Any]):
    message = serializers.CharField()
    updated_default = ModelNameSerializer()


WARNING_CODES = ["unknown_placeholder", "missing_placeholder"]


class WarningSerializer(serializers.Serializer[Any]):
    code = serializers.ChoiceField(WARNING_CODES)
    name = serializers.CharField(help_text="The placeholder's name, without braces.")
    detail = serializers.CharField(source="sentence")


class PromptSerializer(serializers.Serializer[Any]):
    """`version` 0 is the built-in text."""

    system_prompt = serializers.CharField(allow_blank=True)
    is_default = serializers.BooleanField()
    version = serializers.IntegerField()


class SavedPromptSerializer(PromptSerializer):
    warnings = WarningSerializer(many=True)


class NewPromptSerializer(serializers.Serializer[Any]):
    prompt_type = StrictCharField(max_length=40)
    system_prompt = StrictCharField(max_length=PROMPT_CHARACTERS)
    note = StrictCharField(max_length=PROMPT_NOTE_CHARACTERS, required=False, allow_blank=True)


class PromptVersionSerializer(serializers.ModelSerializer[Prompt]):
    created_by_user_name = serializers.SerializerMethodField(help_text="Null for the system, or a person who is gone.")

    class Meta:
        model = Prompt
        fields = ["version", "system_prompt", "note", "is_active", "created_at", "created_by_user_name"]

    @extend_schema_field(serializers.CharField(allow_null=True))
    def get_created_by_user_name(self, prompt: Prompt) -> str | None:
        return prompt.created_by_user.name if prompt.created_by_user else None


class PromptVersionsSerializer(serializers.Serializer[Any]):
    versions = PromptVersionSerializer(many=True)


class TotalsSerializer(serializers.Serializer[Any]):
    """What calls of models took. `cost_usd` sums the known costs, in US dollars; `cost_unknown` calls have none."""

    calls = serializers.IntegerField()
    failed = serializers.IntegerField()
    input_tokens = serializers.IntegerField()
    cached_tokens = serializers.IntegerField(help_text="Among the input tokens.")
    output_tokens = serializers.IntegerField()
    cost_usd = serializers.FloatField()
    cost_unknown = serializers.IntegerField()


class UsageTotalsSerializer(serializers.Serializer[Any]):
    usage = TotalsSerializer()
    tasks = serializers.DictField(child=TotalsSerializer(), help_text="The same for each task that has any calls.")

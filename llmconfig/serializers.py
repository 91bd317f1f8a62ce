from typing import Any

from rest_framework import serializers

from llmconfig.models import LLMModel


class LLMModelSerializer(serializers.ModelSerializer[LLMModel]):
    id = serializers.CharField(source="model_id")
    configured = serializers.BooleanField(help_text="Whether this installation has a key for the provider.")

    class Meta:
        model = LLMModel
        fields = ["id", "provider", "label", "supports_images", "supports_pdfs", "context_window_tokens", "configured"]


class ProvidersSerializer(serializers.Serializer[Any]):
    providers = serializers.DictField(child=LLMModelSerializer(many=True))


class ModelNameSerializer(serializers.Serializer[Any]):
    llm_provider = serializers.CharField()
    llm_model = serializers.CharField()


class CurrentDefaultSerializer(serializers.Serializer[Any]):
    current_default = ModelNameSerializer()

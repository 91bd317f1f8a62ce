"""`/api/llm-defaults`: which models there are, and which one a task uses."""

from collections.abc import Mapping
from typing import ClassVar

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from config.api.views import ViewSet
from config.exceptions import BadRequest
from llmconfig import services
from llmconfig.models import PromptType
from llmconfig.serializers import CurrentDefaultSerializer, LLMModelSerializer, ProvidersSerializer


class LLMDefaultViewSet(ViewSet):
    scopes: ClassVar[Mapping[str, str]] = {"providers": "conversations:read", "retrieve": "conversations:read"}

    @extend_schema(summary="All models, by provider", responses=ProvidersSerializer, tags=["models"])
    def providers(self, request: Request) -> Response:
        groups = services.models_by_provider()
        return Response(
            {"providers": {name: LLMModelSerializer(group, many=True).data for name, group in groups.items()}}
        )

    @extend_schema(
        summary="The model a task uses unless told otherwise", responses=CurrentDefaultSerializer, tags=["models"]
    )
    def retrieve(self, request: Request, prompt_type: str) -> Response:
        if prompt_type not in PromptType.values:
            raise BadRequest("There is no task of this name.", code="invalid_prompt_type")
        model = services.default_model(prompt_type=prompt_type)
        return Response({"current_default": {"llm_provider": model.provider, "llm_model": model.model_id}})

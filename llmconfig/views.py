"""`/api/llm-defaults` and `/api/llm-prompts`: which model a task uses, and what that model is told."""

from collections.abc import Mapping
from typing import Any, ClassVar

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.authentication import current_user
from accounts.permissions import require_permission
from accounts.serializers import MessageSerializer
from config.api.etags import READS, WRITES, etag_of, precondition, tagged, unless_known
from config.api.ids import parse_version
from config.api.views import ViewSet
from config.exceptions import BadRequest
from llmconfig import prompts, services
from llmconfig.models import Task
from llmconfig.prompts import ActivePrompt
from llmconfig.serializers import (
    CurrentDefaultSerializer,
    LLMModelSerializer,
    ModelNameSerializer,
    NewPromptSerializer,
    PromptSerializer,
    PromptVersionsSerializer,
    ProvidersSerializer,
    SavedPromptSerializer,
    UpdatedDefaultSerializer,
)

NO_PROMPT = ActivePrompt("", 0)


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
        model = services.find_default(prompt_type=_task(prompt_type))
        name = {"llm_provider": model.provider, "llm_model": model.model_id} if model else None
        return Response({"current_default": name})

    @extend_schema(
        summary="Choose the model a task uses unless told otherwise",
        request=ModelNameSerializer,
        responses=UpdatedDefaultSerializer,
        tags=["models"],
    )
    def update(self, request: Request, prompt_type: str) -> Response:
        require_permission(request, "llmconfig.change_defaultmodel")
        body = ModelNameSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        row = services.set_default_model(
            prompt_type=_task(prompt_type),
            provider=body.validated_data["llm_provider"],
            model_id=body.validated_data["llm_model"],
            user=current_user(request),
        )
        chosen = {"llm_provider": row.llm_provider, "llm_model": row.llm_model}
        return Response({"message": f"{Task(prompt_type).label} now uses {row.llm_model}.", "updated_default": chosen})


class LLMPromptViewSet(ViewSet):
    scopes: ClassVar[Mapping[str, str]] = {
        "retrieve": "conversations:read",
        "built_in": "conversations:read",
        "versions": "conversations:read",
    }

    @extend_schema(summary="The prompt of a task that is in production", parameters=READS, responses=PromptSerializer,
                   tags=["prompts"])  # fmt: skip
    def retrieve(self, request: Request, prompt_type: str) -> Response:
        known = prompts.has_prompt(_named(prompt_type))
        prompt = prompts.active_prompt(prompt_type=prompt_type) if known else NO_PROMPT
        return unless_known(request, _prompt(prompt))

    @extend_schema(summary="The built-in prompt of a task", responses=PromptSerializer, tags=["prompts"])
    def built_in(self, request: Request, prompt_type: str) -> Response:
        known = prompts.has_prompt(_named(prompt_type))
        text = prompts.built_in_prompt(prompt_type) if known else ""
        return Response(_prompt(ActivePrompt(text, 0)))

    @extend_schema(summary="Put a new version of a prompt into production", parameters=WRITES,
                   request=NewPromptSerializer, responses={200: SavedPromptSerializer}, tags=["prompts"])  # fmt: skip
    def create(self, request: Request, prompt_type: str) -> Response:
        require_permission(request, "llmconfig.add_prompt")
        body = NewPromptSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        fields = dict(body.validated_data)
        if fields.pop("prompt_type") != prompt_type:
            raise BadRequest("Mismatched prompt type", code="mismatched_prompt_type", field="prompt_type")
        fields |= {"user": current_user(request), "precondition": precondition(request, _prompt)}
        saved = prompts.save_prompt(prompt_type=_prompted(prompt_type), **fields)
        warnings = prompts.placeholder_warnings(prompt_type=prompt_type, text=saved.system_prompt)
        shown = _prompt(ActivePrompt(saved.system_prompt, saved.version))
        return tagged(SavedPromptSerializer(shown | {"warnings": warnings}).data, etag_of(shown))

    @extend_schema(summary="Put the built-in prompt back into production", parameters=WRITES,
                   responses={200: MessageSerializer}, tags=["prompts"])  # fmt: skip
    def destroy(self, request: Request, prompt_type: str) -> Response:
        require_permission(request, "llmconfig.change_prompt")
        prompts.revert_prompt(prompt_type=_prompted(prompt_type), precondition=precondition(request, _prompt))
        built_in = ActivePrompt(prompts.built_in_prompt(prompt_type), 0)
        return tagged({"message": "The built-in prompt is in production."}, etag_of(_prompt(built_in)))

    @extend_schema(summary="All versions of a prompt, the newest first", responses=PromptVersionsSerializer,
                   tags=["prompts"])  # fmt: skip
    def versions(self, request: Request, prompt_type: str) -> Response:
        rows = prompts.versions_of(prompt_type=_prompted(prompt_type))
        return Response(PromptVersionsSerializer({"versions": rows}).data)

    @extend_schema(summary="Put a version of a prompt into production; 0 is the built-in one", parameters=WRITES,
                   request=None, responses=PromptSerializer, tags=["prompts"])  # fmt: skip
    def activate(self, request: Request, prompt_type: str, version: str) -> Response:
        require_permission(request, "llmconfig.change_prompt")
        number, demand = parse_version(version), precondition(request, _prompt)
        prompt = prompts.activate_version(prompt_type=_prompted(prompt_type), version=number, precondition=demand)
        shown = _prompt(prompt)
        return tagged(shown, etag_of(shown))


def _prompt(prompt: ActivePrompt) -> dict[str, Any]:
    return {"system_prompt": prompt.text, "is_default": prompt.version == 0, "version": prompt.version}


def _task(prompt_type: str) -> str:
    if prompt_type not in Task.values:
        raise BadRequest("Invalid prompt type", code="invalid_prompt_type")
    return prompt_type


def _named(prompt_type: str) -> str:
    if not prompt_type.strip():
        raise BadRequest("Empty prompt type", code="empty_prompt_type")
    return prompt_type


def _prompted(prompt_type: str) -> str:
    if not prompts.has_prompt(_named(prompt_type)):
        raise BadRequest("Invalid prompt type", code="invalid_prompt_type")
    return prompt_type

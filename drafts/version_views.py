"""`/api/conversations/{id}/project-draft/versions/compare` and `/api/conversations/{id}/project-draft.md`."""

from collections.abc import Mapping
from typing import Any, ClassVar

from django.http import HttpResponse
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.authentication import principal
from config.api.ids import parse_id, parse_query_id
from config.api.views import ViewSet
from drafts import versions
from drafts.comparison_serializers import ComparisonSerializer, as_json
from integrations.storage.links import disposition

MARKDOWN: Any = {(200, "text/markdown"): str}
ID = {"type": "integer", "minimum": 1}
FROM, TO = (OpenApiParameter(name, ID, required=True, description="A `version_id`.") for name in ("from", "to"))
VERSION = OpenApiParameter("version_id", ID, description="The active one if this is left out.")


class ProjectDraftVersionViewSet(ViewSet):
    scopes: ClassVar[Mapping[str, str]] = {"compare": "conversations:read", "markdown": "conversations:read"}

    @extend_schema(summary="What has changed between two versions", parameters=[FROM, TO],
                   responses=ComparisonSerializer, tags=["project draft"])  # fmt: skip
    def compare(self, request: Request, conversation_id: str) -> Response:
        pk = parse_id(conversation_id, "conversation")
        from_id, to_id = (parse_query_id(request.query_params, name) for name in ("from", "to"))
        found = versions.compare_versions(user=principal(request), conversation_id=pk, from_id=from_id, to_id=to_id)
        return Response(as_json(found))

    @extend_schema(summary="The draft as a Markdown document", parameters=[VERSION], responses=MARKDOWN,
                   tags=["project draft"])  # fmt: skip
    def markdown(self, request: Request, conversation_id: str) -> HttpResponse:
        pk, params = parse_id(conversation_id, "conversation"), request.query_params
        wanted = parse_query_id(params, "version_id") if "version_id" in params else None
        version = versions.get_version(user=principal(request), conversation_id=pk, version_id=wanted)
        response = HttpResponse(versions.document(version), content_type="text/markdown; charset=utf-8")
        response["Content-Disposition"] = disposition(versions.filename(version), inline=True)
        return response

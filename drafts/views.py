"""`/api/conversations/import…` and `/api/conversations/{id}/project-draft…`."""

from typing import Any

from django.http import HttpResponse
from drf_spectacular.utils import extend_schema
from rest_framework.parsers import MultiPartParser
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import ViewSet

from accounts.authentication import current_user
from config.api.ids import parse_id
from config.api.parsers import StrictJSONParser
from config.api.streams import StreamRun, requested_dialect
from drafts import import_flow, services
from drafts.serializers import (
    DraftAnswerSerializer,
    EditSerializer,
    ImportFileSerializer,
    ImportSerializer,
    ModelChoiceSerializer,
    ProjectDraftSerializer,
    VersionListSerializer,
)
from integrations.importers import child, detect

STREAM: Any = {(200, "text/event-stream"): str}


class ImportViewSet(ViewSet):
    @extend_schema(summary="Import a chat by its share link and draft a project from it", request=ImportSerializer,
                   responses=STREAM, tags=["import"])  # fmt: skip
    def link(self, request: Request) -> HttpResponse:
        body = ImportSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        dialect = requested_dialect(request._request)
        run = import_flow.start_import(user=current_user(request), **body.validated_data)
        return StreamRun(str(run.id), dialect=dialect)


class ImportFileViewSet(ViewSet):
    parser_classes = [StrictJSONParser, MultiPartParser]

    @extend_schema(
        summary="Import a chat from a file or from text and draft a project from it",
        request={"multipart/form-data": ImportFileSerializer, "application/json": ImportFileSerializer},
        responses=STREAM,
        tags=["import"],
    )
    def file(self, request: Request) -> HttpResponse:
        body = ImportFileSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        fields = dict(body.validated_data)
        dialect = requested_dialect(request._request)
        file, text = fields.pop("file", None), fields.pop("text", None)
        chat = detect.read_text(text) if file is None else child.parse(file.read(), file.name or "")
        run = import_flow.start_import(user=current_user(request), chat=chat, **fields)
        return StreamRun(str(run.id), dialect=dialect)


class ProjectDraftViewSet(ViewSet):
    @extend_schema(summary="The project draft", responses=DraftAnswerSerializer, tags=["project draft"])
    def retrieve(self, request: Request, conversation_id: str) -> Response:
        return self._answer(request, parse_id(conversation_id, "conversation"))

    @extend_schema(summary="Edit the draft by hand, as a new version", request=EditSerializer,
                   responses=DraftAnswerSerializer, tags=["project draft"])  # fmt: skip
    def partial_update(self, request: Request, conversation_id: str) -> Response:
        pk = parse_id(conversation_id, "conversation")
        body = EditSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        services.edit(user=current_user(request), conversation_id=pk, **body.validated_data)
        return self._answer(request, pk)

    @extend_schema(summary="All versions, the newest first", responses=VersionListSerializer, tags=["project draft"])
    def versions(self, request: Request, conversation_id: str) -> Response:
        pk = parse_id(conversation_id, "conversation")
        versions = services.versions_of(user=current_user(request), conversation_id=pk)
        return Response(VersionListSerializer({"versions": versions}).data)

    @extend_schema(summary="Bring an earlier version back, as a new one", request=None, responses=DraftAnswerSerializer,
                   tags=["project draft"])  # fmt: skip
    def activate(self, request: Request, conversation_id: str, version_id: str) -> Response:
        pk = parse_id(conversation_id, "conversation")
        version_pk = parse_id(version_id, "version")
        services.activate(user=current_user(request), conversation_id=pk, version_id=version_pk)
        return self._answer(request, pk)

    @extend_schema(summary="Let a model write the draft again", request=ModelChoiceSerializer, responses=STREAM,
                   tags=["project draft"])  # fmt: skip
    def generate(self, request: Request, conversation_id: str) -> HttpResponse:
        pk = parse_id(conversation_id, "conversation")
        body = ModelChoiceSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        dialect = requested_dialect(request._request)
        run = import_flow.start_generation(user=current_user(request), conversation_id=pk, **body.validated_data)
        return StreamRun(str(run.id), dialect=dialect)

    @staticmethod
    def _answer(request: Request, pk: int) -> Response:
        draft = services.get_draft(user=current_user(request), conversation_id=pk)
        return Response({"project_draft": ProjectDraftSerializer(draft).data})

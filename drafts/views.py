"""`/api/conversations/import…` and `/api/conversations/{id}/project-draft…`."""

from collections.abc import Mapping
from functools import partial
from typing import Any, ClassVar

from django.http import HttpResponse
from drf_spectacular.utils import extend_schema
from rest_framework.parsers import MultiPartParser
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.authentication import current_user, principal, required_key
from accounts.idempotency import answer_once, once, replay_headers
from accounts.keys import nameable_user
from config.api.etags import READS, WRITES, etag_of, precondition, tagged, unless_known
from config.api.ids import parse_id
from config.api.parsers import StrictJSONParser
from config.api.views import ViewSet
from conversations.runs.starting import stream_of
from conversations.services import require_visible
from drafts import import_flow, project_creation, projects, services, slack_import
from drafts.serializers import (
    DraftAnswerSerializer,
    EditSerializer,
    ImportFileSerializer,
    ImportSerializer,
    ImportTextSerializer,
    ModelChoiceSerializer,
    ProjectAnswerSerializer,
    SlackImportedSerializer,
    SlackImportSerializer,
    VersionListSerializer,
    draft_answer,
)
from integrations.importers import child, detect

STREAM: Any = {(200, "text/event-stream"): str}


class ImportViewSet(ViewSet):
    scopes: ClassVar[Mapping[str, str]] = {"link": "conversations:import"}

    @extend_schema(summary="Import a chat by its share link and draft a project from it", request=ImportSerializer,
                   responses=STREAM, tags=["import"])  # fmt: skip
    def link(self, request: Request) -> HttpResponse:
        body = ImportSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        start = partial(import_flow.start_import, user=current_user(request), **body.validated_data)
        return stream_of(request, start)


class ImportFileViewSet(ViewSet):
    scopes: ClassVar[Mapping[str, str]] = {"file": "conversations:import"}
    parser_classes = [StrictJSONParser, MultiPartParser]

    @extend_schema(
        summary="Import a chat from a file or from text and draft a project from it",
        request={"multipart/form-data": ImportFileSerializer, "application/json": ImportTextSerializer},
        responses=STREAM,
        tags=["import"],
    )
    def file(self, request: Request) -> HttpResponse:
        body = ImportFileSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        fields = dict(body.validated_data)
        file, text = fields.pop("file", None), fields.pop("text", None)
        chat = detect.read_text(text) if file is None else child.parse(file.read(), file.name or "")
        return stream_of(request, partial(import_flow.start_import, user=current_user(request), chat=chat, **fields))


class SlackImportViewSet(ViewSet):
    scopes: ClassVar[Mapping[str, str]] = {"create": "import:slack"}

    @extend_schema(summary="Import a share link or a thread for Slack, by a service key", request=SlackImportSerializer,
                   responses=SlackImportedSerializer, tags=["import"])  # fmt: skip
    def create(self, request: Request) -> Response:
        body = SlackImportSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        fields = dict(body.validated_data)
        user = nameable_user(key=required_key(request), user_id=fields.pop("user_id"))
        url = fields.pop("url", None)
        taken = slack_import.import_link(user=user, url=url) if url else slack_import.import_thread(user=user, **fields)
        message = "Conversation imported successfully" if taken.is_new else "Conversation already exists"
        return Response({"id": taken.conversation_id, "message": message})


class ProjectDraftViewSet(ViewSet):
    scopes: ClassVar[Mapping[str, str]] = {
        "retrieve": "conversations:read",
        "versions": "conversations:read",
        "partial_update": "conversations:write",
        "activate": "conversations:write",
        "generate": "conversations:write",
    }

    @extend_schema(summary="The project draft", parameters=READS, responses=DraftAnswerSerializer,
                   tags=["project draft"])  # fmt: skip
    def retrieve(self, request: Request, conversation_id: str) -> Response:
        pk = parse_id(conversation_id, "conversation")
        draft = services.get_draft(user=principal(request), conversation_id=pk)
        return unless_known(request, draft_answer(draft))

    @extend_schema(summary="Edit the draft by hand, as a new version", parameters=WRITES, request=EditSerializer,
                   responses=DraftAnswerSerializer, tags=["project draft"])  # fmt: skip
    def partial_update(self, request: Request, conversation_id: str) -> Response:
        pk = parse_id(conversation_id, "conversation")
        body = EditSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        demand = precondition(request, draft_answer)
        draft = services.edit(
            user=current_user(request), conversation_id=pk, precondition=demand, **body.validated_data
        )
        answer = draft_answer(draft)
        return tagged(answer, etag_of(answer))

    @extend_schema(summary="All versions, the newest first", responses=VersionListSerializer, tags=["project draft"])
    def versions(self, request: Request, conversation_id: str) -> Response:
        pk = parse_id(conversation_id, "conversation")
        versions = services.versions_of(user=principal(request), conversation_id=pk)
        return Response(VersionListSerializer({"versions": versions}).data)

    @extend_schema(summary="Bring an earlier version back, as a new one", parameters=WRITES, request=None,
                   responses=DraftAnswerSerializer, tags=["project draft"])  # fmt: skip
    def activate(self, request: Request, conversation_id: str, version_id: str) -> Response:
        pk = parse_id(conversation_id, "conversation")
        version_pk, demand = parse_id(version_id, "version"), precondition(request, draft_answer)
        require_visible(user=current_user(request), conversation_id=pk)  # also for an answer that was given before

        def activate() -> dict[str, Any]:
            user = current_user(request)
            draft = services.activate(user=user, conversation_id=pk, version_id=version_pk, precondition=demand)
            return draft_answer(draft)

        response = answer_once(request, activate)
        response["ETag"] = etag_of(response.data)
        return response

    @extend_schema(summary="Let a model write the draft again", request=ModelChoiceSerializer, responses=STREAM,
                   tags=["project draft"])  # fmt: skip
    def generate(self, request: Request, conversation_id: str) -> HttpResponse:
        pk = parse_id(conversation_id, "conversation")
        body = ModelChoiceSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        user, options = current_user(request), body.validated_data
        return stream_of(request, partial(import_flow.start_generation, user=user, conversation_id=pk, **options))


class ProjectViewSet(ViewSet):
    scopes: ClassVar[Mapping[str, str]] = {"retrieve": "conversations:read", "create": "projects:create"}

    @extend_schema(summary="The Linear project that a conversation has become", responses=ProjectAnswerSerializer,
                   tags=["project"])  # fmt: skip
    def retrieve(self, request: Request, conversation_id: str) -> Response:
        pk = parse_id(conversation_id, "conversation")
        project = projects.get_project(user=principal(request), conversation_id=pk)
        return Response(ProjectAnswerSerializer({"project": project}).data)

    @extend_schema(summary="Create a Linear project and lock the conversation", request=EditSerializer,
                   responses=ProjectAnswerSerializer, tags=["project"])  # fmt: skip
    def create(self, request: Request, conversation_id: str) -> Response:
        pk = parse_id(conversation_id, "conversation")
        body = EditSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        wish = {"user": current_user(request), "conversation_id": pk, **body.validated_data}
        asked = once(request, lambda: {"request_id": projects.ask_for(**wish).pk})
        if asked.is_replay:
            project = project_creation.create_again(**wish)
        else:
            project = project_creation.carry_out(asked.outcome["request_id"])
        return Response(ProjectAnswerSerializer({"project": project}).data, headers=replay_headers(asked))

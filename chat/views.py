"""`/api/conversations/{id}/project-draft/chat…`, and what a person may do with a run beside watching it."""

from collections.abc import Mapping
from functools import partial
from operator import attrgetter
from typing import ClassVar

from django.db.models import Prefetch
from django.http import HttpResponse
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.authentication import counted_as, current_user, principal
from accounts.idempotency import answer_once
from chat import approvals, services
from chat.models import ChatMessageRevision
from chat.serializers import (
    ApproveSerializer,
    ChatMessageSerializer,
    HistorySerializer,
    MessageWithRevisionsSerializer,
    SendSerializer,
)
from config.api.ids import parse_id, parse_uuid
from config.api.pagination import CURSOR, page_of
from config.api.streams import StreamRun, last_event, requested_dialect
from config.api.views import ViewSet
from conversations.runs.starting import stream_of
from conversations.serializers import RunSerializer
from conversations.services import get_run
from drafts.serializers import ModelChoiceSerializer
from drafts.views import STREAM

LIMIT = OpenApiParameter(
    "limit",
    {"type": "integer", "minimum": 1, "maximum": 1000},
    description="Only so many of the last messages; with a `cursor` 100 unless told.",
)
PAGED = {"limit", "cursor"}
REVISIONS = OpenApiParameter("revisions", bool, description="Also the earlier answers that were written again.")


class ChatViewSet(ViewSet):
    scopes: ClassVar[Mapping[str, str]] = {
        "list": "conversations:read",
        "stream": "conversations:write",
        "regenerate": "conversations:write",
    }

    @extend_schema(summary="The chat about the draft: all of it, or its last messages and then those before",
                   parameters=[REVISIONS, LIMIT, CURSOR], responses=HistorySerializer, tags=["chat"])  # fmt: skip
    def list(self, request: Request, conversation_id: str) -> Response:
        pk = parse_id(conversation_id, "conversation")
        page = page_of(request.query_params, services.LAST_MESSAGES) if PAGED & set(request.query_params) else None
        messages = services.history(user=principal(request), conversation_id=pk)
        shown = ChatMessageSerializer
        if request.query_params.get("revisions") == "true":
            messages = messages.prefetch_related(Prefetch("revisions", ChatMessageRevision.objects.order_by("pk")))
            shown = MessageWithRevisionsSerializer
        rows, following = page.cut(list(page.take(messages))) if page else (messages, None)
        ordered = sorted(rows, key=attrgetter("sequence_number"))
        return Response({"chat_messages": shown(ordered, many=True).data, "next": following})

    @extend_schema(summary="Say something and watch the answer being written", request=SendSerializer,
                   responses=STREAM, tags=["chat"])  # fmt: skip
    def stream(self, request: Request, conversation_id: str) -> HttpResponse:
        pk = parse_id(conversation_id, "conversation")
        user = current_user(request)
        named, after = last_event(request._request)
        if named:  # a client that reconnects by sending again: it goes on watching, nothing is sent twice
            run = services.run_to_rejoin(user=user, conversation_id=pk, run_id=str(parse_uuid(named, "run")))
            if run is not None:
                dialect = requested_dialect(request._request)
                return StreamRun(str(run.id), user_id=counted_as(request), after=after, dialect=dialect)
        body = SendSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        return stream_of(request, partial(services.send_message, user=user, conversation_id=pk, **body.validated_data))

    @extend_schema(summary="Have the last answer written again", request=ModelChoiceSerializer, responses=STREAM,
                   tags=["chat"])  # fmt: skip
    def regenerate(self, request: Request, conversation_id: str) -> HttpResponse:
        pk = parse_id(conversation_id, "conversation")
        body = ModelChoiceSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        user, options = current_user(request), body.validated_data
        return stream_of(request, partial(services.regenerate, user=user, conversation_id=pk, **options))


class RunDecisionViewSet(ViewSet):
    scopes: ClassVar[Mapping[str, str]] = {"retry": "conversations:write"}  # approving is for people

    @extend_schema(summary="Allow or refuse what a waiting run asks for", request=ApproveSerializer,
                   responses=RunSerializer, tags=["runs"])  # fmt: skip
    def approve(self, request: Request, run_id: str) -> Response:
        pk = parse_uuid(run_id, "run")
        body = ApproveSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        get_run(user=current_user(request), run_id=pk)  # also for an answer that was given before
        decide = partial(approvals.decide, user=current_user(request), run_id=pk, **body.validated_data)
        return answer_once(request, lambda: dict(RunSerializer(decide()).data))

    @extend_schema(
        summary="Try a run again that failed or was cancelled", request=None, responses=STREAM, tags=["runs"]
    )
    def retry(self, request: Request, run_id: str) -> HttpResponse:
        pk = parse_uuid(run_id, "run")
        return stream_of(request, partial(services.retry, user=current_user(request), run_id=pk))

"""`/api/conversations` and `/api/runs`."""

from collections.abc import Mapping
from typing import Any, ClassVar

from django.http import HttpResponse
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.authentication import counted_as, current_user, principal
from config.api.ids import parse_id, parse_uuid
from config.api.pagination import limit_offset
from config.api.streams import StreamRun, last_event, requested_dialect
from config.api.views import ViewSet
from config.exceptions import Invalid
from conversations import deletion, services
from conversations.models import Conversation, DashboardRow, Run
from conversations.serializers import (
    LIST_FIELDS,
    ConversationListSerializer,
    ConversationSerializer,
    DeletedSerializer,
    RenamedSerializer,
    RunListSerializer,
    RunSerializer,
    SummarySerializer,
    TitleSerializer,
)
from llmconfig import usage
from llmconfig.serializers import UsageTotalsSerializer

RUNS_SHOWN = 200
LIMIT = OpenApiParameter("limit", int, description="How many at most, 1 to 1000; 100 unless told.")
OFFSET = OpenApiParameter("offset", int, description="How many to leave out from the start.")
STATE = OpenApiParameter(
    "state", str, enum=["active", "all"], description="Only those not over yet, or all (the default)."
)
AFTER = OpenApiParameter(
    "after", str, description="Only events newer than this id, `<run>:<number>` or the number alone."
)
DIALECT = OpenApiParameter("dialect", str, enum=["sse"], description="How the stream is written.")


class ConversationViewSet(ViewSet):
    scopes: ClassVar[Mapping[str, str]] = {
        "list": "conversations:read",
        "retrieve": "conversations:read",
        "imported_chat_summary": "conversations:read",
        "runs": "conversations:read",
        "usage": "conversations:read",
        "partial_update": "conversations:write",
        "destroy": "conversations:write",
        "restore": "conversations:write",
        "summary": "conversations:write",
    }

    @extend_schema(summary="All conversations, the latest change first", parameters=[LIMIT, OFFSET],
                   responses=ConversationListSerializer, tags=["conversations"])  # fmt: skip
    def list(self, request: Request) -> Response:
        limit, offset = limit_offset(request.query_params)
        visible = Conversation.objects.visible_to(principal(request)).order_by("-updated_at", "-id")
        page = visible.values("id")[offset : offset + limit]
        rows = DashboardRow.objects.filter(id__in=page).order_by("-updated_at", "-id").values(*LIST_FIELDS)
        return Response({"conversations": list(rows)})

    @extend_schema(
        summary="A conversation with its imported chat", responses=ConversationSerializer, tags=["conversations"]
    )
    def retrieve(self, request: Request, conversation_id: str) -> Response:
        return Response(self._conversation(request, parse_id(conversation_id, "conversation")))

    @extend_schema(
        summary="Change the title", request=TitleSerializer, responses=RenamedSerializer, tags=["conversations"]
    )
    def partial_update(self, request: Request, conversation_id: str) -> Response:
        pk = parse_id(conversation_id, "conversation")
        body = TitleSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        services.rename(user=current_user(request), conversation_id=pk, title=body.validated_data["title"])
        return Response({"conversation": self._conversation(request, pk)})

    @extend_schema(summary="Delete a conversation and all that belongs to it; it can be restored for a while",
                   responses=DeletedSerializer, tags=["conversations"])  # fmt: skip
    def destroy(self, request: Request, conversation_id: str) -> Response:
        pk = parse_id(conversation_id, "conversation")
        conversation = services.delete(user=current_user(request), conversation_id=pk)
        told = {"message": "The conversation was deleted.", "restorable_until": deletion.restorable_until(conversation)}
        return Response(DeletedSerializer(told).data)

    @extend_schema(summary="Undo the deletion of a conversation; one that is not deleted stays as it is", request=None,
                   responses=RenamedSerializer, tags=["conversations"])  # fmt: skip
    def restore(self, request: Request, conversation_id: str) -> Response:
        pk = parse_id(conversation_id, "conversation")
        deletion.restore(user=current_user(request), conversation_id=pk)
        return Response({"conversation": self._conversation(request, pk)})

    @extend_schema(summary="The summary of the imported chat; 404 while there is none", responses=SummarySerializer,
                   tags=["conversations"])  # fmt: skip
    def imported_chat_summary(self, request: Request, conversation_id: str) -> Response:
        pk = parse_id(conversation_id, "conversation")
        return Response({"summary": services.summary_of(user=principal(request), conversation_id=pk)})

    @extend_schema(summary="Write the summary of the imported chat", request=SummarySerializer,
                   responses=SummarySerializer, tags=["conversations"])  # fmt: skip
    def summary(self, request: Request, conversation_id: str) -> Response:
        pk = parse_id(conversation_id, "conversation")
        body = SummarySerializer(data=request.data)
        body.is_valid(raise_exception=True)
        services.write_summary(user=current_user(request), conversation_id=pk, **body.validated_data)
        return Response(body.validated_data)

    @extend_schema(summary="The runs of a conversation, the newest first", parameters=[STATE],
                   responses=RunListSerializer, tags=["runs"])  # fmt: skip
    def runs(self, request: Request, conversation_id: str) -> Response:
        pk = parse_id(conversation_id, "conversation")
        services.require_visible(user=principal(request), conversation_id=pk)
        return Response(_run_list(request, conversation_id=pk))

    @extend_schema(summary="What the models took for a conversation", responses=UsageTotalsSerializer,
                   tags=["conversations"])  # fmt: skip
    def usage(self, request: Request, conversation_id: str) -> Response:
        pk = parse_id(conversation_id, "conversation")
        services.require_visible(user=principal(request), conversation_id=pk)
        calls = usage.calls_of(pk)
        sums = {"usage": usage.totals(calls), "tasks": usage.totals_by_task(calls)}
        return Response(UsageTotalsSerializer(sums).data)

    @staticmethod
    def _conversation(request: Request, pk: int) -> Any:
        conversation = services.get_conversation(user=principal(request), conversation_id=pk)
        return ConversationSerializer(conversation).data


class RunViewSet(ViewSet):
    scopes: ClassVar[Mapping[str, str]] = {
        "list": "conversations:read",
        "retrieve": "conversations:read",
        "events": "conversations:read",
        "cancel": "conversations:write",
    }

    @extend_schema(
        summary="Your own runs, the newest first", parameters=[STATE], responses=RunListSerializer, tags=["runs"]
    )
    def list(self, request: Request) -> Response:
        return Response(_run_list(request, user=principal(request).pk))

    @extend_schema(summary="One run", responses=RunSerializer, tags=["runs"])
    def retrieve(self, request: Request, run_id: str) -> Response:
        return Response(RunSerializer(self._run(request, run_id)).data)

    @extend_schema(
        summary="Watch a run: what is newer than the last event seen, then what comes",
        parameters=[AFTER, DIALECT],
        responses={(200, "text/event-stream"): str, 204: None},
        tags=["runs"],
    )
    def events(self, request: Request, run_id: str) -> HttpResponse | Response:
        run = self._run(request, run_id)
        named, after = last_event(request._request)
        if named not in ("", str(run.id)):
            raise Invalid("This event id is of another run.", code="invalid_event_id")
        if not run.is_active and after >= run.event_seq:
            return Response(status=204)  # so that an EventSource stops asking
        dialect = requested_dialect(request._request)
        return StreamRun(str(run.id), user_id=counted_as(request), after=after, dialect=dialect)

    @extend_schema(summary="Stop a run, keeping what was written so far", request=None, responses={202: RunSerializer},
                   tags=["runs"])  # fmt: skip
    def cancel(self, request: Request, run_id: str) -> Response:
        run = services.cancel_run(user=current_user(request), run_id=parse_uuid(run_id, "run"))
        return Response(RunSerializer(run).data, status=202)

    @staticmethod
    def _run(request: Request, run_id: str) -> Run:
        return services.get_run(user=principal(request), run_id=parse_uuid(run_id, "run"))


def _run_list(request: Request, **which: Any) -> dict[str, Any]:
    state = request.query_params.get("state", "all")
    if state not in {"active", "all"}:
        raise Invalid("`state` is `active` or `all`.", field="state")
    runs = Run.objects.visible_to(principal(request)).filter(**which).order_by("-created_at", "-id")
    shown = runs.active() if state == "active" else runs
    return {"runs": RunSerializer(shown[:RUNS_SHOWN], many=True).data}

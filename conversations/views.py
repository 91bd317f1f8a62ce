"""`/api/conversations` and `/api/runs`."""

from collections.abc import Mapping
from typing import Any, ClassVar

from django.http import HttpResponse
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.authentication import counted_as, current_user, principal
from accounts.principals import Principal
from config.api.etags import IF_MATCH, READS, WRITES, etag_of, not_modified, precondition, tagged
from config.api.ids import parse_id, parse_uuid
from config.api.pagination import CURSOR, page_of
from config.api.streams import StreamRun, last_event, requested_dialect
from config.api.views import ViewSet
from config.exceptions import Invalid
from conversations import deletion, listing, message_pages, services
from conversations.list_serializers import ListParametersSerializer
from conversations.message_pages import parse_part
from conversations.models import Run
from conversations.serializers import (
    LIST_FIELDS,
    ConversationListSerializer,
    ConversationPartSerializer,
    ConversationSerializer,
    DeletedSerializer,
    RenamedSerializer,
    RunListSerializer,
    RunSerializer,
    SummarySerializer,
    TitleSerializer,
    etag_of_shown,
    head_of,
)
from llmconfig import usage
from llmconfig.serializers import UsageTotalsSerializer

RUNS_SHOWN = 200
AT_MOST = {"type": "integer", "minimum": 1, "maximum": 1000}
LIMIT = OpenApiParameter("limit", AT_MOST, description="How many at most; 100 unless told.")
OFFSET = OpenApiParameter(
    "offset", {"type": "integer", "minimum": 0}, description="How many to leave out from the start."
)
MESSAGES = OpenApiParameter(
    "messages",
    str,
    description="`<after>,<limit>`: only so many messages of the imported chat (1 to 1000; 100 unless "
    "told), without the first `after`. All of them without this parameter.",
)
RUN_LIMIT = OpenApiParameter("limit", AT_MOST, description="How many at most; 200 unless told.")
STATE = OpenApiParameter(
    "state", str, enum=["active", "all"], description="Only those not over yet, or all (the default)."
)
AFTER = OpenApiParameter(
    "after", str, description="Only events newer than this id, `<run>:<number>` or the number alone."
)


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

    @extend_schema(summary="All conversations, the latest change first unless told otherwise",
                   parameters=[ListParametersSerializer, LIMIT, OFFSET, CURSOR],
                   responses=ConversationListSerializer, tags=["conversations"])  # fmt: skip
    def list(self, request: Request) -> Response:
        asked = ListParametersSerializer(data=request.query_params.dict())
        asked.is_valid(raise_exception=True)
        page = page_of(request.query_params, asked.ordering())
        user, filters = principal(request), asked.filters()
        rows, following = listing.listed(user=user, filters=filters, page=page, fields=LIST_FIELDS)
        total = listing.total(user=user, filters=filters) if asked.validated_data["with_total"] else {}
        return Response({"conversations": rows, "next": following} | total)

    @extend_schema(summary="A conversation with its imported chat", parameters=[MESSAGES, *READS],
                   responses=ConversationPartSerializer, tags=["conversations"])  # fmt: skip
    def retrieve(self, request: Request, conversation_id: str) -> Response:
        pk, user = parse_id(conversation_id, "conversation"), principal(request)
        asked = request.query_params.get("messages")
        part = parse_part(asked) if asked is not None else None

        def present() -> str:
            return etag_of(head_of(services.get_head(user=user, conversation_id=pk)))

        if unchanged := not_modified(request, present):
            return unchanged
        shown = self._shown(user, pk, part)
        return tagged(shown, etag_of_shown(shown))

    @extend_schema(summary="Change the title", parameters=WRITES, request=TitleSerializer, responses=RenamedSerializer,
                   tags=["conversations"])  # fmt: skip
    def partial_update(self, request: Request, conversation_id: str) -> Response:
        pk = parse_id(conversation_id, "conversation")
        body = TitleSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        conversation = services.rename(
            user=current_user(request),
            conversation_id=pk,
            precondition=precondition(request, head_of),
            **body.validated_data,
        )
        shown = ConversationSerializer(conversation).data
        return tagged({"conversation": shown}, etag_of_shown(shown))

    @extend_schema(summary="Delete a conversation and all that belongs to it; it can be restored for a while",
                   parameters=[IF_MATCH], responses={200: DeletedSerializer}, tags=["conversations"])  # fmt: skip
    def destroy(self, request: Request, conversation_id: str) -> Response:
        pk, demand = parse_id(conversation_id, "conversation"), precondition(request, head_of)
        conversation = services.delete(user=current_user(request), conversation_id=pk, precondition=demand)
        told = {"message": "The conversation was deleted.", "restorable_until": deletion.restorable_until(conversation)}
        return Response(DeletedSerializer(told).data)

    @extend_schema(summary="Undo the deletion of a conversation; one that is not deleted stays as it is", request=None,
                   responses=RenamedSerializer, tags=["conversations"])  # fmt: skip
    def restore(self, request: Request, conversation_id: str) -> Response:
        pk, user = parse_id(conversation_id, "conversation"), current_user(request)
        deletion.restore(user=user, conversation_id=pk)
        shown = self._shown(user, pk, None)
        return tagged({"conversation": shown}, etag_of_shown(shown))

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

    @extend_schema(summary="The runs of a conversation, the newest first", parameters=[STATE, RUN_LIMIT, CURSOR],
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
    def _shown(user: Principal, pk: int, part: message_pages.Part | None) -> Any:
        if part is None:
            return ConversationSerializer(services.get_conversation(user=user, conversation_id=pk)).data
        head = services.get_head(user=user, conversation_id=pk)
        messages = message_pages.read(user=user, conversation_id=pk, part=part)
        return ConversationPartSerializer(head, context={"messages": messages}).data


class RunViewSet(ViewSet):
    scopes: ClassVar[Mapping[str, str]] = {
        "list": "conversations:read",
        "retrieve": "conversations:read",
        "events": "conversations:read",
        "cancel": "conversations:write",
    }

    @extend_schema(summary="Your own runs, the newest first", parameters=[STATE, RUN_LIMIT, CURSOR],
                   responses=RunListSerializer, tags=["runs"])  # fmt: skip
    def list(self, request: Request) -> Response:
        return Response(_run_list(request, user=principal(request).pk))

    @extend_schema(summary="One run", responses=RunSerializer, tags=["runs"])
    def retrieve(self, request: Request, run_id: str) -> Response:
        return Response(RunSerializer(self._run(request, run_id)).data)

    @extend_schema(
        summary="Watch a run: what is newer than the last event seen, then what comes",
        parameters=[AFTER],
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
    page = page_of(request.query_params, listing.NEWEST_RUNS, default=RUNS_SHOWN)
    runs = Run.objects.visible_to(principal(request)).filter(**which)
    shown, following = page.cut(list(page.take(runs.active() if state == "active" else runs)))
    return {"runs": RunSerializer(shown, many=True).data, "next": following}

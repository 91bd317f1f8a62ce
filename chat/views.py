"""`/api/conversations/{id}/project-draft/chat`."""

from django.http import HttpResponse
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import ViewSet

from accounts.authentication import current_user
from chat import services
from chat.serializers import HistorySerializer, SendSerializer
from config.api.ids import parse_id, parse_uuid
from config.api.streams import StreamRun, last_event, requested_dialect


class ChatViewSet(ViewSet):
    @extend_schema(summary="The chat about the draft", responses=HistorySerializer, tags=["chat"])
    def list(self, request: Request, conversation_id: str) -> Response:
        pk = parse_id(conversation_id, "conversation")
        messages = services.history(user=current_user(request), conversation_id=pk)
        return Response(HistorySerializer({"chat_messages": messages}).data)

    @extend_schema(summary="Say something and watch the answer being written", request=SendSerializer,
                   responses={(200, "text/event-stream"): str}, tags=["chat"])  # fmt: skip
    def stream(self, request: Request, conversation_id: str) -> HttpResponse:
        pk = parse_id(conversation_id, "conversation")
        user, dialect = current_user(request), requested_dialect(request._request)
        named, after = last_event(request._request)
        if named:  # a client that reconnects by sending again: it goes on watching, nothing is sent twice
            run = services.run_to_rejoin(user=user, conversation_id=pk, run_id=str(parse_uuid(named, "run")))
            if run is not None:
                return StreamRun(str(run.id), after=after, dialect=dialect)
        body = SendSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        run = services.send_message(user=user, conversation_id=pk, **body.validated_data)
        return StreamRun(str(run.id), dialect=dialect)

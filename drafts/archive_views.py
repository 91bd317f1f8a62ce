"""`/api/imports…`: archives of many conversations, and what to take from them."""

from collections.abc import Mapping
from functools import partial
from typing import Any, ClassVar

from django.db import transaction
from django.http import HttpResponse
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.parsers import MultiPartParser
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.authentication import current_user, principal
from accounts.idempotency import once
from accounts.serializers import MessageSerializer
from config.api.idempotency import REPLAYED
from config.api.ids import parse_uuid
from config.api.pagination import limit_offset
from config.api.parsers import StrictJSONParser
from config.api.views import ViewSet
from config.exceptions import Invalid
from conversations.runs.starting import stream_of
from drafts import archives, tasks
from drafts.archive_serializers import (
    ArchiveListSerializer,
    ArchivePageSerializer,
    ArchiveSerializer,
    ArchiveUploadSerializer,
    EntrySerializer,
    StartSerializer,
)
from drafts.bulk import start_bulk
from drafts.models import Archive

LIMIT = OpenApiParameter("limit", int, description="How many entries at most, 1 to 1000; 100 unless told.")
OFFSET = OpenApiParameter("offset", int, description="How many entries to leave out from the start.")
SHOW = OpenApiParameter("show", str, enum=list(archives.SHOWN), description="Which entries; all unless told.")


class ArchiveViewSet(ViewSet):
    scopes: ClassVar[Mapping[str, str]] = {
        "list": "conversations:read",
        "retrieve": "conversations:read",
        "create": "conversations:import",
        "destroy": "conversations:import",
        "start": "conversations:import",
    }
    parser_classes = [StrictJSONParser, MultiPartParser]

    @extend_schema(summary="Your own uploaded archives, the newest first", responses=ArchiveListSerializer,
                   tags=["archives"])  # fmt: skip
    def list(self, request: Request) -> Response:
        rows = Archive.objects.of(principal(request)).order_by("-created_at", "-id")
        return Response({"imports": ArchiveSerializer(rows, many=True).data})

    @extend_schema(
        summary="Upload an archive; a worker lists what it holds, and nothing is imported yet",
        request={"multipart/form-data": ArchiveUploadSerializer},
        responses={202: ArchiveSerializer},
        tags=["archives"],
    )
    def create(self, request: Request) -> Response:
        body = ArchiveUploadSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        taken = once(request, partial(self._take_in, request, body.validated_data["file"]))
        headers = {"Location": f"/api/imports/{taken.outcome['id']}"} | ({REPLAYED: "true"} if taken.is_replay else {})
        return Response(taken.outcome, status=202, headers=headers)

    @extend_schema(summary="An archive and what it holds", parameters=[LIMIT, OFFSET, SHOW],
                   responses=ArchivePageSerializer, tags=["archives"])  # fmt: skip
    def retrieve(self, request: Request, import_id: str) -> Response:
        user = principal(request)
        archive = archives.get_archive(user=user, archive_id=parse_uuid(import_id, "import"))
        limit, offset = limit_offset(request.query_params)
        show = request.query_params.get("show", "all")
        if show not in archives.SHOWN:
            raise Invalid(f"`show` is one of: {', '.join(archives.SHOWN)}.", field="show")
        entries = archives.entries_of(user=user, archive=archive, show=show)
        page = list(entries[offset : offset + limit])
        known = {
            "imported": archives.imported(user=user, entries=page),
            "here": archives.results_here(user=user, entries=page),
        }
        listed = {"entries": EntrySerializer(page, many=True, context=known).data, "total": entries.count()}
        return Response(ArchiveSerializer(archive).data | archives.shown(archive) | listed)

    @extend_schema(summary="Delete an archive; what was imported from it stays", responses=MessageSerializer,
                   tags=["archives"])  # fmt: skip
    def destroy(self, request: Request, import_id: str) -> Response:
        archives.delete(user=current_user(request), archive_id=parse_uuid(import_id, "import"))
        return Response({"message": "The archive was deleted."})

    @extend_schema(summary="Import conversations of an archive", request={"application/json": StartSerializer},
                   responses={(200, "text/event-stream"): str}, tags=["archives"])  # fmt: skip
    def start(self, request: Request, import_id: str) -> HttpResponse:
        pk = parse_uuid(import_id, "import")
        body = StartSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        return stream_of(request, partial(start_bulk, user=current_user(request), archive_id=pk, **body.validated_data))

    @staticmethod
    def _take_in(request: Request, file: Any) -> dict[str, Any]:
        archive = archives.take_in(user=current_user(request), file=file)
        read = partial(tasks.read_archive.apply_async, [str(archive.id)], retry=False)
        transaction.on_commit(read, robust=True)  # if it cannot be told, the sweep finds it
        return dict(ArchiveSerializer(archive).data)

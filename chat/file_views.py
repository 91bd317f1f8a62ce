"""`/api/conversations/{id}/files`, `/api/conversations/files/{id}…`, and `/files/{token}`."""

from collections.abc import Mapping
from functools import partial
from typing import IO, Any, ClassVar, cast

from django.db import transaction
from django.http import FileResponse, HttpResponseRedirect
from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework.exceptions import ParseError
from rest_framework.parsers import MultiPartParser
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.authentication import current_user, principal
from chat import extraction, files
from chat.file_serializers import FileListSerializer, UploadedSerializer, UploadSerializer
from chat.tasks import extract_soon
from config.api.ids import parse_id
from config.api.views import APIView, ViewSet
from config.exceptions import BadRequest, Invalid
from integrations.storage import links

REDIRECT: Any = {302: OpenApiResponse(description="To an address that works for `FILE_URL_TTL` seconds.")}
NEVER_ACTIVE = "default-src 'none'; style-src 'unsafe-inline'; sandbox"
PRIVATE = "private, no-store"


class FormParser(MultiPartParser):
    def parse(self, *arguments: Any, **options: Any) -> Any:
        try:
            return super().parse(*arguments, **options)
        except ParseError as error:
            raise BadRequest(
                "This form could not be read. Send the file as one part named `file`, under a shorter name.",
                code="malformed",
            ) from error


class ConversationFilesViewSet(ViewSet):
    scopes: ClassVar[Mapping[str, str]] = {"list": "conversations:read", "upload": "conversations:write"}
    parser_classes = [FormParser]

    @extend_schema(summary="The files of a conversation, the oldest first", responses=FileListSerializer,
                   tags=["files"])  # fmt: skip
    def list(self, request: Request, conversation_id: str) -> Response:
        pk = parse_id(conversation_id, "conversation")
        rows = files.files_of(user=principal(request), conversation_id=pk)
        return Response(FileListSerializer({"files": rows, "file_count": len(rows)}).data)

    @extend_schema(summary="Attach a file", request={"multipart/form-data": UploadSerializer},
                   responses=UploadedSerializer, tags=["files"])  # fmt: skip
    def upload(self, request: Request, conversation_id: str) -> Response:
        pk = parse_id(conversation_id, "conversation")
        user, (file, size, name) = current_user(request), _only_file(request)
        row = files.upload(user=user, conversation_id=pk, file=file, size=size, name=name)
        return Response(UploadedSerializer({"file": row, "message": "The file was uploaded."}).data)


class FileViewSet(ViewSet):
    scopes: ClassVar[Mapping[str, str]] = {
        "download": "conversations:read",
        "thumbnail": "conversations:read",
        "destroy": "conversations:write",
        "extract": "conversations:write",
    }

    @extend_schema(summary="Fetch a file", responses=REDIRECT, tags=["files"])
    def download(self, request: Request, file_id: str) -> HttpResponseRedirect:
        return _to(files.link_to(user=principal(request), file_id=parse_id(file_id, "file")))

    @extend_schema(summary="Fetch a small picture of an image", responses=REDIRECT, tags=["files"])
    def thumbnail(self, request: Request, file_id: str) -> HttpResponseRedirect:
        return _to(files.link_to_thumbnail(user=principal(request), file_id=parse_id(file_id, "file")))

    @extend_schema(summary="Have a file read for the models once more", request=None,
                   responses={202: UploadedSerializer}, tags=["files"])  # fmt: skip
    def extract(self, request: Request, file_id: str) -> Response:
        row = extraction.extract_again(user=current_user(request), file_id=parse_id(file_id, "file"))
        transaction.on_commit(partial(extract_soon, row.pk))
        return Response(UploadedSerializer({"file": row, "message": "The file is being read."}).data, status=202)

    @extend_schema(summary="Delete a file that was not sent yet", responses={204: None}, tags=["files"])
    def destroy(self, request: Request, file_id: str) -> Response:
        files.delete(user=current_user(request), file_id=parse_id(file_id, "file"))
        return Response(status=204)


class LinkView(APIView):
    """What a signed link of the folder leads to; whoever holds the link may fetch it."""

    authentication_classes = []
    permission_classes = [AllowAny]

    @extend_schema(exclude=True)
    def get(self, request: Request, token: str) -> FileResponse:
        link = links.read(token)
        response = FileResponse(files.open_linked(link.key), content_type=link.content_type)
        response["Content-Disposition"] = links.disposition(link.filename, inline=link.inline)
        response["Content-Security-Policy"] = NEVER_ACTIVE
        response["Cache-Control"] = PRIVATE
        return response


def _only_file(request: Request) -> tuple[IO[bytes], int, str]:
    """The one file of a form, its size and its name."""
    found = [file for _, files in request.FILES.lists() for file in files]
    if not found:
        raise BadRequest("No file provided. Send one as a part named `file`.", code="no_file")
    if len(found) > 1 or "file" not in request.FILES:
        raise Invalid("Send exactly one file, as the part named `file`.", field="file")
    return cast(IO[bytes], found[0].file), found[0].size or 0, found[0].name or ""


def _to(address: str) -> HttpResponseRedirect:
    return HttpResponseRedirect(address, headers={"Cache-Control": PRIVATE})

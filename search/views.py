"""`/api/search`."""

from collections.abc import Mapping
from typing import Any, ClassVar

from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.authentication import principal
from config.api.ids import parse_id
from config.api.views import ViewSet
from config.exceptions import Invalid
from search import services, similarity
from search.serializers import SearchAnswerSerializer, SearchParametersSerializer, SimilarAnswerSerializer, as_json


class SearchViewSet(ViewSet):
    scopes: ClassVar[Mapping[str, str]] = {"list": "search:read", "similar": "search:read"}

    @extend_schema(
        summary="Find conversations by link, title, words and meaning",
        parameters=[SearchParametersSerializer],
        responses=SearchAnswerSerializer,
        tags=["search"],
    )
    def list(self, request: Request) -> Response:
        asked = SearchParametersSerializer(data=_given(request))
        asked.is_valid(raise_exception=True)
        answer = services.search(
            user=principal(request), typed=asked.validated_data["q"], filters=asked.filters(), page=asked.page()
        )
        return Response(as_json(answer))

    @extend_schema(
        summary="Conversations about the same as one, the most alike first",
        parameters=[OpenApiParameter("conversation_id", int, required=True, description="The one to compare with.")],
        responses=SimilarAnswerSerializer,
        tags=["search"],
    )
    def similar(self, request: Request) -> Response:
        given = request.query_params.get("conversation_id")
        if given is None:
            raise Invalid("`conversation_id` is missing.", field="conversation_id")
        found = similarity.similar_to(user=principal(request), conversation_id=parse_id(given, "conversation"))
        return Response({"results": [row._asdict() for row in found.rows], "indexed": found.is_indexed})


def _given(request: Request) -> dict[str, Any]:
    """The parameters; of those given several times the last one, but for `source_type`."""
    given: dict[str, Any] = request.query_params.dict()
    return given | {name: request.query_params.getlist(name) for name in ("source_type",) if name in given}

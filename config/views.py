"""What belongs to no app: the root, health, integrations, and the pages that explain problems."""

from collections.abc import Callable

from django.conf import settings
from django.db import DatabaseError, InterfaceError, connection
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe
from django.views.decorators.vary import vary_on_headers
from drf_spectacular.utils import extend_schema
from redis.exceptions import RedisError
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.authentication import current_user
from config.api.problems import explanation, title
from config.api.views import ViewSet
from config.exceptions import Forbidden
from config.integrations import states
from config.redis import client
from config.serializers import IntegrationListSerializer
from integrations import linear


@require_safe
@vary_on_headers("Accept")
def root(request: HttpRequest) -> HttpResponse:
    """A page for browsers, a word for programs."""
    if request.get_preferred_type(["application/json", "text/html"]) == "text/html":
        return render(request, "page.html", {"is_local": settings.IS_LOCAL, "has_linear": linear.is_configured()})
    return JsonResponse({"message": settings.API_TITLE})


@require_safe
def health(request: HttpRequest) -> HttpResponse:
    """The process answers; it says nothing about the database."""
    return JsonResponse({"status": "healthy"})


@require_safe
def ready(request: HttpRequest) -> HttpResponse:
    """Whether this process can do its work now: 503 while the database or Redis is away."""
    parts = {"database": _is_there(_ask_database), "redis": _is_there(_ask_redis)}
    is_ready = all(parts.values())
    answer = {"status": "ready" if is_ready else "unavailable"} | {
        name: "ok" if there else "away" for name, there in parts.items()
    }
    response = JsonResponse(answer, status=200 if is_ready else 503)
    if not is_ready:
        response["Retry-After"] = "2"
        response._has_been_logged = True  # type: ignore[attr-defined]  # asked every few seconds; the answer says it all
    return response


def _is_there(ask: Callable[[], object]) -> bool:
    try:
        ask()
    except (DatabaseError, InterfaceError, RedisError):
        return False
    return True


def _ask_database() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")


def _ask_redis() -> None:
    client().ping()


class IntegrationViewSet(ViewSet):
    @extend_schema(summary="What outside services there are, and how each does; for operators",
                   responses=IntegrationListSerializer, tags=["integrations"])  # fmt: skip
    def list(self, request: Request) -> Response:
        if not current_user(request).is_operator:
            raise Forbidden("Only operators see how the services outside do.")
        return Response(IntegrationListSerializer({"integrations": states(probing=True)}).data)


@require_safe
@vary_on_headers("Accept")
def problem(request: HttpRequest, code: str) -> HttpResponse:
    """What a problem's `type` leads to: a page, or JSON for whoever prefers it."""
    if (text := explanation(code)) is None:
        raise Http404
    told = {"code": code, "title": title(code, 400), "explanation": text}
    if request.get_preferred_type(["text/html", "application/json"]) == "application/json":
        return JsonResponse(told)
    return render(request, "problem.html", told)

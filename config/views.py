"""What belongs to no app: the root, health, and the pages that explain problems."""

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from config.api.problems import explanation, title


@require_safe
def root(request: HttpRequest) -> HttpResponse:
    """A page for browsers, a word for programs."""
    if request.get_preferred_type(["application/json", "text/html"]) == "text/html":
        return render(request, "page.html", {"is_local": settings.IS_LOCAL})
    return JsonResponse({"message": settings.API_TITLE})


@require_safe
def health(request: HttpRequest) -> HttpResponse:
    """The process answers; it says nothing about the database."""
    return JsonResponse({"status": "healthy"})


@require_safe
def problem(request: HttpRequest, code: str) -> HttpResponse:
    if (text := explanation(code)) is None:
        raise Http404
    return render(request, "problem.html", {"title": title(code, 400), "explanation": text})

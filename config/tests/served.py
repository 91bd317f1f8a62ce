"""A small Django project behind the real dispatcher, bridge and middlewares, for servers that tests start."""

import hashlib
import sys
from typing import Any

from django.conf import settings

settings.configure(
    ALLOWED_HOSTS=["*"],
    ROOT_URLCONF=__name__,
    MIDDLEWARE=[
        "config.api.middleware.RequestIdMiddleware",
        "corsheaders.middleware.CorsMiddleware",
        "config.api.middleware.RefusalMiddleware",
        "django.middleware.security.SecurityMiddleware",
        "django.middleware.common.CommonMiddleware",
    ],
    CORS_ALLOWED_ORIGINS=["http://spa.example"],
    CORS_ALLOW_CREDENTIALS=True,
    APPEND_SLASH=False,
    USE_I18N=False,
    LIMIT_ARCHIVE_BYTES=1024 * 1024,
    REST_FRAMEWORK={
        "DEFAULT_AUTHENTICATION_CLASSES": [],
        "DEFAULT_RENDERER_CLASSES": ["config.api.renderers.JSONRenderer"],
        "DEFAULT_PARSER_CLASSES": ["config.api.parsers.StrictJSONParser"],
        "DEFAULT_CONTENT_NEGOTIATION_CLASS": "config.api.renderers.NeverRefuse",
        "EXCEPTION_HANDLER": "config.api.errors.exception_handler",
        "UNAUTHENTICATED_USER": None,
    },
)

import django  # noqa: E402  # all below needs the settings
from django.core.handlers.wsgi import WSGIHandler  # noqa: E402
from django.db import OperationalError  # noqa: E402
from django.http import FileResponse, HttpRequest, HttpResponse, HttpResponseBase, JsonResponse  # noqa: E402
from django.urls import path  # noqa: E402
from django.views.decorators.csrf import csrf_exempt  # noqa: E402
from django.views.decorators.http import require_GET  # noqa: E402
from rest_framework.request import Request  # noqa: E402
from rest_framework.response import Response  # noqa: E402
from rest_framework.views import APIView  # noqa: E402

from config.bridge import Bridge, Headers, Send  # noqa: E402
from config.dispatcher import Dispatcher, Lifespan, refuse_websocket  # noqa: E402
from config.routes import RouteLimits, limits_for  # noqa: E402
from config.spool import Receive  # noqa: E402

left: list[str] = []
PIECE = b"0123456789abcdef" * 4096


class Blob:
    """Ten pieces of 64 KiB as a file that was never written."""

    def __init__(self) -> None:
        self.pieces = 10

    def read(self, size: int = -1) -> bytes:
        self.pieces -= 1
        return PIECE if self.pieces >= 0 else b""

    def close(self) -> None:
        left.append("blob")


@csrf_exempt
def digest(request: HttpRequest) -> HttpResponse:
    return JsonResponse({"size": len(request.body), "sha256": hashlib.sha256(request.body).hexdigest()})


def environ(request: HttpRequest) -> HttpResponse:
    kept = {key: str(value) for key, value in request.META.items() if key.isupper()}
    return JsonResponse(kept | {"url": request.build_absolute_uri("/here")})


def stream(request: HttpRequest) -> HttpResponse:
    response = HttpResponse("dropped")
    response["X-Draftloom-Stream"] = "the-run"
    response["X-Run-Id"] = "42"
    return response


def blob(request: HttpRequest) -> HttpResponseBase:
    return FileResponse(Blob(), filename="blob.bin")


def who_left(request: HttpRequest) -> HttpResponse:
    return JsonResponse({"left": left})


def fail(request: HttpRequest) -> HttpResponse:
    raise RuntimeError("secret words")


def lose_the_database(request: HttpRequest) -> HttpResponse:
    raise OperationalError("secret host")


class Echo(APIView):
    def post(self, request: Request) -> Response:
        return Response({"data": request.data})


async def stream_run(handover: bytes, headers: Headers, receive: Receive, send: Send) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": b": " + handover + b"\n\n", "more_body": True})
    while (await receive())["type"] != "http.disconnect":
        pass
    left.append("stream")


async def note_the_end() -> None:
    sys.stdout.write("ended")
    sys.stdout.flush()


def limits(method: str, url: str) -> RouteLimits:
    return RouteLimits(1000, 0.3) if url == "/api/quick" else limits_for(method, url)


urlpatterns = [
    path("api/digest", digest),
    path("api/quick", digest),
    path("api/environ", environ),
    path("api/stream", stream),
    path("api/blob", blob),
    path("api/left", who_left),
    path("api/fail", fail),
    path("api/lost", lose_the_database),
    path("api/only-get", require_GET(environ)),
    path("api/echo", Echo.as_view()),
]
handler400 = "config.api.errors.bad_request"
handler403 = "config.api.errors.permission_denied"
handler404 = "config.api.errors.not_found"
handler500 = "config.api.errors.server_error"

django.setup()
bridge = Bridge(WSGIHandler(), threads=2, limits_for=limits)
applications: dict[str, Any] = {
    "http": Dispatcher(bridge, stream_run),
    "websocket": refuse_websocket,
    "lifespan": Lifespan(note_the_end, bridge.shutdown),
}


async def application(scope: dict[str, Any], receive: Receive, send: Send) -> None:
    await applications[scope["type"]](scope, receive, send)

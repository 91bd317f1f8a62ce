"""The ASGI application that uvicorn or daphne serves."""

import os

from channels.routing import ProtocolTypeRouter, URLRouter
from django.conf import settings
from django.core.wsgi import get_wsgi_application
from django.urls import re_path, resolve

from config.bridge import Bridge
from config.dispatcher import Dispatcher, Lifespan, refuse_websocket


def _application() -> ProtocolTypeRouter:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    bridge = Bridge(get_wsgi_application(), threads=settings.WEB_THREADS)
    from config import streaming  # now that the apps are loaded

    resolve("/health")  # imports the views: all at once now, and not while the first members wait

    return ProtocolTypeRouter(
        {
            "http": Dispatcher(bridge, streaming.stream_run),
            "websocket": URLRouter([re_path("", refuse_websocket)]),  # type: ignore[arg-type]  # Channels: an ASGI view
            "lifespan": Lifespan(streaming.shutdown, bridge.shutdown, prepare=streaming.prepare),
        }
    )


application = _application()

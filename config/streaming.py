"""The streaming half of the ASGI application: writes a run's events to a socket. Knows neither users nor SQL."""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from config.api.sse import ENCODERS, Encoder
from config.api.streams import Handover
from config.hub import Hub
from config.watch import Heartbeat, Watch

log = logging.getLogger(__name__)
Headers = list[tuple[bytes, bytes]]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

_hub: Hub | None = None


def hub() -> Hub:
    """This process's hub, started on first use, in the running loop."""
    global _hub
    if _hub is None:
        from conversations.runs.snapshots import load_snapshots

        _hub = Hub(load_snapshots)
        _hub.start()
    return _hub


async def shutdown() -> None:
    global _hub
    if _hub is not None:
        await _hub.stop()
        _hub = None


async def stream_run(handover: bytes, headers: Headers, receive: Receive, send: Send) -> None:
    """Answers with the events of the run that a view handed over, until the last one or until the client leaves."""
    order = Handover.unpack(handover)
    encoder = ENCODERS[order.dialect](order.run_id)
    await send({"type": "http.response.start", "status": 200, "headers": _with_stream_headers(headers, encoder)})
    await send({"type": "http.response.body", "body": encoder.opening(), "more_body": True})
    writing = asyncio.create_task(_write(order, encoder, send))
    leaving = asyncio.create_task(_left(receive))
    try:
        await asyncio.wait({writing, leaving}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in (writing, leaving):
            task.cancel()
        await asyncio.gather(writing, leaving, return_exceptions=True)
    if not writing.cancelled() and (error := writing.exception()):
        raise error


async def _write(order: Handover, encoder: Encoder, send: Send) -> None:
    try:
        async with contextlib.aclosing(Watch(hub(), order.run_id, order.after).batches()) as batches:
            async for batch in batches:
                body = encoder.heartbeat() if isinstance(batch, Heartbeat) else encoder.encode(batch)
                if body:
                    await send({"type": "http.response.body", "body": body, "more_body": True})
    except LookupError as error:
        log.warning("A stream ended early: %s", error)
    await send({"type": "http.response.body", "body": b"", "more_body": False})


async def _left(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def _with_stream_headers(headers: Headers, encoder: Encoder) -> Headers:
    replaced = {b"content-type", b"content-length", b"cache-control", b"connection"}
    return [pair for pair in headers if pair[0].lower() not in replaced] + [
        (b"content-type", encoder.content_type),
        (b"cache-control", b"no-cache, no-transform"),
        (b"x-accel-buffering", b"no"),
    ]

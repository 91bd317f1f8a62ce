"""The streaming half of the ASGI application: writes a run's events to a socket. Knows neither users nor SQL."""

import asyncio
import contextlib
import logging
import signal
import threading
from collections.abc import Awaitable, Callable, Collection, MutableMapping
from functools import partial
from types import FrameType
from typing import Any

import orjson
from django.conf import settings

from config.api.problems import MEDIA_TYPE, problem
from config.api.sse import ENCODERS, Encoder
from config.api.streams import Handover
from config.audience import Audience
from config.hub import Hub
from config.watch import Heartbeat, Watch

log = logging.getLogger(__name__)
Headers = list[tuple[bytes, bytes]]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

RETRY_SECONDS = 5
_hub: Hub | None = None
_going = asyncio.Event()
_audience = Audience()
_dismissing: asyncio.Task[None] | None = None


def hub() -> Hub:
    """This process's hub, started on first use, in the running loop."""
    global _hub, _dismissing
    if _hub is None:
        from conversations.runs.snapshots import load_snapshots

        _hub = Hub(load_snapshots)
        _hub.start()
        _dismissing = asyncio.create_task(_audience.dismiss(_find_gone))
    return _hub


async def _find_gone(owners: Collection[int]) -> Collection[int] | None:
    from accounts.services import shut_out

    return await hub().ask(partial(shut_out, owners))


async def prepare() -> None:
    """Ends the streams as soon as the process is told to go: the server by itself would wait for them to end."""
    if threading.current_thread() is not threading.main_thread():
        return
    loop, before = asyncio.get_running_loop(), signal.getsignal(signal.SIGTERM)

    def go(number: int, frame: FrameType | None) -> None:
        loop.call_soon_threadsafe(_going.set)
        if callable(before):
            before(number, frame)

    signal.signal(signal.SIGTERM, go)


async def shutdown() -> None:
    global _hub, _dismissing
    if _hub is not None and _dismissing is not None:
        _dismissing.cancel()
        await asyncio.gather(_dismissing, return_exceptions=True)
        await _hub.stop()
        _hub = _dismissing = None


async def stream_run(handover: bytes, headers: Headers, receive: Receive, send: Send) -> None:
    """Answers with the events of the run that a view handed over, until the last one or until the client leaves."""
    order = Handover.unpack(handover)
    if refusal := _refusal(order, _request_id(headers)):
        await _refuse(refusal, headers, send)
        return
    encoder = ENCODERS[order.dialect](order.run_id)
    with _audience.joined(order.user_id) as dismissed:
        await send({"type": "http.response.start", "status": 200, "headers": _with_stream_headers(headers)})
        await send({"type": "http.response.body", "body": encoder.opening(), "more_body": True})
        await _write_until_somebody_goes(order, encoder, receive, send, dismissed)


def _refusal(order: Handover, request_id: str) -> dict[str, Any] | None:
    """The problem document for a stream too many. The run goes on all the same, and can be watched later."""
    told: dict[str, Any] = {"request_id": request_id, "extra": {"run_id": order.run_id}}
    if _audience.total() >= settings.LIMIT_STREAMS_PER_PROCESS:
        return problem(503, "too_many_streams", "This server has too many open streams. Try again soon.", **told)
    if _audience.streams_of(order.user_id) >= settings.LIMIT_STREAMS_PER_USER:
        return problem(429, "too_many_streams", "You have too many open streams. Close one.", **told)
    return None


def _request_id(headers: Headers) -> str:
    """The id that the answer to this request bears."""
    return next((value.decode("latin-1") for name, value in headers if name.lower() == b"x-request-id"), "")


async def _refuse(document: dict[str, Any], headers: Headers, send: Send) -> None:
    kept = [pair for pair in headers if pair[0].lower() not in {b"content-type", b"content-length"}]
    told = [(b"content-type", MEDIA_TYPE.encode()), (b"retry-after", b"%d" % RETRY_SECONDS)]
    await send({"type": "http.response.start", "status": document["status"], "headers": kept + told})
    await send({"type": "http.response.body", "body": orjson.dumps(document)})


async def _write_until_somebody_goes(
    order: Handover, encoder: Encoder, receive: Receive, send: Send, dismissed: asyncio.Event
) -> None:
    writing = asyncio.create_task(_write(order, encoder, send))
    leaving = asyncio.create_task(_left(receive))
    going = asyncio.create_task(_going.wait())
    dismissal = asyncio.create_task(dismissed.wait())
    tasks = {writing, leaving, going, dismissal}
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        is_cut_short = not (writing.done() or leaving.done())
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    if is_cut_short:
        await send({"type": "http.response.body", "body": encoder.farewell(), "more_body": False})
    elif not writing.cancelled() and (error := writing.exception()):
        raise error


async def _write(order: Handover, encoder: Encoder, send: Send) -> None:
    try:
        async with contextlib.aclosing(Watch(hub(), order.run_id, order.after).batches()) as batches:
            async for batch in batches:
                body = encoder.heartbeat() if isinstance(batch, Heartbeat) else encoder.encode(batch)
                if body:
                    await send({"type": "http.response.body", "body": body, "more_body": True})
                if encoder.is_over:
                    break
    except LookupError as error:
        log.warning("A stream ended early: %s", error)
        await send({"type": "http.response.body", "body": encoder.farewell(), "more_body": True})
    await send({"type": "http.response.body", "body": b"", "more_body": False})


async def _left(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def _with_stream_headers(headers: Headers) -> Headers:
    replaced = {b"content-length", b"cache-control", b"connection"}
    return [pair for pair in headers if pair[0].lower() not in replaced] + [
        (b"cache-control", b"no-cache, no-transform"),
        (b"x-accel-buffering", b"no"),
    ]

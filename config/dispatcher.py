"""The ASGI side of the server: who answers a request, a stream, a WebSocket, and the server's own start and stop."""

from collections.abc import Awaitable, Callable
from typing import Any

from config.api.streams import HEADER
from config.bridge import Bridge, Headers, Scope, Send
from config.spool import Receive

STREAM_HEADER = HEADER.lower().encode()

Stream = Callable[[bytes, Headers, Receive, Send], Awaitable[None]]


class Dispatcher:
    """Lets the bridge answer every request, and takes over when a view hands on a stream.

    A view does that by an ordinary 200 with the header `X-Draftloom-Stream`. Its body is dropped; `stream` is called
    with the header's value, the other headers, and the client's own `receive` and `send`, and owes the whole response.
    """

    def __init__(self, bridge: Bridge, stream: Stream) -> None:
        self._bridge = bridge
        self._stream = stream

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        answer = _HeldBack(send)
        await self._bridge({**scope, "root_path": ""}, receive, answer.send)
        if answer.handover is None:
            return
        if scope["method"] == "HEAD":
            await send({"type": "http.response.start", "status": 200, "headers": answer.headers})
            await send({"type": "http.response.body", "body": b""})
            return
        await self._stream(answer.handover, answer.headers, receive, send)


class _HeldBack:
    """A `send` that lets an ordinary answer through and holds one back that hands over."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self.handover: bytes | None = None
        self.headers: Headers = []

    async def send(self, message: dict[str, Any]) -> None:
        if message["type"] == "http.response.start":
            self._look_at(message["headers"])
        if self.handover is None:
            await self._send(message)

    def _look_at(self, headers: Headers) -> None:
        self.handover = dict(headers).get(STREAM_HEADER)
        dropped = {STREAM_HEADER, b"content-length"}
        self.headers = [(name, value) for name, value in headers if name not in dropped]


class Lifespan:
    """Answers the server's `lifespan` protocol.

    Awaits `prepare`, if there is one, when the server starts, and `callbacks`, in order, when it stops.
    """

    def __init__(
        self, *callbacks: Callable[[], Awaitable[None]], prepare: Callable[[], Awaitable[None]] | None = None
    ) -> None:
        self._prepare = prepare
        self._callbacks = callbacks

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        if self._prepare is not None:
            await self._prepare()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        for callback in self._callbacks:
            await callback()
        await send({"type": "lifespan.shutdown.complete"})


async def refuse_websocket(scope: Scope, receive: Receive, send: Send) -> None:
    await receive()
    await send({"type": "websocket.close", "code": 4404})

"""A small server on 127.0.0.1 that answers like a vendor of language models, as well or as badly as a test tells it to.

What is the same for all vendors; each vendor's wire is a `FakeModel` in a module of its own.
"""

import asyncio
import json
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Self

from aiohttp import web

from integrations.llm.events import StopReason


@dataclass(frozen=True)
class Reply:
    """What one request gets: `writes` leave one by one, each as a write of its own, and then the `ending`.

    `close` ends the answer properly, `cut` drops the connection, `hang` says nothing more until the client goes away,
    `flood` repeats the last write until it does.
    """

    writes: tuple[bytes, ...] = ()
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    ending: Literal["close", "cut", "hang", "flood"] = "close"


def event(document: Any) -> bytes:
    return f"data: {json.dumps(document)}\n\n".encode()


def refused(status: int, code: str = "", message: str = "sk-secret and the prompt", **headers: str) -> Reply:
    """An error document; `retry_after="2"` becomes the header."""
    document = {"type": "error", "error": {"message": message, "type": code or "some_error", "code": code or None}}
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Reply((json.dumps(document).encode(),), status, {"Content-Type": "application/json", **named})


class FakeModel(ABC):
    """`async with FakeOpenAI() as fake`: give it replies, point a provider at `fake.url`, look at `fake.requests`.

    Replies are used up in order; the last one stays. `asked` is set by the first request, `gone` when a client leaves
    before its answer is complete, and `sent` counts the bytes. `peers` holds an entry for each connection.
    """

    path = "/"
    url_path = ""

    def __init__(self, port: int = 0) -> None:
        self._port = port
        self.requests: list[dict[str, Any]] = []
        self.headers: list[Mapping[str, str]] = []
        self.peers: set[Any] = set()
        self.asked, self.gone = asyncio.Event(), asyncio.Event()
        self.sent = 0
        self.url = ""
        self._replies: list[Reply] = [self.text("Hello")]

    def replies(self, *replies: Reply) -> None:
        self._replies = list(replies)

    def text(self, *pieces: str, reason: StopReason = "stop") -> Reply:
        """An answer in these pieces, with 7 tokens asked, 3 of them cached, and one answered for each piece."""
        said = [self.said(piece) for piece in pieces]
        return Reply((*self.head(), *said, *self.finish(reason, given=7, made=len(pieces), cached=3)))

    @abstractmethod
    def head(self) -> tuple[bytes, ...]:
        """What comes before anything that a model says."""

    @abstractmethod
    def said(self, piece: str) -> bytes: ...

    @abstractmethod
    def thought(self, piece: str) -> bytes: ...

    @abstractmethod
    def refusal(self) -> tuple[bytes, ...]:
        """An answer with the text "I can't." that the vendor marks as refused, from after the head to the end."""

    @abstractmethod
    def call(self, index: int, call_id: str, name: str, *pieces: str) -> tuple[bytes, ...]:
        """The call at `index` among the calls, its arguments in pieces."""

    @abstractmethod
    def finish(self, reason: StopReason, given: int = 1, made: int = 1, cached: int = 0) -> tuple[bytes, ...]:
        """Why the model stopped, what it counted, and the end of the stream."""

    @abstractmethod
    def failed(self, code: str) -> bytes:
        """An error in the middle of the stream."""

    async def __aenter__(self) -> Self:
        application = web.Application(client_max_size=64 * 1024 * 1024)
        application.router.add_post(self.path, self._answer)
        self._runner = web.AppRunner(application, handler_cancellation=True, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", self._port)
        await site.start()
        self._port = self._runner.addresses[0][1]
        self.url = f"http://127.0.0.1:{self._port}{self.url_path}"
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._runner.cleanup()

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        self.requests.append(await request.json())
        self.headers.append(request.headers)
        self.asked.set()
        reply = self._replies.pop(0) if len(self._replies) > 1 else self._replies[0]
        response = web.StreamResponse(
            status=reply.status, headers={"Content-Type": "text/event-stream", **reply.headers}
        )
        response.enable_chunked_encoding()
        try:
            await response.prepare(request)
            self.peers.add(request.transport and request.transport.get_extra_info("peername"))
            await self._write(response, reply.writes)
            await self._end(request, response, reply)
        except (ConnectionError, asyncio.CancelledError):
            self.gone.set()
            raise
        return response

    async def _write(self, response: web.StreamResponse, writes: Iterable[bytes]) -> None:
        for write in writes:
            await response.write(write)
            self.sent += len(write)
            await asyncio.sleep(0)

    async def _end(self, request: web.Request, response: web.StreamResponse, reply: Reply) -> None:
        if reply.ending == "hang":
            await asyncio.sleep(30)
        elif reply.ending == "flood":
            while self.sent < 300_000_000:
                await self._write(response, reply.writes[-1:])
        elif reply.ending == "cut" and request.transport:
            await asyncio.sleep(0.02)
            request.transport.abort()
        else:
            await response.write_eof()

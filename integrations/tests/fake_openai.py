"""A small server that speaks OpenAI's Chat Completions on 127.0.0.1, as well or as badly as a test tells it to."""

import asyncio
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Self

from aiohttp import web

DONE = b"data: [DONE]\n\n"


@dataclass(frozen=True)
class Reply:
    """What one request gets: `writes` leave one by one, each as a write of its own, and then the `ending`.

    `close` ends the answer properly, `cut` drops the connection, `hang` says nothing more until the client goes away.
    """

    writes: tuple[bytes, ...] = ()
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    ending: Literal["close", "cut", "hang"] = "close"


def chunk(**delta: Any) -> bytes:
    """One event with a `delta`."""
    return event({"object": "chat.completion.chunk", "choices": [{"index": 0, "delta": delta, "finish_reason": None}]})


def event(document: Any) -> bytes:
    return f"data: {json.dumps(document)}\n\n".encode()


def finish(reason: str) -> bytes:
    return event({"choices": [{"index": 0, "delta": {}, "finish_reason": reason}]})


def usage(given: int, made: int, cached: int = 0) -> bytes:
    counts = {"prompt_tokens": given, "completion_tokens": made, "prompt_tokens_details": {"cached_tokens": cached}}
    return event({"choices": [], "usage": counts})


def tool_piece(index: int, arguments: str = "", **members: str) -> dict[str, Any]:
    """A piece of the call at `index`; `id` and `name` come with the first piece only."""
    function = {"arguments": arguments} | ({"name": members.pop("name")} if "name" in members else {})
    return {"index": index, "function": function, **members}


def text(*pieces: str, reason: str = "stop") -> Reply:
    head = chunk(role="assistant", content="")
    return Reply((head, *(chunk(content=piece) for piece in pieces), finish(reason), usage(7, len(pieces), 3), DONE))


def refused(status: int, code: str = "", message: str = "sk-secret and the prompt", **headers: str) -> Reply:
    """An error document; `retry_after="2"` becomes the header."""
    document = json.dumps({"error": {"message": message, "type": "invalid_request_error", "code": code or None}})
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Reply((document.encode(),), status, {"Content-Type": "application/json", **named})


class FakeOpenAI:
    """`async with FakeOpenAI() as fake`: give it replies, point a provider at `fake.url`, look at `fake.requests`.

    Replies are used up in order; the last one stays. `asked` is set by the first request, `gone` when a client leaves
    before its answer is complete. `peers` holds an entry for each connection.
    """

    def __init__(self, port: int = 0) -> None:
        self._port = port
        self.requests: list[dict[str, Any]] = []
        self.headers: list[Mapping[str, str]] = []
        self.peers: set[Any] = set()
        self.asked, self.gone = asyncio.Event(), asyncio.Event()
        self.url = ""
        self._replies: list[Reply] = [text("Hello")]

    def replies(self, *replies: Reply) -> None:
        self._replies = list(replies)

    async def __aenter__(self) -> Self:
        application = web.Application(client_max_size=64 * 1024 * 1024)
        application.router.add_post("/v1/chat/completions", self._answer)
        self._runner = web.AppRunner(application, handler_cancellation=True, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", self._port)
        await site.start()
        self._port = self._runner.addresses[0][1]
        self.url = f"http://127.0.0.1:{self._port}/v1"
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
            await self._write(request, response, reply.writes)
            await self._end(request, response, reply.ending)
        except (ConnectionError, asyncio.CancelledError):
            self.gone.set()
            raise
        return response

    async def _write(self, request: web.Request, response: web.StreamResponse, writes: Iterable[bytes]) -> None:
        for write in writes:
            await response.write(write)
            await asyncio.sleep(0)

    async def _end(self, request: web.Request, response: web.StreamResponse, ending: str) -> None:
        if ending == "hang":
            await asyncio.sleep(30)
        elif ending == "cut" and request.transport:
            await asyncio.sleep(0.02)
            request.transport.abort()
        else:
            await response.write_eof()

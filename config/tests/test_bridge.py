import asyncio
import io
import json
import threading
from collections.abc import Callable, Iterable, Iterator
from typing import Any
from wsgiref.types import StartResponse

import pytest

from config import limits, spool
from config.api.problems import REFUSAL
from config.bridge import Bridge
from config.dispatcher import Dispatcher, Lifespan, refuse_websocket
from config.routes import RouteLimits, limits_for
from config.spool import Body, drain, read_body

Environ = dict[str, Any]
SMALL = RouteLimits(max_bytes=10, seconds=0.2)


class Client:
    """The two ends that a server gives to an ASGI application."""

    def __init__(self, *messages: dict[str, Any]) -> None:
        self.incoming: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self.sent: list[dict[str, Any]] = []
        self.grew = asyncio.Event()
        for message in messages:
            self.incoming.put_nowait(message)

    async def receive(self) -> dict[str, Any]:
        return await self.incoming.get()

    async def send(self, message: dict[str, Any]) -> None:
        self.sent.append(message)
        self.grew.set()

    @property
    def status(self) -> int:
        return int(self.sent[0]["status"])

    @property
    def headers(self) -> dict[bytes, bytes]:
        return dict(self.sent[0]["headers"])

    @property
    def body(self) -> bytes:
        return b"".join(message["body"] for message in self.sent[1:])


class Watched:
    """A body that notes whether it was closed."""

    def __init__(self, blocks: Iterable[bytes]) -> None:
        self.blocks = blocks
        self.is_closed = False

    def __iter__(self) -> Iterator[bytes]:
        return iter(self.blocks)

    def close(self) -> None:
        self.is_closed = True


def body(content: bytes = b"", *, more: bool = False) -> dict[str, Any]:
    return {"type": "http.request", "body": content, "more_body": more}


def scope(method: str = "GET", path: str = "/", *headers: tuple[bytes, bytes]) -> dict[str, Any]:
    return {
        "type": "http",
        "http_version": "1.1",
        "method": method,
        "path": path,
        "query_string": b"",
        "headers": list(headers),
        "scheme": "http",
        "server": ("127.0.0.1", 8000),
        "client": ("127.0.0.9", 4000),
    }


def answering(blocks: Iterable[bytes], status: str = "200 OK", *headers: tuple[str, str]) -> Callable[..., Any]:
    def application(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        start_response(status, list(headers))
        return blocks

    return application


def telling(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    """Answers with what it was asked."""
    start_response("200 OK", [])
    asked = {key: value for key, value in environ.items() if isinstance(value, str)}
    refusal = environ[REFUSAL]
    asked["body"] = environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"])).decode()
    return [json.dumps(asked | {"refusal": list(refusal) if refusal else None}).encode()]


async def ask(bridge: Bridge, client: Client, request: dict[str, Any]) -> dict[str, Any]:
    await bridge(request, client.receive, client.send)
    document: dict[str, Any] = json.loads(client.body)
    return document


async def test_it_passes_the_request_on_in_wsgi_form():
    request = scope(
        "POST",
        "/é",
        (b"content-type", b"text/plain"),
        (b"content-length", b"5"),
        (b"cookie", b"a=1"),
        (b"cookie", b"b=2"),
        (b"x-twice", b"1"),
        (b"x-twice", b"2"),
        (b"x_forged", b"1"),
        (b"transfer-encoding", b"chunked"),
    )
    asked = await ask(Bridge(telling, threads=1), Client(body(b"he", more=True), body(b"llo")), request)
    assert asked["body"] == "hello"
    assert asked["PATH_INFO"].encode("latin-1").decode() == "/é"
    assert (asked["CONTENT_TYPE"], asked["CONTENT_LENGTH"]) == ("text/plain", "5")
    assert (asked["HTTP_COOKIE"], asked["HTTP_X_TWICE"]) == ("a=1; b=2", "1,2")
    assert (asked["REMOTE_ADDR"], asked["SERVER_NAME"], asked["SERVER_PORT"]) == ("127.0.0.9", "127.0.0.1", "8000")
    assert not {"HTTP_X_FORGED", "HTTP_TRANSFER_ENCODING", "HTTP_CONTENT_LENGTH"} & asked.keys()


async def test_it_serves_a_unix_socket():
    request = scope() | {"server": ("/run/web.sock", None), "client": None}
    asked = await ask(Bridge(telling, threads=1), Client(body()), request)
    assert (asked["SERVER_PORT"], asked["REMOTE_ADDR"]) == ("80", "")


async def test_it_measures_the_body_instead_of_believing_the_header():
    request = scope("POST", "/", (b"content-length", b"2"))
    asked = await ask(Bridge(telling, threads=1), Client(body(b"longer")), request)
    assert (asked["CONTENT_LENGTH"], asked["body"]) == ("6", "longer")


async def test_it_gives_a_large_body_whole():
    content = b"x" * (spool.MEMORY_BYTES * 3)
    pieces = [body(content[at : at + 65536], more=True) for at in range(0, len(content), 65536)]
    asked = await ask(Bridge(telling, threads=1), Client(*pieces, body()), scope("POST"))
    assert asked["body"].encode() == content


async def test_it_runs_nothing_for_a_client_that_leaves_while_sending():
    ran = threading.Event()

    def application(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        ran.set()
        return telling(environ, start_response)

    client = Client(body(b"half", more=True), {"type": "http.disconnect"})
    await Bridge(application, threads=1)(scope("POST"), client.receive, client.send)
    assert client.sent == []
    assert not ran.is_set()


@pytest.mark.parametrize(
    ("headers", "messages", "status", "code"),
    [
        ([(b"content-length", b"11")], [], 413, "too_large"),
        ([(b"content-length", b"9" * 5000)], [], 413, "too_large"),
        ([(b"content-length", b"-1")], [], 400, "malformed"),
        ([(b"content-length", b"1e3")], [], 400, "malformed"),
        ([(b"content-encoding", b"br")], [], 415, "unsupported_type"),
        ([], [body(b"x" * 6, more=True), body(b"x" * 5, more=True)], 413, "too_large"),
        ([], [body(b"x", more=True)], 408, "request_timeout"),
    ],
)
async def test_it_refuses_through_the_application_and_closes(headers, messages, status, code):
    bridge = Bridge(telling, threads=1, limits_for=lambda method, path: SMALL)
    client = Client(*messages)
    answering_task = asyncio.create_task(bridge(scope("POST", "/", *headers), client.receive, client.send))
    await asyncio.wait_for(client.grew.wait(), 2)
    client.incoming.put_nowait({"type": "http.disconnect"})
    await asyncio.wait_for(answering_task, 2)
    asked = json.loads(client.body)
    assert asked["refusal"][:2] == [status, code]
    assert (asked["CONTENT_LENGTH"], asked["body"]) == ("0", "")
    assert client.headers[b"connection"] == b"close"


async def test_it_keeps_the_connection_after_refusing_a_body_that_is_complete():
    client = Client(body(b"x" * 11))
    bridge = Bridge(telling, threads=1, limits_for=lambda method, path: SMALL)
    asked = await asyncio.wait_for(ask(bridge, client, scope("POST")), 1)
    assert asked["refusal"][:2] == [413, "too_large"]
    assert b"connection" not in client.headers


async def test_it_accepts_a_body_that_says_it_is_not_encoded():
    asked = await ask(
        Bridge(telling, threads=1), Client(body(b"x")), scope("POST", "/", (b"content-encoding", b"identity"))
    )
    assert (asked["refusal"], asked["body"]) == (None, "x")


async def test_it_refuses_when_the_disk_is_full():
    class Full(io.BytesIO):
        def write(self, content: Any) -> int:
            raise OSError(28, "No space left on device")

    taken = Body(Full())
    await read_body(taken, [], Client(body(b"x")).receive, RouteLimits())
    assert taken.refusal is not None
    assert taken.refusal.status == 503


async def test_it_drains_no_more_than_its_share():
    client = Client(*[body(b"x" * 10, more=True) for _ in range(5)])
    await drain(client.receive, most=30)
    assert client.incoming.qsize() == 2


async def test_it_drains_no_longer_than_its_time():
    client = Client(body(b"x", more=True))
    await asyncio.wait_for(drain(client.receive, seconds=0.05), 1)
    assert client.incoming.empty()


async def test_it_sends_a_whole_answer_at_once_with_its_length():
    blocks = Watched([b"a", b"bc"])
    blocks.streaming = False  # type: ignore[attr-defined]
    client = Client(body())
    await Bridge(answering(blocks), threads=1)(scope(), client.receive, client.send)
    assert client.headers == {b"content-length": b"3"}
    assert client.sent[1:] == [{"type": "http.response.body", "body": b"abc"}]
    assert blocks.is_closed


async def test_it_sends_blocks_as_they_come():
    gate = threading.Event()

    def slowly() -> Iterator[bytes]:
        yield b"first"
        gate.wait(5)
        yield b"second"

    blocks = Watched(slowly())
    client = Client(body())
    bridge = Bridge(answering(blocks), threads=1)
    task = asyncio.create_task(bridge(scope(), client.receive, client.send))
    async with asyncio.timeout(5):
        while len(client.sent) < 2:
            client.grew.clear()
            await client.grew.wait()
        assert client.body == b"first"
        assert not blocks.is_closed
        gate.set()
        await task
    assert client.body == b"firstsecond"
    assert not client.sent[-1].get("more_body")
    assert blocks.is_closed


@pytest.mark.parametrize(
    ("method", "status"), [("HEAD", "200 OK"), ("GET", "204 No Content"), ("GET", "304 Not Modified")]
)
@pytest.mark.parametrize("is_streaming", [True, False])
async def test_it_sends_no_body_where_none_belongs(method, status, is_streaming):
    blocks = Watched([b"abc"])
    blocks.streaming = is_streaming  # type: ignore[attr-defined]
    client = Client(body())
    await Bridge(answering(blocks, status), threads=1)(scope(method), client.receive, client.send)
    assert client.body == b""
    assert client.headers.get(b"content-length") == (b"3" if method == "HEAD" and not is_streaming else None)
    assert blocks.is_closed


@pytest.mark.parametrize("status", ["204 No Content", "304 Not Modified"])
async def test_it_tells_no_length_of_a_body_that_is_not_sent(status):
    client = Client(body())
    await Bridge(answering([], status, ("Content-Length", "0")), threads=1)(scope(), client.receive, client.send)
    assert client.headers == {}


async def test_it_keeps_the_length_that_the_application_gives():
    client = Client(body())
    application = answering([b"abc"], "200 OK", ("Content-Length", "3"), ("X-Name", "é"))
    await Bridge(application, threads=1)(scope(), client.receive, client.send)
    assert client.sent[0]["headers"] == [(b"content-length", b"3"), (b"x-name", b"\xe9")]


async def test_it_sends_what_the_application_writes_itself():
    def application(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        start_response("200 OK", [])(b"written, ")
        return [b"returned"]

    client = Client(body())
    await Bridge(application, threads=1)(scope(), client.receive, client.send)
    assert client.body == b"written, returned"


@pytest.mark.parametrize("is_started", [True, False])
async def test_it_answers_500_when_the_application_raises(is_started, caplog):
    def application(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        if is_started:
            start_response("200 OK", [])
        raise RuntimeError("secret")

    client = Client(body())
    await Bridge(application, threads=1)(scope(), client.receive, client.send)
    assert client.status == 500
    assert client.headers[b"content-type"] == b"application/problem+json"
    document = json.loads(client.body)
    assert document["code"] == "server_error"
    assert document["request_id"].encode() == client.headers[b"x-request-id"] != b""
    assert document["request_id"] in caplog.text
    assert b"secret" not in client.body
    assert "outside of Django" in caplog.text


async def test_it_closes_a_body_that_fails_at_its_start():
    blocks = Watched(map(bytes.decode, [b"\xff"]))  # type: ignore[arg-type]  # raises on its first block
    client = Client(body())
    await Bridge(answering(blocks), threads=1)(scope(), client.receive, client.send)
    assert (client.status, blocks.is_closed) == (500, True)


async def test_it_breaks_off_and_closes_a_body_that_fails_later():
    def failing() -> Iterator[bytes]:
        yield b"start"
        raise RuntimeError("midway")

    blocks = Watched(failing())
    client = Client(body())
    with pytest.raises(RuntimeError, match="midway"):
        await Bridge(answering(blocks), threads=1)(scope(), client.receive, client.send)
    assert client.sent[-1]["more_body"]
    assert blocks.is_closed


async def test_it_keeps_views_that_wait_for_others_apart():
    gate = threading.Event()

    def application(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        if environ["PATH_INFO"] == "/waiting":
            gate.wait(5)
        return telling(environ, start_response)

    bridge = Bridge(application, threads=1, limits_for=lambda method, path: RouteLimits(outside=path == "/waiting"))
    stuck = Client(body())
    task = asyncio.create_task(bridge(scope("GET", "/waiting"), stuck.receive, stuck.send))
    await asyncio.wait_for(ask(bridge, Client(body()), scope("GET", "/other")), 2)
    assert stuck.sent == []
    gate.set()
    await task
    assert stuck.status == 200


async def test_it_answers_nothing_more_after_its_shutdown():
    bridge = Bridge(telling, threads=1)
    await bridge.shutdown()
    with pytest.raises(RuntimeError):
        await ask(bridge, Client(body()), scope())


async def no_stream(*arguments: Any) -> None:
    raise AssertionError("nothing was handed over")


async def test_it_lets_an_ordinary_answer_through():
    client = Client(body())
    dispatcher = Dispatcher(Bridge(answering([b"plain"]), threads=1), no_stream)
    await dispatcher(scope(), client.receive, client.send)
    assert (client.status, client.body) == (200, b"plain")


async def test_it_hands_a_stream_over_with_all_other_headers():
    seen: list[Any] = []

    async def stream(*arguments: Any) -> None:
        seen.extend(arguments)

    client = Client(body())
    headers = [("X-Draftloom-Stream", '["run"]'), ("Set-Cookie", "a=1"), ("Set-Cookie", "b=2"), ("Content-Length", "4")]
    dispatcher = Dispatcher(Bridge(answering([b"drop"], "200 OK", *headers), threads=1), stream)
    await dispatcher(scope(), client.receive, client.send)
    handover, rest, receive, send = seen
    assert handover == b'["run"]'
    assert rest == [(b"set-cookie", b"a=1"), (b"set-cookie", b"b=2")]
    assert (receive, send) == (client.receive, client.send)
    assert client.sent == []


async def test_it_answers_a_head_of_a_stream_without_streaming():
    client = Client(body())
    application = answering([], "200 OK", ("X-Draftloom-Stream", "run"), ("X-Run-Id", "7"))
    await Dispatcher(Bridge(application, threads=1), no_stream)(scope("HEAD"), client.receive, client.send)
    assert (client.status, client.headers, client.body) == (200, {b"x-run-id": b"7"}, b"")


async def test_it_awaits_each_callback_in_order_when_the_server_stops():
    ended: list[str] = []

    async def streams() -> None:
        ended.append("streams")

    async def bridge() -> None:
        ended.append("bridge")

    client = Client({"type": "lifespan.startup"}, {"type": "lifespan.shutdown"})
    await Lifespan(streams, bridge)({"type": "lifespan"}, client.receive, client.send)
    assert ended == ["streams", "bridge"]
    assert [message["type"] for message in client.sent] == ["lifespan.startup.complete", "lifespan.shutdown.complete"]


async def test_it_closes_a_websocket_before_accepting_it():
    client = Client({"type": "websocket.connect"})
    await refuse_websocket({"type": "websocket"}, client.receive, client.send)
    assert [message["type"] for message in client.sent] == ["websocket.close"]


IMPORT, UPLOAD = limits.IMPORT_BYTES + limits.MULTIPART_BYTES, limits.UPLOAD_BYTES + limits.MULTIPART_BYTES


@pytest.mark.parametrize(
    ("method", "path", "expected"),
    [
        ("POST", "/api/conversations/import-file", (IMPORT, 120, True)),
        ("POST", "/api/conversations/import-file/", (IMPORT, 120, True)),
        ("POST", "/api/conversations/12/files", (UPLOAD, 120, True)),
        ("GET", "/api/conversations/12/files", (limits.JSON_BYTES, 30, False)),
        ("POST", "/api/conversations/12/files/3", (limits.JSON_BYTES, 30, False)),
        ("GET", "/api/conversations/files/3/download", (limits.JSON_BYTES, 30, True)),
        ("GET", "/api/conversations/files/3/thumbnail/", (limits.JSON_BYTES, 30, True)),
        ("DELETE", "/api/conversations/files/3", (limits.JSON_BYTES, 30, False)),
        ("GET", "/files/a-token", (limits.JSON_BYTES, 30, True)),
        ("POST", "/api/conversations/12/project/", (limits.JSON_BYTES, 30, True)),
        ("GET", "/api/auth/callback", (limits.JSON_BYTES, 30, True)),
        ("GET", "/api/auth/status", (limits.JSON_BYTES, 30, False)),
        ("GET", "/api/search", (limits.JSON_BYTES, 30, True)),
        ("POST", "/admin/llmconfig/prompt/add/", (limits.JSON_BYTES, 30, False)),
    ],
)
def test_it_knows_the_limits_of_a_route(method, path, expected):
    assert limits_for(method, path) == expected

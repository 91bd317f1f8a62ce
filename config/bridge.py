"""From ASGI to WSGI: each request is read whole, then answered by ordinary Django in one of a few threads."""

import asyncio
import logging
import secrets
import sys
from collections.abc import Awaitable, Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from http import HTTPStatus
from tempfile import SpooledTemporaryFile
from typing import IO, Any, NamedTuple
from wsgiref.types import WSGIApplication

import orjson

from config.api.problems import MEDIA_TYPE, REFUSAL, problem
from config.routes import RouteLimits, limits_for
from config.spool import MEMORY_BYTES, Body, ClientLeft, Receive, drain, read_body

logger = logging.getLogger(__name__)

Scope = dict[str, Any]
Send = Callable[[Any], Awaitable[None]]
Headers = list[tuple[bytes, bytes]]

_BODILESS = {HTTPStatus.NO_CONTENT, HTTPStatus.NOT_MODIFIED}


class FileBlocks:
    """`wsgi.file_wrapper`: a file in blocks, whose `close` (which Django sets) ends the response as well."""

    BLOCK_BYTES = 256 * 1024  # not the caller's size: each block costs a change of threads

    def __init__(self, file: IO[bytes], block_size: int = BLOCK_BYTES) -> None:
        self._file = file

    def __iter__(self) -> Iterator[bytes]:
        return iter(lambda: self._file.read(self.BLOCK_BYTES), b"")

    def close(self) -> None:
        self._file.close()


class _Answer(NamedTuple):
    """`rest` is what follows `first`, pulled only as fast as the client reads; None when `first` is all."""

    status: int
    headers: Headers
    first: bytes
    rest: Iterator[bytes] | None
    close: Callable[[], object]


class Bridge:
    """An ASGI application for HTTP around a WSGI application.

    Views that wait for other servers (`RouteLimits.outside`) have `threads` of their own, so that they cannot keep the
    others from running. A request that the bridge refuses goes through the application too, with an empty body and
    `environ[REFUSAL]`, so that its answer carries the same headers as any other.
    """

    def __init__(
        self,
        application: WSGIApplication,
        *,
        threads: int,
        limits_for: Callable[[str, str], RouteLimits] = limits_for,
    ) -> None:
        self._application = application
        self._limits_for = limits_for
        self._inside = ThreadPoolExecutor(threads, "web")
        self._outside = ThreadPoolExecutor(threads, "web-outside")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        limits = self._limits_for(scope["method"], scope["path"])
        pool = self._outside if limits.outside else self._inside
        with SpooledTemporaryFile(MEMORY_BYTES) as file:
            body = Body(file)
            try:
                await read_body(body, scope["headers"], receive, limits)
            except ClientLeft:
                return
            file.seek(0)
            answer = await asyncio.get_running_loop().run_in_executor(pool, self._answer, _environ(scope, body))
            await _deliver(answer, pool, send, unread=None if body.complete else receive)

    async def shutdown(self) -> None:
        """Takes no more requests; those under way go on."""
        for pool in (self._inside, self._outside):
            pool.shutdown(wait=False, cancel_futures=True)

    def _answer(self, environ: dict[str, Any]) -> _Answer:
        try:
            return _call(self._application, environ)
        except Exception:
            request_id = secrets.token_hex(16)
            logger.exception("Request %s failed outside of Django's own error handling", request_id)
            return _server_error(request_id)


def _call(application: WSGIApplication, environ: dict[str, Any]) -> _Answer:
    status = 0
    headers: Headers = []
    written: list[bytes] = []

    def start_response(line: str, fields: list[tuple[str, str]], exc_info: Any = None) -> Callable[[bytes], object]:
        nonlocal status, headers
        status = int(line[:3])
        headers = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in fields]
        return written.append

    result = application(environ, start_response)
    close: Callable[[], object] = getattr(result, "close", _nothing)
    try:
        blocks = iter(result)
        first = b"".join(blocks) if _is_whole(result) else next(blocks, b"")
    except BaseException:
        close()
        raise
    answer = _Answer(status, headers, b"".join(written) + first, None if _is_whole(result) else blocks, close)
    return _finished(answer, has_body=environ["REQUEST_METHOD"] != "HEAD" and status not in _BODILESS)


def _finished(answer: _Answer, *, has_body: bool) -> _Answer:
    """The same answer, closed at once unless a body follows from other threads."""
    if answer.rest is not None and has_body:
        return answer
    answer.close()
    headers = answer.headers
    is_sized = answer.rest is not None or any(name == b"content-length" for name, _ in headers)
    if answer.status in _BODILESS:  # Django says 0, and RFC 9110 (8.6) that a 304 tells the length of the 200 or none
        headers = [field for field in headers if field[0] != b"content-length"]
    elif not is_sized:
        headers = [*headers, (b"content-length", b"%d" % len(answer.first))]
    return _Answer(answer.status, headers, answer.first if has_body else b"", None, _nothing)


def _is_whole(result: Iterable[bytes]) -> bool:
    return isinstance(result, list | tuple) or not getattr(result, "streaming", True)


def _nothing() -> None:
    pass


def _server_error(request_id: str) -> _Answer:
    document = problem(500, "server_error", "The server met a fault of its own.", request_id=request_id)
    content = orjson.dumps(document)
    headers = [
        (b"content-type", MEDIA_TYPE.encode()),
        (b"content-length", b"%d" % len(content)),
        (b"x-request-id", request_id.encode()),
    ]
    return _Answer(500, headers, content, None, _nothing)


async def _deliver(answer: _Answer, pool: ThreadPoolExecutor, send: Send, *, unread: Receive | None) -> None:
    """Sends the answer; with `unread`, a client that is still sending gets it too, and the connection ends."""
    headers = answer.headers if unread is None else [*answer.headers, (b"connection", b"close")]
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    if answer.rest is None and unread is None:
        await send({"type": "http.response.body", "body": answer.first})
        return
    await send({"type": "http.response.body", "body": answer.first, "more_body": True})
    if answer.rest is not None:
        await _deliver_rest(answer.rest, answer.close, pool, send)
    if unread is not None:
        await drain(unread)
    await send({"type": "http.response.body", "body": b""})


async def _deliver_rest(
    rest: Iterator[bytes], close: Callable[[], object], pool: ThreadPoolExecutor, send: Send
) -> None:
    loop = asyncio.get_running_loop()
    try:
        while (block := await loop.run_in_executor(pool, next, rest, None)) is not None:
            await send({"type": "http.response.body", "body": block, "more_body": True})
    finally:
        await loop.run_in_executor(pool, close)


def _environ(scope: Scope, body: Body) -> dict[str, Any]:
    host, port = scope.get("server") or ("localhost", None)
    environ = {
        "REQUEST_METHOD": scope["method"],
        "SCRIPT_NAME": "",
        "PATH_INFO": scope["path"].encode("utf-8", "replace").decode("latin-1"),
        "QUERY_STRING": scope["query_string"].decode("latin-1"),
        "SERVER_NAME": host,
        "SERVER_PORT": str(port or 80),
        "SERVER_PROTOCOL": f"HTTP/{scope['http_version']}",
        "REMOTE_ADDR": (scope.get("client") or ("",))[0],
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": scope.get("scheme", "http"),
        "wsgi.input": body.file,
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": True,
        "wsgi.run_once": False,
        "wsgi.file_wrapper": FileBlocks,
        REFUSAL: body.refusal,
    }
    _add_headers(environ, scope["headers"])
    environ["CONTENT_TYPE"] = environ.pop("HTTP_CONTENT_TYPE", "")
    environ["CONTENT_LENGTH"] = "0" if body.refusal else str(body.size)
    return environ


def _add_headers(environ: dict[str, Any], headers: Iterable[tuple[bytes, bytes]]) -> None:
    for name, value in headers:
        key = _key(name)
        if key in environ:
            environ[key] += ("; " if key == "HTTP_COOKIE" else ",") + value.decode("latin-1")
        elif key:
            environ[key] = value.decode("latin-1")


@lru_cache(maxsize=256)
def _key(name: bytes) -> str:
    """The name in an environ; empty for a header that is not passed on."""
    if b"_" in name or name in {b"content-length", b"transfer-encoding"}:
        return ""  # an underscore would be taken for a dash, so a client could pass for the proxy
    return "HTTP_" + name.decode("latin-1").upper().replace("-", "_")

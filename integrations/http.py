"""JSON over HTTP to services that an operator has switched on: one way to ask them, and one kind of failure."""

import asyncio
import logging
import random
import ssl
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any, NamedTuple

import httpx2
import orjson

from integrations import health

log = logging.getLogger(__name__)

ATTEMPTS = 3
RETRYABLE_STATUSES = frozenset({408, 425, 429, 500, 502, 503, 504})
_CODES = {401: "unauthorized", 403: "unauthorized", 408: "timeout", 413: "too_long", 429: "throttled"}


class ServiceAway(Exception):
    """A service did not do what it was asked, or it is not known whether it did.

    `code` is one of `unreachable` (nothing was sent), `timeout`, `interrupted`, `throttled`, `unauthorized`,
    `too_long`, `too_large`, `malformed`, `refused` and `server_error`, or a client's own. `retryable` says whether the
    same request may succeed later. Neither what was sent nor what was answered is part of it.
    """

    def __init__(self, service: str, code: str, *, retryable: bool = False, status: int = 0) -> None:
        super().__init__(f"{service}: {code}")
        self.service, self.code, self.retryable, self.status = service, code, retryable, status
        self.retry_after: float | None = None

    @property
    def may_have_happened(self) -> bool:
        """Whether the service may have acted on the request all the same."""
        return self.code in {"timeout", "interrupted", "server_error", "too_large", "malformed"}


class Answer(NamedTuple):
    """`body` is the decoded JSON, of whatever type."""

    status: int
    body: Any


@dataclass(frozen=True, slots=True)
class Service:
    """A service at `url`. `name` is what its health, the logs and the errors call it; `headers` may hold secrets.

    `connect_seconds` and `read_seconds` bound each wait for the network, `seconds` a whole call with its repetitions,
    before the first of which it rests for `backoff_seconds`. `max_bytes` bounds an answer, decompressed.
    """

    name: str
    url: str
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    connect_seconds: float = 3.0
    read_seconds: float = 10.0
    seconds: float = 20.0
    backoff_seconds: float = 0.25
    max_bytes: int = 4 * 1024 * 1024

    def call(
        self, path: str = "", body: Any = None, *, is_idempotent: bool = False, also: Collection[int] = ()
    ) -> Answer:
        """POSTs `body` as JSON, or GETs without one; an answer is of status 2xx or one of `also`.

        Blocks, so call it from a thread that runs no event loop. Only what `is_idempotent` is sent again, up to three
        times, after no connection, a time-out, 429 or a 5xx, and after the pause that the service asks for.

        Raises `ServiceAway`.
        """
        try:
            answer = _run(self._call(path, body, ATTEMPTS if is_idempotent else 1, also))
        except ServiceAway as error:
            log.warning("%s failed: %s (status %s)", self.name, error.code, error.status)
            health.note_failure(self.name, error.code)
            raise
        health.note_success(self.name)
        return answer

    def failed(self, code: str, *, retryable: bool = False) -> ServiceAway:
        """The error to raise for an answer that only the client can tell is one."""
        health.note_failure(self.name, code)
        return ServiceAway(self.name, code, retryable=retryable)

    async def _call(self, path: str, body: Any, attempts: int, also: Collection[int]) -> Answer:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self.seconds
        for attempt in range(1, attempts + 1):
            try:
                async with asyncio.timeout_at(deadline):
                    return await self._send(path, body, also)
            except ServiceAway as error:
                failure = error
            except (TimeoutError, httpx2.ReadTimeout, httpx2.WriteTimeout):
                failure = ServiceAway(self.name, "timeout", retryable=True)
            except (httpx2.ConnectError, httpx2.ConnectTimeout):
                failure = ServiceAway(self.name, "unreachable", retryable=True)
            except (httpx2.HTTPError, httpx2.InvalidURL):
                failure = ServiceAway(self.name, "interrupted", retryable=True)
            wait = self._pause(failure, attempt)
            if attempt == attempts or not failure.retryable or loop.time() + wait >= deadline:
                break
            await asyncio.sleep(wait)
        raise failure

    async def _send(self, path: str, body: Any, also: Collection[int]) -> Answer:
        timeout = httpx2.Timeout(self.read_seconds, connect=self.connect_seconds)
        method, url = ("GET" if body is None else "POST"), self.url.rstrip("/") + path
        async with (
            httpx2.AsyncClient(verify=tls(), trust_env=False, timeout=timeout, headers=self.headers) as client,
            client.stream(method, url, **({} if body is None else {"json": body})) as response,
        ):
            status = response.status_code
            if not response.is_success and status not in also:
                raise self._refusal(response)
            text = await bounded_body(response, self.max_bytes)
        if text is None:
            raise ServiceAway(self.name, "too_large", status=status)
        try:
            return Answer(status, orjson.loads(text))
        except orjson.JSONDecodeError:
            raise ServiceAway(self.name, "malformed", status=status) from None

    def _refusal(self, response: httpx2.Response) -> ServiceAway:
        status = response.status_code
        code = _CODES.get(status, "server_error" if status >= 500 else "refused")
        error = ServiceAway(self.name, code, retryable=status in RETRYABLE_STATUSES, status=status)
        asked = response.headers.get("retry-after", "")
        error.retry_after = float(asked) if asked.isascii() and asked.isdigit() else None
        return error

    def _pause(self, failure: ServiceAway, attempt: int) -> float:
        if failure.retry_after is not None:
            return failure.retry_after
        return self.backoff_seconds * 2.0 ** (attempt - 1) * random.uniform(0.75, 1.25)


def _run(coroutine: Any) -> Answer:
    """Like `asyncio.run`, but it does not wait for a lookup of a name that hangs beyond the time-out."""
    loop = asyncio.new_event_loop()
    try:
        answer: Answer = loop.run_until_complete(coroutine)
        return answer
    finally:
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.close()


async def bounded_body(response: httpx2.Response, most: int) -> bytes | None:
    """The body, decompressed; None if it has more than `most` bytes, on the wire or decompressed."""
    body = bytearray()
    async for piece in response.aiter_bytes():
        body += piece
        if max(len(body), response.num_bytes_downloaded) > most:
            return None
    return bytes(body)


@cache
def tls() -> ssl.SSLContext:
    """The system's certificates; made once, since that takes tens of milliseconds."""
    return httpx2.create_ssl_context(trust_env=False)

"""The body of a request, taken in on the event loop, so that a slow sender never holds a thread."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from typing import IO, Any

from config.api.problems import Refusal
from config.routes import RouteLimits

logger = logging.getLogger(__name__)

MEMORY_BYTES = 256 * 1024
DRAIN_BYTES = 20 * 1024 * 1024
DRAIN_SECONDS = 2.0

Receive = Callable[[], Awaitable[Any]]  # each message is a dictionary of the ASGI specification


class ClientLeft(Exception):
    """The client hung up before its request was complete."""


@dataclass(slots=True)
class Body:
    """What has been read of a request's body.

    `complete` is False while the client may still be sending, which after `read_body` only a refused one may.
    """

    file: IO[bytes]
    size: int = 0
    complete: bool = False
    refusal: Refusal | None = None


async def read_body(body: Body, headers: Iterable[tuple[bytes, bytes]], receive: Receive, limits: RouteLimits) -> None:
    """Reads the whole body, or as much as it takes to refuse it. Raises `ClientLeft`."""
    body.refusal = _refusal_at_sight(headers, limits.max_bytes)
    try:
        async with asyncio.timeout(limits.seconds):
            while not (body.complete or body.refusal):
                await _take(body, await receive(), limits.max_bytes)
    except TimeoutError:
        body.refusal = Refusal(408, "request_timeout", f"The body did not arrive within {limits.seconds:g} seconds.")
    except OSError:
        logger.exception("A request's body could not be spooled")
        body.refusal = Refusal(503, "unavailable", "The server has no room for the body of this request at the moment.")


async def drain(receive: Receive, *, most: int = DRAIN_BYTES, seconds: float = DRAIN_SECONDS) -> None:
    """Reads and drops what a refused client still sends: one that writes all before it reads gets its answer too."""
    left = most
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            while left > 0:
                message = await receive()
                if not message.get("more_body", False):
                    return
                left -= len(message.get("body", b""))


def _refusal_at_sight(headers: Iterable[tuple[bytes, bytes]], most: int) -> Refusal | None:
    for name, value in headers:
        if name == b"content-length":
            if not value.isdigit():
                return Refusal(400, "malformed", "Content-Length must be a whole number.")
            if len(value) > 18 or int(value) > most:
                return _too_large(most)
        elif name == b"content-encoding" and value.strip().lower() not in {b"", b"identity"}:
            return Refusal(415, "unsupported_type", "Send the body without Content-Encoding.")
    return None


async def _take(body: Body, message: dict[str, Any], most: int) -> None:
    if message["type"] == "http.disconnect":
        raise ClientLeft
    chunk = message.get("body", b"")
    body.size += len(chunk)
    body.complete = not message.get("more_body", False)
    if body.size > most:
        body.refusal = _too_large(most)
    elif body.size > MEMORY_BYTES:
        await asyncio.to_thread(body.file.write, chunk)  # on disk from here on
    else:
        body.file.write(chunk)


def _too_large(most: int) -> Refusal:
    return Refusal(413, "too_large", f"The body of this request may have at most {most:,} bytes.")

"""Connections to Redis: bounded, and quick to give up, since nothing that is kept depends on it."""

import functools
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import redis
import redis.asyncio
import redis.exceptions
from django.conf import settings
from redis.backoff import NoBackoff
from redis.retry import Retry

CONNECT_SECONDS, ANSWER_SECONDS, REST_SECONDS = 0.5, 1.0, 2.0
_silent_until = 0.0  # by the monotonic clock


@functools.cache
def client() -> redis.Redis:
    """The connections of this process's threads."""
    pool: redis.BlockingConnectionPool = redis.BlockingConnectionPool.from_url(
        settings.REDIS_URL,
        max_connections=8,
        timeout=1,
        socket_connect_timeout=CONNECT_SECONDS,
        socket_timeout=ANSWER_SECONDS,
        retry=Retry(NoBackoff(), 1, (redis.exceptions.ConnectionError,)),
    )
    return redis.Redis(connection_pool=pool)


@contextmanager
def if_it_answers() -> Iterator[redis.Redis]:
    """The same connections, for what can do without: refused at once for 2 s after Redis has not answered.

    Else each request would wait for the time-out anew, and others behind it. Raises `redis.exceptions.RedisError`.
    """
    global _silent_until
    if time.monotonic() < _silent_until:
        raise redis.exceptions.ConnectionError("Redis did not answer a moment ago")
    try:
        yield client()
    except redis.exceptions.RedisError:
        _silent_until = time.monotonic() + REST_SECONDS
        raise


def recall(key: str) -> str | None:
    """What `remember` has kept; None if that is over, or while Redis is away."""
    try:
        with if_it_answers() as connections:
            value: Any = connections.get(key)
    except redis.exceptions.RedisError:
        return None
    return value.decode() if value else None


def remember(key: str, value: str, seconds: int) -> None:
    """Keeps what can be found out again, for so long; or not at all while Redis is away."""
    with suppress(redis.exceptions.RedisError), if_it_answers() as connections:
        connections.set(key, value, ex=seconds)


def async_client(*, connections: int, answer_seconds: float | None = ANSWER_SECONDS) -> redis.asyncio.Redis:
    """Connections for the running event loop; `answer_seconds` None waits for ever, as a subscriber does."""
    pool: redis.asyncio.BlockingConnectionPool = redis.asyncio.BlockingConnectionPool.from_url(
        settings.REDIS_URL,
        max_connections=connections,
        timeout=2,
        socket_connect_timeout=CONNECT_SECONDS,
        socket_timeout=answer_seconds,
        retry=redis.asyncio.retry.Retry(NoBackoff(), 0),
    )
    return redis.asyncio.Redis(connection_pool=pool)

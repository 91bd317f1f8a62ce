"""Connections to Redis: bounded, and quick to give up, since nothing that is kept depends on it."""

import functools

import redis
import redis.asyncio
from django.conf import settings
from redis.backoff import NoBackoff
from redis.retry import Retry

CONNECT_SECONDS, ANSWER_SECONDS = 0.5, 1.0


@functools.cache
def client() -> redis.Redis:
    """The connections of this process's threads."""
    pool: redis.BlockingConnectionPool = redis.BlockingConnectionPool.from_url(
        settings.REDIS_URL,
        max_connections=8,
        timeout=1,
        socket_connect_timeout=CONNECT_SECONDS,
        socket_timeout=ANSWER_SECONDS,
        retry=Retry(NoBackoff(), 1),
    )
    return redis.Redis(connection_pool=pool)


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

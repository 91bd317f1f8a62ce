"""How often: a count for each person and thing, in Redis, or in this process while Redis is away."""

import logging
import time

import redis.exceptions

from config.exceptions import TooMany
from config.limits import Rate
from config.redis import if_it_answers

log = logging.getLogger(__name__)

_local: dict[str, tuple[float, int]] = {}
"""Without Redis: when a window ends, by the monotonic clock, and how often it was used."""


def take(what: str, who: object, rate: Rate) -> None:
    """Counts one use. Raises `TooMany` beyond the rate, with the seconds until the next one may come."""
    key = f"rate:{what}:{who}"
    try:
        used, left = _count(key, rate)
    except redis.exceptions.RedisError as error:
        log.warning("Counts %s in this process: %s", what, type(error).__name__)
        used, left = _count_locally(key, rate)
    if used > rate.most:
        raise TooMany("That was too often. Wait a little, then try again.", extra={"retry_after": max(left, 1)})


def _count(key: str, rate: Rate) -> tuple[int, int]:
    with if_it_answers() as connections:
        pipe = connections.pipeline(transaction=False)
        pipe.set(key, 0, ex=rate.seconds, nx=True)
        pipe.incr(key)
        pipe.ttl(key)
        _, used, left = pipe.execute()
    return int(used), int(left)


def _count_locally(key: str, rate: Rate) -> tuple[int, int]:
    now = time.monotonic()
    for old in [name for name, (end, _) in _local.items() if end <= now]:
        del _local[old]
    end, used = _local.get(key, (now + rate.seconds, 0))
    _local[key] = (end, used + 1)
    return used + 1, int(end - now) + 1

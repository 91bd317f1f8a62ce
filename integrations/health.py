"""How each outside service did last: kept in Redis, since it is news and no truth; forgotten news is no fault."""

import logging
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import NamedTuple

import redis.exceptions

from config.redis import if_it_answers

log = logging.getLogger(__name__)

PROBE_REST_SECONDS = 60


class Health(NamedTuple):
    """When a service last answered as it should, and when and how (a stable code) it last did not."""

    success_at: datetime | None = None
    error_at: datetime | None = None
    error_code: str = ""

    @property
    def is_reachable(self) -> bool | None:
        """What the last contact says; None if there was none."""
        if self.success_at is None or self.error_at is None:
            return None if self.success_at is self.error_at else self.error_at is None
        return self.success_at > self.error_at


def note_success(service: str) -> None:
    _note(service, {"success_at": datetime.now(UTC).isoformat()})


def note_failure(service: str, code: str) -> None:
    _note(service, {"error_at": datetime.now(UTC).isoformat(), "error_code": code})


def health_of(services: Iterable[str]) -> dict[str, Health]:
    """What is known of each; nothing while Redis is away."""
    names = list(services)
    try:
        with if_it_answers() as connections:
            pipe = connections.pipeline(transaction=False)
            for name in names:
                pipe.hgetall(_key(name))
            rows = pipe.execute()
    except redis.exceptions.RedisError:
        return {name: Health() for name in names}
    return {name: _read(row) for name, row in zip(names, rows, strict=True)}


def may_probe(service: str) -> bool:
    """True once a minute for all processes together, and never while Redis can't tell."""
    try:
        with if_it_answers() as connections:
            return bool(connections.set(f"{_key(service)}:probed", 1, ex=PROBE_REST_SECONDS, nx=True))
    except redis.exceptions.RedisError:
        return False


def _note(service: str, news: dict[str, str]) -> None:
    try:
        with if_it_answers() as connections:
            connections.hset(_key(service), mapping={**news})
    except redis.exceptions.RedisError as error:
        log.debug("The health of %s was not noted: %s", service, type(error).__name__)


def _key(service: str) -> str:
    return f"health:{service}"


def _read(row: dict[bytes, bytes]) -> Health:
    values = {name.decode(): value.decode() for name, value in row.items()}
    success, error = (
        datetime.fromisoformat(values[name]) if name in values else None for name in ("success_at", "error_at")
    )
    return Health(success, error, values.get("error_code", ""))

import logging
from typing import Any

import redis.exceptions
from celery import shared_task
from celery.exceptions import OperationalError

from chat import approvals, extraction, objects
from config.redis import if_it_answers

log = logging.getLogger(__name__)


@shared_task  # type: ignore[untyped-decorator]
def expire_approvals() -> int:
    return approvals.expire()


@shared_task  # type: ignore[untyped-decorator]
def sweep_objects() -> int:
    return objects.sweep()


@shared_task  # type: ignore[untyped-decorator]
def extract_file(file_id: int) -> None:
    if extraction.extract(file_id=file_id):
        _enqueue(summarise_file, file_id)


@shared_task  # type: ignore[untyped-decorator]
def summarise_file(file_id: int) -> None:
    extraction.summarise(file_id=file_id)


@shared_task  # type: ignore[untyped-decorator]
def sweep_extractions() -> None:
    for file_id in extraction.sweep():
        extract_soon(file_id)


def extract_soon(file_id: int) -> None:
    """Lets a worker read a file. While Redis is away nothing is lost: the sweeper finds the file a minute later."""
    _enqueue(extract_file, file_id)


def _enqueue(task: Any, file_id: int) -> None:
    try:
        with if_it_answers() as connections:
            connections.ping()
        task.apply_async([file_id], retry=False)
    except (OperationalError, redis.exceptions.RedisError) as error:
        log.warning("%s of file %s was not queued: %s", task.name, file_id, type(error).__name__)

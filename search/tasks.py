import logging
import threading
import time
from typing import Any

from celery import shared_task
from celery.signals import worker_ready
from django.db import Error, connection
from kombu.exceptions import OperationalError

from search import common_words, embedding, indexing, outbox, store

logger = logging.getLogger(__name__)

LOOK_SECONDS = 1.0
INDEX_SECONDS = 3.0
"""With one begun each second, no more than about three work at once, and other tasks get their turn."""
PURGED_AT_ONCE = 1000


@shared_task  # type: ignore[untyped-decorator]
def index_changes() -> int:
    """Indexes what has changed, and does what is left to do for a change of the model; how many entries those were."""
    deadline = time.monotonic() + INDEX_SECONDS
    embedding.follow_settings()
    count = indexing.index_due(seconds=INDEX_SECONDS)
    embedding.switch_if_built()
    while store.purge(PURGED_AT_ONCE) and time.monotonic() < deadline:
        pass
    return count


@worker_ready.connect  # type: ignore[untyped-decorator]
def watch_the_outbox(**_: Any) -> None:
    """A worker looks for itself what there is to do: nothing is sent while there is none, or nobody to do it."""
    threading.Thread(target=_watch, daemon=True, name="outbox").start()


def _watch() -> None:
    while True:
        time.sleep(LOOK_SECONDS)
        try:
            look_once()
        except (Error, OperationalError) as error:  # PostgreSQL or Redis is away
            logger.info("the outbox can't be watched now: %s", type(error).__name__)
            connection.close()


def look_once() -> bool:
    """Starts a task if something is due; whether it did. One that waits for long has a successor, and is dropped."""
    due = outbox.is_due()
    if due:
        index_changes.apply_async(expires=2 * LOOK_SECONDS, retry=False)
    return due


@shared_task  # type: ignore[untyped-decorator]
def refresh_common_words() -> int:
    return common_words.refresh()

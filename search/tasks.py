from celery import shared_task

from search import embedding, indexing, store

INDEX_SECONDS = 3.0
"""The clock starts one each second, so that no more than about three work at once and other tasks get their turn."""
PURGED_AT_ONCE = 1000


@shared_task  # type: ignore[untyped-decorator]
def index_changes() -> int:
    """Indexes what has changed; how many entries of the outbox that were."""
    embedding.follow_settings()
    count = indexing.index_due(seconds=INDEX_SECONDS)
    embedding.switch_if_built()
    store.purge(PURGED_AT_ONCE)
    return count

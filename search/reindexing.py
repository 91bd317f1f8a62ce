"""Indexing everything, or a part, anew: what `manage.py reindex` does.

All that is to be done is on the outbox, behind what members change meanwhile. So whoever is killed leaves the rest
there, workers take their share, and a second call goes on where the first one stopped.
"""

import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from integrations.embeddings import registry
from search import embedding, outbox, store
from search.indexing import difference, index_due
from search.models import EmbeddingModel
from search.outbox import EVERYTHING, Scope
from search.sources import chunks
from search.store import Shelf

SLICE_SECONDS = 0.5
PAUSE_SECONDS = 0.2
SWITCH_SECONDS = 120.0
PURGED_AT_ONCE = 2000


@dataclass(frozen=True)
class Progress:
    """`done` of `total` sources; `stuck` were tried more than once and still lack vectors."""

    done: int
    total: int
    stuck: int = 0


@dataclass(frozen=True)
class Preview:
    """What reindexing would change: chunks to add and to delete, and those there that have no vector yet."""

    sources: int = 0
    new: int = 0
    gone: int = 0
    bare: int = 0


def begin(scope: Scope = EVERYTHING) -> tuple[int, bool]:
    """Puts everything in the scope on the list, unless something is left of an earlier call: how much, and which."""
    if waiting := outbox.waiting(scope):
        outbox.hurry(scope)
        return waiting, True
    return outbox.enqueue(scope), False


def run(scope: Scope = EVERYTHING) -> Iterator[Progress]:
    """Works beside everybody else until nothing is left of what is on the list now, or only what can't be finished."""
    since = outbox.clock()
    left, stuck = outbox.left(since, scope)
    total = left
    while left and left != stuck:
        yield Progress(total - left, total)
        if not index_due(seconds=SLICE_SECONDS, scope=scope):
            time.sleep(PAUSE_SECONDS)  # the rest is in a worker's hands, or waits
        left, stuck = outbox.left(since, scope)
    yield Progress(total - left, total, stuck)


def wait_for_switch(name: str) -> bool:
    """Whether search uses the model by now; False if what members have changed can't be indexed for it."""
    deadline = time.monotonic() + SWITCH_SECONDS
    while not embedding.switch_if_built() and embedding.active_model().name != name:
        if time.monotonic() > deadline:
            return False
        if not index_due(seconds=SLICE_SECONDS):
            time.sleep(PAUSE_SECONDS)
    return True


def purge() -> int:
    """Deletes what the index has of models that are no longer used; how many chunks that were."""
    count = 0
    while deleted := store.purge(PURGED_AT_ONCE):
        count += deleted
    return count


def preview(sources: Iterable[tuple[int, str]], model: str = "") -> Iterator[Preview]:
    """Compares these sources without changing anything, for the models in use or for this one: the sum so far."""
    models = EmbeddingModel.objects.filter(name=model) if model else embedding.models_in_use()
    ids = [row.pk for row in models] or [0]  # of a model that is new, the index has nothing
    total = Preview()
    for conversation, kind in sources:
        fresh = chunks(conversation, kind)
        changes = [difference(fresh, store.stored(Shelf(conversation, kind, pk))) for pk in ids]
        total = Preview(
            sources=total.sources + 1,
            new=total.new + sum(len(change.new) for change in changes),
            gone=total.gone + sum(len(change.gone) for change in changes),
            bare=total.bare + sum(len(change.bare) for change in changes),
        )
        yield total


def full_name(model: str) -> str:
    """The name of a model as `EMBEDDING_MODEL` may have it. Raises `NotConfigured` if it can't be used here."""
    name = registry.OFFLINE if model == "offline" else model
    registry.embedder(name)
    return name

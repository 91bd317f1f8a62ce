"""Makes the index hold what there is: in workers for what has changed, in `reindex` for everything.

The text of an entry of the outbox is read and cut; what the index has already stays, what is new is embedded outside of
any transaction and then written in one. The entry goes only if nothing has changed meanwhile.
"""

import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from django.db import DatabaseError, IntegrityError, connection, transaction

from integrations.llm.errors import LLMError
from search import outbox, store
from search.embedding import embed, models_in_use
from search.models import EmbeddingModel
from search.outbox import EVERYTHING, Entry, Scope
from search.sources import Chunk, chunks
from search.store import Shelf, Stored

logger = logging.getLogger(__name__)

ENTRIES_AT_ONCE = 32
CHUNKS_AT_ONCE = 256
"""Embedded in one call, and written in one transaction: that takes about a second, and a deletion may wait for it."""
EMBED_SECONDS = 20.0  # well below the lease


@dataclass
class Work:
    """An entry for one model; `fresh` is what the index should hold.

    `is_over` when nothing more can be done now, and `is_complete` if that is because nothing is left to do.
    """

    entry: Entry
    model: EmbeddingModel
    fresh: list[Chunk]
    is_over: bool = False
    is_complete: bool = False

    @property
    def shelf(self) -> Shelf:
        return Shelf(self.entry.conversation_id, self.entry.source_type, self.model.pk)

    def end(self, *, complete: bool) -> None:
        self.is_over, self.is_complete = True, complete


@dataclass(frozen=True)
class Difference:
    """What keeps the index from holding what it should: rows to delete, chunks to add, rows without a vector."""

    gone: list[Stored]
    new: list[Chunk]
    bare: list[Stored]


Vectors = dict[bytes, str | None]
"""The vector of each text by its hash, as PostgreSQL reads it; None where the embedder gave none."""


def index_due(*, seconds: float, scope: Scope = EVERYTHING) -> int:
    """Indexes what is due, for about so many seconds; how many entries that were."""
    deadline, count, down = time.monotonic() + seconds, 0, set[int]()
    while time.monotonic() < deadline and (entries := outbox.claim(ENTRIES_AT_ONCE, scope)):
        index(entries, down)
        count += len(entries)
    return count


def index(entries: Sequence[Entry], down: set[int]) -> None:
    """Indexes claimed entries; one that can't be, or not with all its vectors, is due again later.

    `down` holds ids of models that did not answer and are not asked again; those that fail now are added.
    """
    models = models_in_use()  # after the claim: a model that is being built since has raised the revision
    works = _works(entries, models)
    while todo := [work for work in works if not work.is_over]:
        for model in models:
            _round([work for work in todo if work.model == model], model, down)
        outbox.renew({work.entry for work in works if not work.is_over})
    for entry in entries:
        if all(work.is_complete for work in works if work.entry == entry):
            outbox.finish(entry)
        else:
            outbox.release(entry)


def difference(fresh: Sequence[Chunk], rows: Sequence[Stored]) -> Difference:
    wanted = {(chunk.place, chunk.hash) for chunk in fresh}
    there = {(row.place, row.hash) for row in rows}
    return Difference(
        gone=[row for row in rows if (row.place, row.hash) not in wanted],
        new=[chunk for chunk in fresh if (chunk.place, chunk.hash) not in there],
        bare=[row for row in rows if not row.has_vector and (row.place, row.hash) in wanted],
    )


def _works(entries: Sequence[Entry], models: Sequence[EmbeddingModel]) -> list[Work]:
    works = []
    for entry in entries:
        fresh = chunks(entry.conversation_id, entry.source_type)
        works += [Work(entry, model, fresh) for model in models]
    return works


def _round(works: Sequence[Work], model: EmbeddingModel, down: set[int]) -> None:
    """Brings each work forward, all of them together by `CHUNKS_AT_ONCE` new vectors at most."""
    texts: dict[bytes, str] = {}
    for work in works:
        _add_texts(work, texts)
    vectors = _embedded(model, texts, down)
    for work in works:
        try:
            _write(work, vectors, is_down=model.pk in down)
        except IntegrityError:
            work.end(complete=False)  # what it points to was deleted since it was read
        except DatabaseError as error:
            kind, conversation = work.entry.source_type, work.entry.conversation_id
            logger.warning("could not index %s of conversation %d: %s", kind, conversation, type(error).__name__)
            work.end(complete=False)


def _add_texts(work: Work, texts: dict[bytes, str]) -> None:
    """Adds what must be embedded for this work, as far as there is room."""
    change = difference(work.fresh, store.stored(work.shelf))
    missing = {chunk.hash: chunk.embedded for chunk in change.new}
    for key in store.vectors_of(work.shelf, missing):
        del missing[key]
    bare = {row.hash for row in change.bare}
    missing |= {chunk.hash: chunk.embedded for chunk in work.fresh if chunk.hash in bare}
    for key, text in missing.items():
        if len(texts) == CHUNKS_AT_ONCE:
            return
        texts[key] = text


def _embedded(model: EmbeddingModel, texts: Mapping[bytes, str], down: set[int]) -> Vectors:
    """None for each text if the model is down, or turns out to be."""
    if texts and model.pk not in down:
        try:
            found = embed(model.name, list(texts.values()), seconds=EMBED_SECONDS)
            return {key: store.literal(vector) for key, vector in zip(texts, found, strict=True)}
        except LLMError as error:
            logger.warning("%d texts are indexed by their words only: %s", len(texts), error.message)
            down.add(model.pk)
    return dict.fromkeys(texts)


@transaction.atomic
def _write(work: Work, vectors: Vectors, *, is_down: bool) -> None:
    """Deletes what is gone and writes what has a vector now, or can't have one; the rest is for another round.

    Compares again, since the index may have been written to before the lock was had.
    """
    if not _locked(work.entry):
        work.end(complete=False)
        return
    change = difference(work.fresh, store.stored(work.shelf))
    known = vectors | store.vectors_of(work.shelf, {chunk.hash for chunk in change.new})
    writable = [chunk for chunk in change.new if chunk.hash in known][:CHUNKS_AT_ONCE]
    store.delete(work.shelf, change.gone)
    store.insert(work.shelf, writable, known)
    given = [(row, vector) for row in change.bare if (vector := known.get(row.hash))]
    for row, vector in given:
        store.give_vector(work.shelf, row, vector)
    lacking = len(change.bare) - len(given) + sum(known[chunk.hash] is None for chunk in writable)
    if len(writable) == len(change.new) and (is_down or not lacking):
        work.end(complete=not lacking)


def _locked(entry: Entry) -> bool:
    """Keeps other indexers out, until the transaction ends.

    The conversation first, as everywhere. False if it is gone, or if somebody else has claimed the entry since. Whoever
    deletes messages waits for their chunks, as we may for the messages: we give up before the database would look for a
    deadlock (after 1 s), so that it is never a member's request that is sacrificed.
    """
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL lock_timeout = '200ms'")
        cursor.execute("SELECT FROM conversations WHERE id = %s FOR KEY SHARE", [entry.conversation_id])
        if not cursor.rowcount:
            return False
        name = f"search index of {entry.source_type} of conversation {entry.conversation_id}"
        cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [name])
    return outbox.holds(entry)

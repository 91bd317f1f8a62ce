"""Reading and writing `search_chunks`, by statements of our own: a row is mostly its vector."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any, NamedTuple

from django.db import connection
from pgvector import HalfVector

from integrations.embeddings.base import Vector
from search.sources import PLACES, Chunk, Place

ROWS_PER_INSERT = 100  # measured: more of them are no faster (search.md B5)
COLUMNS = (*PLACES, "chunk_index", "start_offset")

_STORED = f"""
    SELECT id, {", ".join(COLUMNS)}, content_hash, embedding IS NOT NULL FROM search_chunks
    WHERE conversation_id = %s AND source_type = %s AND embedding_model_id = %s
"""
_VECTORS = """
    SELECT DISTINCT ON (content_hash) content_hash, embedding::text FROM search_chunks
    WHERE conversation_id = %s AND source_type = %s AND embedding_model_id = %s AND embedding IS NOT NULL
        AND content_hash = ANY(%s)
"""
_INSERT = f"""
    INSERT INTO search_chunks
        (source_type, conversation_id, embedding_model_id, {", ".join(COLUMNS)}, text, content_hash, embedding)
    VALUES
"""
_ROW = f"({', '.join(['%s'] * (len(COLUMNS) + 6))})"
_EMBED = "UPDATE search_chunks SET embedding = %s, updated_at = now() WHERE source_type = %s AND id = %s"
_DELETE = "DELETE FROM search_chunks WHERE source_type = %s AND id = ANY(%s)"
_PURGE = """
    DELETE FROM search_chunks WHERE (source_type, id) IN (
        SELECT c.source_type, c.id FROM search_chunks c JOIN search_embedding_models m ON m.id = c.embedding_model_id
        WHERE m.state = 'retired' LIMIT %s
    )
"""


class Shelf(NamedTuple):
    """Where the chunks of one source of one conversation for one model are."""

    conversation_id: int
    source_type: str
    model_id: int


class Stored(NamedTuple):
    """A row of the index, without its text and its vector."""

    id: int
    place: Place
    hash: bytes
    has_vector: bool


def stored(shelf: Shelf) -> list[Stored]:
    return [Stored(row[0], tuple(row[1:-2]), bytes(row[-2]), row[-1]) for row in _select(_STORED, shelf)]


def vectors_of(shelf: Shelf, hashes: Collection[bytes]) -> dict[bytes, str]:
    """The vectors that the index has for these hashes, as PostgreSQL writes them."""
    return {bytes(key): vector for key, vector in _select(_VECTORS, (*shelf, list(hashes)))} if hashes else {}


def insert(shelf: Shelf, chunks: Sequence[Chunk], vectors: Mapping[bytes, str | None]) -> None:
    head = (shelf.source_type, shelf.conversation_id, shelf.model_id)
    with connection.cursor() as cursor:
        for start in range(0, len(chunks), ROWS_PER_INSERT):
            rows = chunks[start : start + ROWS_PER_INSERT]
            values = [(*head, *row.place, row.text, row.hash, vectors[row.hash]) for row in rows]
            cursor.execute(_INSERT + ", ".join([_ROW] * len(rows)), [value for row in values for value in row])


def give_vector(shelf: Shelf, row: Stored, vector: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(_EMBED, [vector, shelf.source_type, row.id])


def delete(shelf: Shelf, rows: Sequence[Stored]) -> None:
    if rows:
        with connection.cursor() as cursor:
            cursor.execute(_DELETE, [shelf.source_type, [row.id for row in rows]])


def purge(most: int) -> int:
    """Deletes up to `most` chunks of models that are no longer in use; how many it were."""
    with connection.cursor() as cursor:
        cursor.execute(_PURGE, [most])
        return int(cursor.rowcount)


def literal(vector: Vector) -> str:
    """As PostgreSQL reads it, with the 11 bits of precision that a half has."""
    return HalfVector(vector).to_text()


def _select(statement: str, parameters: Sequence[Any]) -> list[Any]:
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters)
        rows: list[Any] = cursor.fetchall()
        return rows

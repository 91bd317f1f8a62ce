"""The search that this one replaces, written again from its description: what ours is measured against.

Vectors are whole numbers of 32 bits out of line, the index is an IVFFLAT of 100 lists built while the table was empty,
and three window functions rank every chunk there is before anything is filtered or cut off.
"""

from typing import Any

from django.db import connection

TABLE = """
CREATE TABLE old_chunks (
    id bigint NOT NULL, source_type text NOT NULL, conversation_id bigint NOT NULL, text text NOT NULL,
    embedding vector(1536) NOT NULL, PRIMARY KEY (source_type, id)
) PARTITION BY LIST (source_type);
CREATE TABLE old_chunks_imported_chat PARTITION OF old_chunks FOR VALUES IN ('imported_chat');
CREATE TABLE old_chunks_draft_chat PARTITION OF old_chunks FOR VALUES IN ('draft_chat');
CREATE TABLE old_chunks_project_draft PARTITION OF old_chunks DEFAULT;
CREATE INDEX ON old_chunks USING ivfflat (embedding vector_cosine_ops) WITH (lists = 100);
CREATE INDEX ON old_chunks (conversation_id);
"""
FILL = """
INSERT INTO old_chunks SELECT id, source_type, conversation_id, text, embedding::vector(1536) FROM search_chunks
"""
SEARCH = """
WITH scored AS (
    SELECT conversation_id, source_type, id, text, 1 - (embedding <=> %(vector)s::vector(1536)) AS score
    FROM old_chunks
), best AS (
    SELECT *, ROW_NUMBER() OVER (PARTITION BY conversation_id, source_type ORDER BY score DESC) AS of_source,
        ROW_NUMBER() OVER (PARTITION BY conversation_id ORDER BY score DESC) AS conversation_rank,
        MAX(score) OVER (PARTITION BY conversation_id) AS conversation_score
    FROM scored
), grouped AS (
    SELECT conversation_id, MIN(conversation_rank) AS relevance, MAX(conversation_score) AS score FROM best
    WHERE of_source = 1 AND score >= 0.25 GROUP BY conversation_id
), page AS (
    SELECT g.*, c.title, COUNT(*) OVER () AS total FROM grouped g JOIN conversations c ON c.id = g.conversation_id
    WHERE c.is_locked = false ORDER BY g.score DESC, g.conversation_id LIMIT 20
)
SELECT page.*, best.source_type, best.text FROM page JOIN best USING (conversation_id) WHERE best.of_source = 1
ORDER BY page.score DESC, page.conversation_id
"""


def build() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SET statement_timeout = 0")
        cursor.execute(TABLE)
        cursor.execute(FILL)
        cursor.execute("VACUUM ANALYZE old_chunks")


def search(vector: str) -> list[Any]:
    with connection.cursor() as cursor:
        cursor.execute("SET statement_timeout = 0")
        cursor.execute(SEARCH, {"vector": vector})
        rows: list[Any] = cursor.fetchall()
        return rows

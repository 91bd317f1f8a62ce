"""Which words most texts have, as PostgreSQL's statistics tell: reading those with each search would cost more."""

from django.db import connection, transaction

COMMON_SHARE = 0.1
"""A word in more of the chunks is common: measured, leaving it out is what keeps long queries cheap (search.md B4)."""

_REFRESH = """
    DELETE FROM search_common_words;
    INSERT INTO search_common_words (lexeme)
    SELECT e.lexeme
    FROM pg_stats s
    JOIN pg_class r ON r.oid = format('%%I.%%I', s.schemaname, s.tablename)::regclass
    JOIN pg_inherits i ON i.inhrelid = r.oid AND i.inhparent = 'search_chunks'::regclass
    CROSS JOIN unnest(s.most_common_elems::text::text[], s.most_common_elem_freqs) AS e(lexeme, frequency)
    WHERE s.attname = 'tsv' AND e.lexeme IS NOT NULL
    GROUP BY e.lexeme
    HAVING sum(e.frequency * greatest(r.reltuples, 0)) > %s * (
        SELECT sum(greatest(p.reltuples, 0)) FROM pg_class p
        WHERE p.oid IN (SELECT inhrelid FROM pg_inherits WHERE inhparent = 'search_chunks'::regclass)
    )
"""


@transaction.atomic
def refresh() -> int:
    """Writes them down anew; how many there are. Autovacuum's ANALYZE keeps the statistics."""
    with connection.cursor() as cursor:
        cursor.execute(_REFRESH, [COMMON_SHARE])
        cursor.execute("SELECT count(*) FROM search_common_words")
        return int(cursor.fetchone()[0])

"""The one SQL statement of a search, put together of fixed parts; what a person typed only ever comes as a parameter.

    visible ── links ──────────┐
            ├─ titles ─────────┤   a row for each conversation and content type, by level:
            ├─ words ──────────┼─ found ─ ranked ─ page   1 link · 2 Linear link · 3 title · 4 words and meaning
            ├─ near ─ meaning ─┤
            └─ typos ──────────┘   only if there is neither link nor title nor word

`visible` is what the caller may see and the filters leave; each part goes through it, before any LIMIT.
"""

from search.models import TEXT_SEARCH_CONFIG

NEAREST_CHUNKS = 400
"""Of the nearest chunks; measured: 20 conversations take 86 of them at the median, 374 at worst (search.md B1)."""
EXACT_CONVERSATIONS, EXACT_CONVERSATIONS_OF_MANY, FEW_OF_MANY = 500, 2000, 0.15
"""Up to so many in `visible`, all of their vectors are compared, which misses nothing; up to the second number if they
are a small share of all: there, walking the index past what is not visible costs more. Measured at 300,000 chunks."""
MATCHING_CHUNKS = 1000
"""Chunks of each source with the words, among which the best are looked for; where there are more, any so many."""
MATCHING_TITLES = 2000
TITLES = 200
TYPOS = 20
TYPO_SIMILARITY = 0.4
MOST_WORDS = 8
RRF_K = 60
"""Of reciprocal rank fusion: a hit counts `1 / (RRF_K + place)` in each list that has it."""

SETTINGS = f"""
    SET LOCAL statement_timeout = '3s'; SET LOCAL jit = off; SET LOCAL hnsw.ef_search = 100;
    SET LOCAL hnsw.iterative_scan = relaxed_order; SET LOCAL pg_trgm.word_similarity_threshold = {TYPO_SIMILARITY};
"""

SCOPE = f"""
    model AS MATERIALIZED (SELECT id, name, max_distance FROM search_embedding_models WHERE state = 'active'),
    few AS MATERIALIZED (SELECT id FROM visible LIMIT {EXACT_CONVERSATIONS_OF_MANY + 1}),
    scope AS MATERIALIZED (
        SELECT count(*) <= {EXACT_CONVERSATIONS} OR count(*) <= least({EXACT_CONVERSATIONS_OF_MANY}, {FEW_OF_MANY} * (
            SELECT reltuples FROM pg_class WHERE oid = 'conversations'::regclass
        )) AS is_small FROM few
    )"""
_WANTED = f"""
    lexemes AS MATERIALIZED (
        SELECT lexeme FROM unnest(to_tsvector('{TEXT_SEARCH_CONFIG}', %(words)s))
    ),
    telling AS (
        SELECT l.lexeme, w.lexeme IS NULL AS is_rare, bool_or(w.lexeme IS NULL) OVER () AS has_rare
        FROM lexemes l LEFT JOIN search_common_words w ON w.lexeme = l.lexeme
    ),
    numbered AS (
        SELECT '''' || replace(replace(lexeme, '\\', '\\\\'), '''', '''''') || '''' AS word,
            row_number() OVER (ORDER BY lexeme) AS n, count(*) OVER () AS total
        FROM (
            SELECT lexeme FROM telling WHERE is_rare OR NOT has_rare OR %(all)s
            ORDER BY length(lexeme) DESC, lexeme LIMIT CASE WHEN %(all)s THEN 1000 ELSE {MOST_WORDS} END
        ) kept
    ),
    wanted AS MATERIALIZED (
        SELECT CASE WHEN %(all)s THEN (SELECT string_agg(word, ' & ') FROM numbered) ELSE (
            SELECT string_agg(format('(%%s & %%s & %%s)', a.word, b.word, c.word), ' | ')
            FROM numbered a JOIN numbered b ON CASE WHEN a.total > 1 THEN b.n > a.n ELSE b.n = a.n END
            JOIN numbered c ON CASE WHEN a.total > 5 THEN c.n > b.n ELSE c.n = b.n END
        ) END::tsquery AS words, {{phrases}} AS phrases
    )"""

_LINKS = """
    links AS MATERIALIZED (
        SELECT id, 'imported_chat' AS content_type, 1 AS level, 'url' AS kind FROM visible
        WHERE md5(url) = ANY(%(url_hashes)s) AND url = ANY(%(urls)s)
        UNION ALL
        SELECT id, 'conversation', 2, 'linear' FROM visible
        WHERE id IN (SELECT conversation_id FROM projects WHERE linear_url = ANY(%(linear_urls)s))
    )"""

_TITLE_WORDS = f"to_tsvector('{TEXT_SEARCH_CONFIG}', title)"
_TITLES = f"""
    title_query AS MATERIALIZED (
        SELECT string_agg(
            '''' || replace(replace(lexeme, '\\', '\\\\'), '''', '''''') || ''''
                || CASE WHEN length(lexeme) > 2 THEN ':*' ELSE '' END, ' & '
        )::tsquery AS words FROM lexemes
    ),
    titles AS MATERIALIZED (
        SELECT id, row_number() OVER (ORDER BY kind, updated_at DESC, id DESC) AS place FROM (
            SELECT id, updated_at, CASE WHEN lower(title) = lower(%(text)s) THEN 1 WHEN title ILIKE %(start)s THEN 2
                WHEN title ILIKE %(inside)s THEN 3 ELSE 4 END AS kind
            FROM visible
            WHERE ({_TITLE_WORDS} @@ (SELECT words FROM title_query) {{or_inside}})
                AND {{phrases_in_title}} LIMIT {MATCHING_TITLES}
        ) matching
        ORDER BY place LIMIT {TITLES}
    )"""
_OR_INSIDE = "OR title ILIKE %(inside)s"

_MATCHING = f"""(
        SELECT sc.conversation_id, sc.source_type, sc.id, sc.tsv
        FROM search_chunks sc JOIN visible c ON c.id = sc.conversation_id
        WHERE sc.tsv @@ (SELECT {{must}} FROM wanted) AND sc.embedding_model_id = (SELECT id FROM model)
            AND sc.source_type = %(source{{number}})s
        LIMIT {MATCHING_CHUNKS}
    )"""
_WORDS = f"""
    matching AS MATERIALIZED ({{matching}}),
    words AS MATERIALIZED (
        SELECT conversation_id, source_type, id,
            row_number() OVER (ORDER BY rank DESC, conversation_id DESC, source_type) AS place
        FROM (
            SELECT DISTINCT ON (conversation_id, source_type) conversation_id, source_type, id, rank FROM (
                SELECT conversation_id, source_type, id, ts_rank_cd(tsv, {{ranked_by}}, 1) AS rank FROM matching, wanted
            ) all_ranked
            ORDER BY conversation_id, source_type, rank DESC, id
        ) best
        ORDER BY place LIMIT {NEAREST_CHUNKS}
    )"""

_DISTANCE = "sc.embedding <=> (SELECT vector FROM asked)"
_ASKED = "asked AS MATERIALIZED (SELECT %(vector)s::halfvec(1536) AS vector)"
_NO_NEAR = """
    near AS (
        SELECT NULL::bigint AS conversation_id, NULL::text AS source_type, NULL::bigint AS id, NULL::float8 AS distance
        WHERE false
    )"""
_NEAR_OF_MATCHING = f"""
    near AS MATERIALIZED (
        SELECT conversation_id, source_type, id, {_DISTANCE} AS distance
        FROM matching JOIN search_chunks sc USING (source_type, id, conversation_id)
        ORDER BY distance LIMIT {NEAREST_CHUNKS}
    )"""
NEAR = f"""
    near AS MATERIALIZED (
        (
            SELECT sc.conversation_id, sc.source_type, sc.id, {_DISTANCE} AS distance
            FROM search_chunks sc JOIN visible c ON c.id = sc.conversation_id
            WHERE sc.source_type = ANY(%(sources)s) AND sc.embedding_model_id = (SELECT id FROM model)
                AND NOT (SELECT is_small FROM scope)
            ORDER BY {_DISTANCE} LIMIT {NEAREST_CHUNKS}
        )
        UNION ALL
        (
            SELECT few.id, sc.source_type, sc.id, sc.distance FROM few CROSS JOIN LATERAL (
                SELECT sc.source_type, sc.id, {_DISTANCE} AS distance FROM search_chunks sc
                WHERE sc.conversation_id = few.id AND sc.source_type = ANY(%(sources)s)
                    AND sc.embedding_model_id = (SELECT id FROM model) AND sc.embedding IS NOT NULL
                OFFSET 0  -- keeps the planner from reading all chunks instead
            ) sc
            WHERE (SELECT is_small FROM scope)
            ORDER BY sc.distance LIMIT {NEAREST_CHUNKS}
        )
    )"""

_FOUND = f"""
    meaning AS MATERIALIZED (
        SELECT conversation_id, source_type, id,
            row_number() OVER (ORDER BY distance, conversation_id DESC, source_type) AS place
        FROM (
            SELECT DISTINCT ON (conversation_id, source_type) conversation_id, source_type, id, distance FROM near
            WHERE distance < (SELECT max_distance FROM model)
            ORDER BY conversation_id, source_type, distance, id
        ) best
    ),
    typos AS MATERIALIZED (
        SELECT id, row_number() OVER (ORDER BY similarity DESC, updated_at DESC, id DESC) AS place FROM (
            SELECT id, updated_at, word_similarity(%(text)s, title) AS similarity FROM visible
            WHERE %(text)s <%% title AND %(may_be_typo)s AND NOT EXISTS (SELECT FROM links)
                AND NOT EXISTS (SELECT FROM titles) AND NOT EXISTS (SELECT FROM words)
        ) similar_titles
        ORDER BY place LIMIT {TYPOS}
    ),
    found AS (
        SELECT id AS conversation_id, content_type, level, kind, 0::bigint AS place, NULL::bigint AS chunk FROM links
        UNION ALL SELECT id, 'conversation', 3, 'title', place, NULL FROM titles
        UNION ALL SELECT id, 'conversation', 3, 'title', place, NULL FROM typos
        UNION ALL SELECT conversation_id, source_type, 4, 'words', place, id FROM words
        UNION ALL SELECT conversation_id, source_type, 4, 'meaning', place, id FROM meaning
    ),
    ranked AS (
        SELECT conversation_id, content_type, min(level) AS level, array_agg(kind) AS kinds,
            min(place) FILTER (WHERE level = 3) AS title_place,
            min(place) FILTER (WHERE kind = 'words') AS words_place,
            min(place) FILTER (WHERE kind = 'meaning') AS meaning_place,
            coalesce(min(chunk) FILTER (WHERE kind = 'words'), min(chunk) FILTER (WHERE kind = 'meaning')) AS chunk,
            coalesce(sum(1.0::float8 / ({RRF_K} + place)) FILTER (WHERE level = 4), 0) AS fused
        FROM found WHERE content_type = ANY(%(content_types)s)
        GROUP BY conversation_id, content_type
    ),
    page AS (
        SELECT ranked.*, c.title, c.created_at, c.imported_by_user_id,
            row_number() OVER (ORDER BY {{order}}) AS position
        FROM ranked JOIN visible c ON c.id = ranked.conversation_id
        ORDER BY position LIMIT %(limit)s OFFSET %(offset)s
    )
    SELECT (SELECT name FROM model) AS model, (SELECT array_agg(lexeme) FROM lexemes) AS lexemes,
        (SELECT count(*) = {NEAREST_CHUNKS} FROM near)
            OR EXISTS (SELECT FROM matching GROUP BY source_type HAVING count(*) = {MATCHING_CHUNKS})
            OR (SELECT count(*) = {TITLES} FROM titles) AS is_capped,
        (SELECT count(*) FROM ranked) AS total,
        page.conversation_id, page.content_type, page.level, page.kinds, page.words_place, page.meaning_place,
        page.fused, page.title, page.created_at, u.name AS user_name, u.email AS user_email,
        sc.text, sc.message_index, sc.sequence_number, sc.project_draft_version_id, sc.file_attachment_id
    FROM (SELECT) AS always
    LEFT JOIN page ON true
    LEFT JOIN users u ON u.id = page.imported_by_user_id
    LEFT JOIN search_chunks sc ON sc.source_type = page.content_type AND sc.id = page.chunk
    ORDER BY page.position
"""

_SCORE = "level {asc}, title_place {asc}, fused {desc}, conversation_id {desc}, content_type {asc}"
_ORDERS = {
    "score": _SCORE,
    "relevance": _SCORE,
    "title": "lower(c.title) {asc}, c.title {asc}, conversation_id {desc}, content_type {asc}",
    "updated": "c.updated_at {asc}, conversation_id {asc}, content_type {asc}",
    "imported": "c.import_date {asc}, conversation_id {asc}, content_type {asc}",
}
_MUST_HAVE_PHRASES = "CASE WHEN numnode(phrases) > 0 THEN phrases ELSE words END"


def order_by(sort_by: str, *, descending: bool) -> str:
    """The best comes first in descending order of the score, in which levels count from the best as well."""
    is_reversed = descending != (sort_by in {"score", "relevance"})
    return _ORDERS[sort_by].format(asc="DESC" if is_reversed else "ASC", desc="ASC" if is_reversed else "DESC")


def statement(
    visible: str, *, sources: int, phrases: int, has_vector: bool, looks_inside_titles: bool, order: str
) -> str:
    """A statement with named parameters; `visible` is a SELECT of conversations, with parameters of its own.

    `sources` and `phrases` are how many there are (`source0`, `phrase0`, `phrase1`, …); `order` is by `order_by`.
    """
    must = _MUST_HAVE_PHRASES if phrases else "words"
    each = [f"phraseto_tsquery('{TEXT_SEARCH_CONFIG}', %(phrase{number})s)" for number in range(phrases)]
    in_title = f"(numnode(phrases) = 0 OR {_TITLE_WORDS} @@ phrases)"
    parts = (
        f"visible AS NOT MATERIALIZED ({visible})",
        SCOPE,
        _WANTED.format(phrases=" && ".join(each) or "NULL::tsquery"),
        _LINKS,
        _TITLES.format(
            or_inside=_OR_INSIDE if looks_inside_titles else "",
            phrases_in_title=f"(SELECT {in_title} FROM wanted)" if phrases else "true",
        ),
        _WORDS.format(
            matching=" UNION ALL ".join(_MATCHING.format(must=must, number=number) for number in range(sources)),
            ranked_by="phrases || coalesce(words, phrases)" if phrases else "words",
        ),
        *((_ASKED, _NEAR_OF_MATCHING if phrases else NEAR) if has_vector else (_NO_NEAR,)),
        _FOUND.format(order=order),
    )
    return f"{SETTINGS} WITH {', '.join(parts)}"

"""Runs the statement of a search and says what it found, best first."""

import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from django.core.exceptions import EmptyResultSet
from django.db import connection

from config.text import like_inside, like_literal
from conversations.visibility import ConversationQuerySet
from search.models import SourceType
from search.query import Query
from search.statement import RRF_K, order_by, statement

CONTENT_TYPES = ("conversation", *SourceType.values)
KINDS = ("url", "linear", "title", "words", "meaning")
LINK_OR_TITLE = 3
"""Up to this level a hit is what was meant, and its score 1."""
VISIBLE_COLUMNS = ("id", "url", "title", "created_at", "updated_at", "import_date", "imported_by_user_id")
SHORTEST_INSIDE = 3  # of fewer characters a trigram index knows nothing
BEST_FUSED = 2 / (RRF_K + 1)


class Page(NamedTuple):
    """Which part of the hits is asked for, in which order."""

    limit: int = 20
    offset: int = 0
    sort_by: str = "score"
    descending: bool = True


@dataclass(frozen=True, slots=True)
class Hit:
    """A conversation and the kind of its content that was found.

    `text` is the best chunk, empty if it was found without one; the numbers after it say where that is from. The places
    count from 1 in the lists that were fused, None where it is not among them.
    """

    conversation_id: int
    content_type: str
    matched_by: list[str]
    score: float
    title: str
    created_at: datetime
    user_name: str
    user_email: str
    text: str
    message_index: int | None
    sequence_number: int | None
    version_id: int | None
    file_id: int | None
    words_place: int | None
    meaning_place: int | None


@dataclass(frozen=True, slots=True)
class Found:
    """`model` is the model whose vectors were compared with the query's, None while nothing is indexed.

    `lexemes` are the stems of the query's words; `is_capped` if more hits than `total` may be there.
    """

    hits: list[Hit]
    total: int
    is_capped: bool
    lexemes: list[str]
    model: str | None


@dataclass(frozen=True, slots=True)
class Answer:
    """`is_degraded` if the embedder was away, so that only links, titles and words were compared."""

    query: Query
    found: Found
    page: Page
    is_degraded: bool
    milliseconds: float

    @property
    def has_more(self) -> bool:
        return self.found.total > self.page.offset + self.page.limit

    @property
    def by_type(self) -> dict[str, int]:
        return dict(Counter(hit.content_type for hit in self.found.hits))


def find(query: Query, vector: str | None, visible: ConversationQuerySet, sources: Sequence[str], page: Page) -> Found:
    """The hits among `visible` and in `sources`, all of them if there are none; without a vector by words and titles.

    Raises `OperationalError`, of SQLSTATE 57014 if it takes longer than 3 s.
    """
    try:
        sql, parameters = prepare(query, vector, visible, sources, page)
    except EmptyResultSet:  # Django knows without asking that nothing is visible
        return Found([], 0, is_capped=False, lexemes=[], model=None)
    return _found(select(sql, parameters))


def prepare(
    query: Query, vector: str | None, visible: ConversationQuerySet, sources: Sequence[str], page: Page
) -> tuple[str, dict[str, Any]]:
    """The statement that `find` runs, and its parameters. Raises `EmptyResultSet`."""
    scope, parameters = named(visible)
    inside = query.text.strip()
    sql = statement(
        scope,
        sources=len(sources or SourceType.values),
        phrases=len(query.phrases),
        has_vector=vector is not None,
        looks_inside_titles=len(inside) >= SHORTEST_INSIDE,
        order=order_by(page.sort_by, descending=page.descending),
    )
    parameters |= _of_query(query, inside) | _of_sources(sources)
    parameters |= {f"phrase{number}": phrase for number, phrase in enumerate(query.phrases)}
    parameters |= {"vector": vector, "limit": page.limit, "offset": page.offset}
    return sql, parameters


def explain(sql: str, parameters: dict[str, Any]) -> list[str]:
    """The lines of the plan of a statement that `prepare` has made."""
    rows = select(sql.replace(" WITH visible", " EXPLAIN WITH visible", 1), parameters)
    return [line for row in rows for line in row.values()]


def named(visible: ConversationQuerySet) -> tuple[str, dict[str, Any]]:
    """The queryset as SQL, with names for its parameters."""
    sql, values = visible.order_by().values(*VISIBLE_COLUMNS).query.sql_with_params()
    names = [f"visible{number}" for number in range(len(values))]
    return sql % tuple(f"%({name})s" for name in names), dict(zip(names, values, strict=True))


def _of_query(query: Query, inside: str) -> dict[str, Any]:
    return {
        "words": query.words,
        "all": query.is_link,
        "text": inside,
        "start": f"{like_literal(inside)}%",
        "inside": like_inside(inside),
        "may_be_typo": len(inside) >= SHORTEST_INSIDE and not query.phrases,
        "urls": list(query.urls),
        "url_hashes": [hashlib.md5(url.encode(), usedforsecurity=False).hexdigest() for url in query.urls],
        "linear_urls": list(query.linear_urls),
    }


def _of_sources(sources: Sequence[str]) -> dict[str, Any]:
    kinds = list(sources) or SourceType.values
    return {
        "sources": kinds,
        "content_types": list(sources or CONTENT_TYPES),
    } | {f"source{number}": kind for number, kind in enumerate(kinds)}


def select(sql: str, parameters: dict[str, Any]) -> list[dict[str, Any]]:
    """The rows of the last of several statements, which go to the database in one message, as one transaction."""
    with connection.cursor() as cursor:
        cursor.execute(sql, parameters)
        while cursor.description is None:
            cursor.nextset()
        names = [column.name for column in cursor.description]
        return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


def _found(rows: list[dict[str, Any]]) -> Found:
    """The statement gives one row of nulls, with what it says of them all, where there are no hits."""
    about = rows[0]
    return Found(
        hits=[_hit(row) for row in rows if row["conversation_id"] is not None],
        total=about["total"],
        is_capped=about["is_capped"],
        lexemes=about["lexemes"] or [],
        model=about["model"],
    )


def _hit(row: dict[str, Any]) -> Hit:
    return Hit(
        conversation_id=row["conversation_id"],
        content_type=row["content_type"],
        matched_by=[kind for kind in KINDS if kind in row["kinds"]],
        score=1.0 if row["level"] <= LINK_OR_TITLE else round(row["fused"] / BEST_FUSED, 6),
        title=row["title"],
        created_at=row["created_at"],
        user_name=row["user_name"],
        user_email=row["user_email"],
        text=row["text"] or "",
        message_index=row["message_index"],
        sequence_number=row["sequence_number"],
        version_id=row["project_draft_version_id"],
        file_id=row["file_attachment_id"],
        words_place=row["words_place"],
        meaning_place=row["meaning_place"],
    )

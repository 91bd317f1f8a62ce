"""Whether somebody has proposed this already: conversations whose whole text is like that of another one.

A text as a whole is the mean of its chunks' vectors. Candidates are those with the chunks nearest to that mean.
"""

from datetime import datetime
from typing import NamedTuple

from accounts.principals import Principal
from conversations import services as conversations
from conversations.models import Conversation
from search.models import SourceType
from search.ranking import named, select
from search.statement import NEAR, SCOPE, SETTINGS

PROPOSALS = (SourceType.IMPORTED_CHAT.value, SourceType.PROJECT_DRAFT.value)
CANDIDATES, SHOWN = 30, 5
LEAST_SCORE, CLOSE_SCORE = 0.4, 0.7
"""Measured with the offline model: unrelated texts are below 0.45, the same proposal in other words is about 0.7."""


class Similar(NamedTuple):
    """`score` is the cosine of the angle between the two texts."""

    conversation_id: int
    conversation_title: str
    score: float
    is_close: bool
    created_at: datetime
    created_by_user_name: str
    created_by_user_email: str


class SimilarFound(NamedTuple):
    """`is_indexed` is False while the index knows no meaning of the conversation itself."""

    rows: list[Similar]
    is_indexed: bool


_OWN = """
    asked AS MATERIALIZED (
        SELECT avg(embedding) AS vector FROM search_chunks WHERE conversation_id = %(conversation_id)s
            AND source_type = ANY(%(sources)s) AND embedding_model_id = (SELECT id FROM model)
    )"""
_ALIKE = """
    candidates AS MATERIALIZED (
        SELECT conversation_id FROM near GROUP BY conversation_id ORDER BY min(distance) LIMIT %(candidates)s
    ),
    wholes AS (
        SELECT conversation_id, 1 - (avg(embedding) <=> (SELECT vector FROM asked)) AS score
        FROM search_chunks WHERE conversation_id IN (SELECT conversation_id FROM candidates)
            AND source_type = ANY(%(sources)s) AND embedding_model_id = (SELECT id FROM model)
        GROUP BY conversation_id
    )
    SELECT (SELECT vector IS NOT NULL FROM asked) AS is_indexed,
        w.conversation_id, w.score, c.title, c.created_at, u.name AS user_name, u.email AS user_email
    FROM (SELECT) AS always
    LEFT JOIN (wholes w JOIN visible c ON c.id = w.conversation_id JOIN users u ON u.id = c.imported_by_user_id)
        ON w.score > %(least)s
    ORDER BY w.score DESC, w.conversation_id LIMIT %(limit)s
"""


def similar_to(*, user: Principal, conversation_id: int) -> SimilarFound:
    """Others that `user` may see, the most alike first. Raises `NotFound` unless this one may be seen as well."""
    conversations.require_visible(user=user, conversation_id=conversation_id)
    scope, parameters = named(Conversation.objects.visible_to(user).exclude(pk=conversation_id))
    parameters |= {"conversation_id": conversation_id, "sources": list(PROPOSALS)}
    parameters |= {"candidates": CANDIDATES, "least": LEAST_SCORE, "limit": SHOWN}
    visible = f"visible AS NOT MATERIALIZED ({scope})"
    rows = select(f"{SETTINGS} WITH {visible}, {SCOPE}, {_OWN}, {NEAR}, {_ALIKE}", parameters)
    found = [row for row in rows if row["conversation_id"] is not None]
    return SimilarFound(
        rows=[
            Similar(
                conversation_id=row["conversation_id"],
                conversation_title=row["title"],
                score=round(row["score"], 4),
                is_close=row["score"] >= CLOSE_SCORE,
                created_at=row["created_at"],
                created_by_user_name=row["user_name"],
                created_by_user_email=row["user_email"],
            )
            for row in found
        ],
        is_indexed=rows[0]["is_indexed"],
    )

"""What may be asked of search. Each function is the one place where its rule lives."""

import logging
import time
from collections.abc import Mapping
from typing import Any

from django.db import OperationalError

from accounts.principals import Principal
from config.exceptions import BadRequest, Unavailable
from conversations.filters import visible_conversations
from conversations.visibility import ConversationQuerySet
from search import query_vectors
from search.filters import Filters
from search.query import Query, parse
from search.ranking import Answer, Found, Page, find

logger = logging.getLogger(__name__)

NOTHING: Mapping[str, Any] = {"results": [], "total_count": 0, "has_more": False}
"""Members of a refusal, for clients that look at nothing else."""
TIMED_OUT = "57014"


def search(*, user: Principal, typed: str, filters: Filters, page: Page) -> Answer:
    """The hits that `user` may see: by link, title, words and meaning, in one statement.

    Raises `BadRequest` (`blank_query`), or `Unavailable` when the database is away or takes too long.
    """
    began = time.perf_counter()
    if not typed.strip():
        raise BadRequest("Type what you look for.", code="blank_query", field="q", extra=NOTHING)
    query, visible = parse(typed.strip()), visible_conversations(user, filters)
    model = query_vectors.assumed_model()
    found, is_degraded = _find(query, model, visible, filters, page)
    if found.model not in {None, model}:  # it was changed: once in the life of this process
        model = str(found.model)
        query_vectors.remember_model(model)
        found, is_degraded = _find(query, model, visible, filters, page)
    return Answer(query, found, page, is_degraded, round(1000 * (time.perf_counter() - began), 3))


def _find(query: Query, model: str, visible: ConversationQuerySet, filters: Filters, page: Page) -> tuple[Found, bool]:
    has_meaning = bool(query.text) and not query.is_link
    vector = query_vectors.vector_of(query.text, model=model) if has_meaning else None
    try:
        return find(query, vector, visible, filters.source_types, page), has_meaning and vector is None
    except OperationalError as error:
        raise _unavailable(error) from error


def _unavailable(error: OperationalError) -> Unavailable:
    state = getattr(error.__cause__, "sqlstate", None)
    logger.warning("a search failed: %s, SQLSTATE %s", type(error).__name__, state)
    if state == TIMED_OUT:
        detail = "The search took too long. Try other words, fewer of them, or a filter."
        return Unavailable(detail, code="search_timeout", extra=NOTHING)
    detail = "The database is not available at the moment. Try again."
    return Unavailable(detail, code="database_unavailable", extra=NOTHING)

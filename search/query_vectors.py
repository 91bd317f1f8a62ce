"""Vectors of queries, kept for some minutes: a query is asked again for its next page, in another order, by others."""

import hashlib
import logging

import redis.exceptions
from django.conf import settings
from pgvector import HalfVector

from config.redis import if_it_answers
from integrations.llm.errors import LLMError
from search import store
from search.embedding import embed_query

logger = logging.getLogger(__name__)

KEPT_SECONDS = 300
_assumed = ""  # the active model, as the last statement of this process told


def assumed_model() -> str:
    """The model that is most likely active, without asking the database; each search tells which one it is."""
    return _assumed or str(settings.EMBEDDING_MODEL)


def remember_model(name: str) -> None:
    global _assumed
    _assumed = name


def vector_of(text: str, *, model: str) -> str | None:
    """The vector as PostgreSQL reads it; None if the embedder does not give one in time."""
    key = f"search:vector:{hashlib.sha256(f'{model} {text}'.encode()).hexdigest()}"
    if (kept := _kept(key)) is not None:
        return HalfVector.from_binary(kept).to_text()
    try:
        vector = embed_query(model, text)
    except LLMError as error:
        logger.warning("a search goes without meaning: %s", error.message)
        return None
    _keep(key, HalfVector(vector).to_binary())
    return store.literal(vector)


def _kept(key: str) -> bytes | None:
    try:
        with if_it_answers() as client:
            value: bytes | None = client.get(key)  # type: ignore[assignment]  # the stubs have awaitables as well
            return value
    except redis.exceptions.RedisError:
        return None


def _keep(key: str, value: bytes) -> None:
    try:
        with if_it_answers() as client:
            client.set(key, value, ex=KEPT_SECONDS)
    except redis.exceptions.RedisError:
        logger.debug("Redis keeps no vector of a query")

"""Which models turn texts into vectors, by name; `EMBEDDING_MODEL` chooses one."""

from functools import lru_cache

from django.conf import settings

from integrations.embeddings.base import Embedder
from integrations.embeddings.offline import OfflineEmbedder
from integrations.llm.errors import NotConfigured

OFFLINE = OfflineEmbedder.name
MAX_DISTANCE = 0.75
"""Where the old system drew the line for `text-embedding-3-small` (contract.md 6.1): a score below 0.25."""
MAX_DISTANCES = {OFFLINE: 0.8}
"""wordllama: 95 % of unrelated pairs have a similarity below 0.17, the least of related ones is 0.21 (search.md B6)."""


def embedder(name: str) -> Embedder:
    """The embedder called `name`, the same one each time while its settings stay. Raises `NotConfigured`."""
    if reason := _reason_against(name):
        raise NotConfigured(reason)
    if name == OFFLINE:
        return _offline()
    return _openai(name, settings.OPENAI_API_KEY, settings.OPENAI_BASE_URL)


def is_configured(name: str) -> bool:
    return not _reason_against(name)


def max_distance(name: str) -> float:
    """The cosine distance beyond which a hit of this model means nothing, until an operator sets another."""
    return MAX_DISTANCES.get(name, MAX_DISTANCE)


def _reason_against(name: str) -> str:
    """Why this installation can't use the model; empty if it can."""
    if name == OFFLINE:
        return ""
    if not name.startswith("openai/"):
        return f"This installation knows no embedding model {name}. Set EMBEDDING_MODEL to another one."
    return "" if settings.OPENAI_API_KEY else f"{name} is switched off: OPENAI_API_KEY is not set."


@lru_cache(maxsize=1)
def _offline() -> Embedder:
    return OfflineEmbedder()


@lru_cache(maxsize=16)
def _openai(name: str, key: str, address: str) -> Embedder:
    from integrations.embeddings.openai import OpenAIEmbedder  # its HTTP client is for those who use it

    return OpenAIEmbedder(name, key, address)

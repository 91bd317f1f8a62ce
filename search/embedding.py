"""The models whose vectors are in the index. All that search asks of an embedder goes through `embed`."""

from collections.abc import Sequence

from django.conf import settings

from integrations.embeddings import registry
from integrations.embeddings.base import Vector
from search.models import EmbeddingModel

QUERY_SECONDS = 2.0


def embed(model: str, texts: Sequence[str], *, seconds: float) -> list[Vector]:
    """A vector for each text by the model of this name. Raises an `LLMError`."""
    return registry.embedder(model).embed(texts, seconds=seconds).vectors


def embed_query(model: str, query: str, *, seconds: float = QUERY_SECONDS) -> Vector:
    """Raises an `LLMError`, after `seconds` at the latest: search then does without meaning."""
    return embed(model, [query], seconds=seconds)[0]


def active_model() -> EmbeddingModel:
    """The model that search uses: the one that `EMBEDDING_MODEL` named when the first text was indexed, and since
    then the one that `reindex --model` changed to."""
    row = EmbeddingModel.objects.filter(state=EmbeddingModel.State.ACTIVE).first()
    return row or _first_model()


def _first_model() -> EmbeddingModel:
    """Of several processes that come at once, one makes it."""
    name = settings.EMBEDDING_MODEL
    row = EmbeddingModel(name=name, state=EmbeddingModel.State.ACTIVE, max_distance=registry.max_distance(name))
    EmbeddingModel.objects.bulk_create([row], ignore_conflicts=True)
    return EmbeddingModel.objects.get(state=EmbeddingModel.State.ACTIVE)

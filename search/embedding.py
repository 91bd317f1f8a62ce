"""The models whose vectors are in the index, and how one takes the place of another.

All that search asks of an embedder goes through `embed`.
"""

import functools
import logging
from collections.abc import Sequence

from django.conf import settings
from django.db import transaction
from django.db.models.functions import Now

from integrations.embeddings import registry
from integrations.embeddings.base import Vector
from llmconfig.metering import Purpose, counted
from llmconfig.models import DefaultModel, Task
from search import outbox
from search.models import EmbeddingModel, OutboxEntry, SearchChunk

logger = logging.getLogger(__name__)

QUERY_SECONDS = 2.0
ACTIVE, BUILDING, RETIRED = EmbeddingModel.State.ACTIVE, EmbeddingModel.State.BUILDING, EmbeddingModel.State.RETIRED


def embed(model: str, texts: Sequence[str], *, seconds: float) -> list[Vector]:
    """A vector for each text by this model; a vendor's call is kept as an `LLMCall`. Raises an `LLMError`."""
    if model == registry.OFFLINE:
        return registry.embedder(model).embed(texts, seconds=seconds).vectors
    with counted(Purpose(Task.EMBEDDING), model) as call:
        embedded = registry.embedder(model).embed(texts, seconds=seconds)
        call.input_tokens, call.output_tokens = embedded.tokens, 0
    return embedded.vectors


def embed_query(model: str, query: str, *, seconds: float = QUERY_SECONDS) -> Vector:
    """Raises an `LLMError`, after `seconds` at the latest: search then does without meaning."""
    return embed(model, [query], seconds=seconds)[0]


def active_model() -> EmbeddingModel:
    """The model that search uses: the one that `EMBEDDING_MODEL` named when the first text was indexed, and since then
    the one that `reindex --model` has changed to."""
    return EmbeddingModel.objects.filter(state=ACTIVE).first() or _first_model()


def models_in_use() -> list[EmbeddingModel]:
    """The models that everything is indexed for: the active one and, while there is one, that which is being built."""
    return [active_model(), *EmbeddingModel.objects.filter(state=BUILDING)]


def follow_settings() -> None:
    """Takes `EMBEDDING_MODEL` at its word while nothing is indexed yet; later only `reindex --model` changes it.

    Embedding everything anew costs time and perhaps money, and processes may disagree about their settings for a while.
    """
    active = active_model()
    if active.name == wanted_model():
        return
    if not SearchChunk.objects.exists() and not EmbeddingModel.objects.filter(state=BUILDING).exists():
        _replace(active, by=_named(wanted_model()))
    else:
        _say_how_to_change(active.name, wanted_model())


@transaction.atomic
def build(name: str) -> EmbeddingModel:
    """Begins to index everything for another model, or goes on with it; search stays with the active one meanwhile.

    Nothing happens if that is the active one. The row and the entries of the outbox come into being together: without
    entries, it would count as built.
    """
    model = _named(name)
    if model.state != RETIRED:
        return model
    EmbeddingModel.objects.filter(state=BUILDING).update(state=RETIRED)
    EmbeddingModel.objects.filter(pk=model.pk).update(state=BUILDING, building_since=Now())
    outbox.enqueue()
    model.refresh_from_db()
    return model


def stop_building() -> None:
    EmbeddingModel.objects.filter(state=BUILDING).update(state=RETIRED)


@transaction.atomic
def switch_if_built() -> bool:
    """Lets search use the model that is being built, once the index has a vector of it for every chunk.

    That is so when nothing is left of what was on the list when building began: what changed later is on the list for
    both models.
    """
    model = EmbeddingModel.objects.select_for_update().filter(state=BUILDING).first()
    if model is None or OutboxEntry.objects.filter(changed_at__lte=model.building_since).exists():
        return False
    if SearchChunk.objects.filter(embedding_model=model, embedding=None).exists():
        return False
    _replace(active_model(), by=model)
    return True


@functools.cache
def _say_how_to_change(active: str, wanted: str) -> None:
    """Once in a process."""
    hint = "`manage.py reindex --model` changes it while search goes on"
    logger.warning("EMBEDDING_MODEL is %s, but the index is of %s; %s", wanted, active, hint)


@transaction.atomic
def _replace(active: EmbeddingModel, *, by: EmbeddingModel) -> None:
    EmbeddingModel.objects.filter(pk=active.pk).update(state=RETIRED)
    EmbeddingModel.objects.filter(pk=by.pk).update(state=ACTIVE, building_since=None)
    logger.info("search uses %s instead of %s", by.name, active.name)


def _named(name: str) -> EmbeddingModel:
    defaults = {"state": RETIRED, "max_distance": registry.max_distance(name)}
    return EmbeddingModel.objects.get_or_create(name=name, defaults=defaults)[0]


def wanted_model() -> str:
    """The operators' default for embedding, else what `EMBEDDING_MODEL` names."""
    row = DefaultModel.objects.filter(prompt_type=Task.EMBEDDING).first()
    return f"{row.llm_provider}/{row.llm_model}" if row else settings.EMBEDDING_MODEL


def _first_model() -> EmbeddingModel:
    """Of several processes that come at once, one makes it."""
    name = wanted_model()
    row = EmbeddingModel(name=name, state=ACTIVE, max_distance=registry.max_distance(name))
    EmbeddingModel.objects.bulk_create([row], ignore_conflicts=True)
    return EmbeddingModel.objects.get(state=ACTIVE)

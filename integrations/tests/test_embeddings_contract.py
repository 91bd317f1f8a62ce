"""What every embedder does, ours and the vendors', each at its own door."""

import math
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from integrations.embeddings import registry
from integrations.embeddings.base import DIMENSIONS, Embedder, fitted
from integrations.llm.errors import NotConfigured, ProviderRefused
from integrations.tests.fake_embeddings import FakeEmbeddings


@pytest.fixture(params=["offline/wordllama-256", "openai/text-embedding-3-small"])
def embedder(request: pytest.FixtureRequest, settings: Any) -> Iterator[Embedder]:
    with FakeEmbeddings() as fake:
        settings.OPENAI_API_KEY, settings.OPENAI_BASE_URL = "sk-test", fake.url
        yield registry.embedder(request.param)


def similarity(one: list[float], other: list[float]) -> float:
    return sum(a * b for a, b in zip(one, other, strict=True))


def test_it_gives_each_text_a_vector_of_length_one(embedder: Embedder):
    vectors, _ = embedder.embed(["A lighthouse by the sea", "bread", "Хлеб", "🍞", "¶"], seconds=10)
    assert [len(vector) for vector in vectors] == [DIMENSIONS] * 5
    assert [math.hypot(*vector) for vector in vectors] == pytest.approx([1] * 5)


def test_it_keeps_the_order_of_many_texts(embedder: Embedder):
    texts = [f"bread number {number} of a baker" for number in range(300)]
    together = embedder.embed(texts, seconds=20).vectors
    assert len(together) == 300
    for number in (0, 127, 128, 299):
        alone = embedder.embed([texts[number]], seconds=10).vectors[0]
        assert together[number] == pytest.approx(alone, abs=1e-5)


def test_it_puts_texts_about_the_same_near_each_other(embedder: Embedder):
    bread, loaf, engine = embedder.embed(
        ["the baker bakes bread", "bread of the baker", "an engine turns wheels"], seconds=10
    ).vectors
    assert similarity(bread, loaf) > similarity(bread, engine) + 0.1


def test_it_takes_a_text_of_any_length(embedder: Embedder):
    assert len(embedder.embed(["bread " * 20_000, "ཨ" * 20_000], seconds=20).vectors) == 2


def test_it_has_nothing_to_do_for_no_text(embedder: Embedder):
    assert embedder.embed([], seconds=10) == ([], 0)


def test_it_may_be_used_by_many_threads(embedder: Embedder):
    texts = [f"bread {number}" for number in range(12)]
    with ThreadPoolExecutor(6) as threads:
        found = list(threads.map(lambda text: embedder.embed([text], seconds=10).vectors[0], texts))
    assert found[3] == pytest.approx(embedder.embed(texts, seconds=10).vectors[3], abs=1e-5)


def test_it_is_the_same_one_each_time(embedder: Embedder):
    assert registry.embedder(embedder.name) is embedder


@pytest.mark.parametrize("name", ["offline/other", "acme/model", "", "openai"])
def test_it_refuses_a_model_that_nobody_has(name: str):
    with pytest.raises(NotConfigured, match="EMBEDDING_MODEL"):
        registry.embedder(name)
    assert not registry.is_configured(name)


def test_it_needs_a_key_for_a_vendor(settings: Any):
    settings.OPENAI_API_KEY = ""
    with pytest.raises(NotConfigured, match="OPENAI_API_KEY"):
        registry.embedder("openai/text-embedding-3-small")
    assert registry.is_configured("offline/wordllama-256")


def test_it_takes_a_nearer_limit_for_vectors_of_our_own_model():
    assert registry.max_distance("offline/wordllama-256") == 0.8
    assert registry.max_distance("openai/text-embedding-3-small") == 0.75


def test_it_fills_a_short_vector_up():
    assert fitted("m", [3.0, 4.0]) == pytest.approx([0.6, 0.8] + [0.0] * (DIMENSIONS - 2))
    assert fitted("m", [0.0]) == [0.0] * DIMENSIONS


@pytest.mark.parametrize(
    ("numbers", "words"),
    [([], "0 numbers"), ([1.0] * (DIMENSIONS + 1), "1537"), ([1.0, math.nan], "finite"), ([math.inf], "finite")],
)
def test_it_refuses_a_vector_that_cannot_be_stored(numbers: list[float], words: str):
    with pytest.raises(ProviderRefused, match=words):
        fitted("m", numbers)

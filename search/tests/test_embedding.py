"""Which model search uses, and how it changes while search goes on."""

import logging
from typing import Any

import pytest

from accounts.models import User
from config.checks import meanings_can_be_compared
from config.tests.making import make_conversation
from integrations.llm.errors import ProviderUnavailable
from integrations.tests.fake_embeddings import FakeEmbeddings, hangs, refused, right
from search import embedding, indexing, outbox
from search.models import EmbeddingModel, OutboxEntry
from search.tests.index import held, index_all, rows, run, texts, wanted
from search.tests.test_outbox import in_threads

OLD, NEW = "offline/wordllama-256", "openai/new"


def states() -> dict[str, str]:
    return dict(EmbeddingModel.objects.values_list("name", "state"))


def per_model() -> dict[str, int]:
    """How many chunks with a vector there are of each model."""
    return dict(
        rows(
            "SELECT m.name, count(c.embedding) FROM search_embedding_models m "
            "JOIN search_chunks c ON c.embedding_model_id = m.id GROUP BY m.name"
        )
    )


# ── Which one ─────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.django_db
def test_it_begins_with_the_one_that_the_settings_name():
    model = embedding.active_model()
    assert (model.name, model.max_distance) == (OLD, 0.8)
    assert embedding.active_model() == model


def test_several_processes_begin_with_one(committed: None):
    assert len(set(in_threads(6, lambda: embedding.active_model().pk))) == 1
    assert states() == {OLD: "active"}


@pytest.mark.django_db
def test_it_follows_the_settings_while_nothing_is_indexed(settings: Any):
    embedding.active_model()
    settings.EMBEDDING_MODEL = NEW
    embedding.follow_settings()
    assert states() == {OLD: "retired", NEW: "active"}


@pytest.mark.django_db
def test_it_stays_with_the_model_of_what_is_indexed(alice: User, settings: Any, caplog: pytest.LogCaptureFixture):
    make_conversation(alice)
    index_all()
    settings.EMBEDDING_MODEL = "openai/not-named-before"
    with caplog.at_level(logging.WARNING, "search"):
        embedding.follow_settings()
        embedding.follow_settings()
    assert states() == {OLD: "active"}
    assert [record.getMessage().count("reindex --model") for record in caplog.records] == [1]


@pytest.mark.django_db
def test_it_embeds_a_query(vendor: FakeEmbeddings):
    assert len(embedding.embed_query(OLD, "a lamp")) == 1536
    assert len(embedding.embed_query(NEW, "a lamp")) == 1536
    vendor.replies(hangs())
    with pytest.raises(ProviderUnavailable):
        embedding.embed_query(NEW, "a lamp", seconds=0.2)


@pytest.mark.parametrize(
    ("model", "key", "count"), [("offline/wordllama-256", "", 0), ("openai/new", "sk-test", 0), ("openai/new", "", 1)]
)
def test_an_operator_is_told_of_a_model_without_a_key(settings: Any, model: str, key: str, count: int):
    settings.EMBEDDING_MODEL, settings.OPENAI_API_KEY = model, key
    assert [warning.id for warning in meanings_can_be_compared()] == ["config.W003"] * count


# ── The change of the model ───────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.django_db
def test_it_keeps_both_until_the_new_one_has_all(alice: User, vendor: FakeEmbeddings):
    make_conversation(alice)
    index_all()
    embedding.build(NEW)
    assert not embedding.switch_if_built()
    index_all()
    assert (states(), per_model()) == ({OLD: "active", NEW: "building"}, {OLD: 2, NEW: 2})
    assert embedding.switch_if_built()
    assert states() == {OLD: "retired", NEW: "active"}
    assert texts() == ["Build a lighthouse.", "With a lamp."]
    assert not embedding.switch_if_built()


@pytest.mark.django_db
def test_it_indexes_what_changes_meanwhile_for_both(alice: User, vendor: FakeEmbeddings):
    first = make_conversation(alice)
    index_all()
    embedding.build(NEW)
    first.imported_chat = first.imported_chat[:1]
    first.save()
    make_conversation(alice, "Another")
    index_all()
    assert per_model() == {OLD: 3, NEW: 3}
    assert held() == wanted()


@pytest.mark.django_db
def test_an_indexer_that_began_before_does_not_make_it_look_complete(alice: User, vendor: FakeEmbeddings):
    make_conversation(alice)
    (entry,) = outbox.claim(1)
    works = indexing._works([entry], embedding.models_in_use())
    embedding.build(NEW)
    indexing._round(works, works[0].model, set())
    outbox.finish(entry)
    assert OutboxEntry.objects.count() == 1
    assert not embedding.switch_if_built()
    index_all()
    assert embedding.switch_if_built()


@pytest.mark.django_db
def test_it_does_not_change_while_vectors_are_missing(alice: User, vendor: FakeEmbeddings):
    make_conversation(alice)
    index_all()
    embedding.build(NEW)
    vendor.replies(refused(500))
    indexing.index_due(seconds=5)
    run("DELETE FROM search_outbox")
    assert not embedding.switch_if_built()
    assert texts() == ["Build a lighthouse.", "With a lamp."]
    run("UPDATE conversations SET title = title")
    vendor.replies(right())
    index_all()
    assert embedding.switch_if_built()


@pytest.mark.django_db
def test_it_goes_on_with_one_that_is_being_built(alice: User, vendor: FakeEmbeddings):
    make_conversation(alice)
    index_all()
    first = embedding.build(NEW)
    index_all()
    assert embedding.build(NEW) == first
    assert not OutboxEntry.objects.exists()


@pytest.mark.django_db
def test_another_one_takes_the_place_of_one_that_is_being_built(alice: User, vendor: FakeEmbeddings):
    make_conversation(alice)
    embedding.active_model()
    embedding.build("openai/first")
    embedding.build(NEW)
    assert states() == {OLD: "active", "openai/first": "retired", NEW: "building"}
    embedding.stop_building()
    assert states()[NEW] == "retired"


@pytest.mark.django_db
def test_it_can_change_back(alice: User, vendor: FakeEmbeddings):
    make_conversation(alice)
    for name in (OLD, NEW, OLD):
        embedding.build(name) if embedding.active_model().name != name else None
        index_all()
        embedding.switch_if_built()
        assert embedding.active_model().name == name
    assert held() != []

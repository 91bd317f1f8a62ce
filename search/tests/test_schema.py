"""What the database itself sees to: which chunks it refuses, and what a plan may use."""

from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction

from accounts.models import User
from config.tests.making import make_conversation
from search.models import EmbeddingModel

pytestmark = pytest.mark.django_db


def run(statement: str, *parameters: Any) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters)


def insert(alice: User, **changes: Any) -> None:
    """A chunk of an imported chat, with these columns changed."""
    model = EmbeddingModel.objects.filter(state="active").first() or EmbeddingModel.objects.create(
        name="offline/x", max_distance=1, state="active"
    )
    values = {
        "embedding_model_id": model.pk,
        "conversation_id": (alice.conversations.first() or make_conversation(alice)).pk,
        "source_type": "imported_chat",
        "message_index": 0,
        "chunk_index": 0,
        "start_offset": 0,
        "text": "Build lighthouses",
        "content_hash": b"1",
    } | changes
    names, marks = ", ".join(values), ", ".join(["%s"] * len(values))
    run(f"INSERT INTO search_chunks ({names}) VALUES ({marks})", *values.values())


def test_it_derives_the_words_from_the_text(alice: User):
    insert(alice)
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM search_chunks WHERE tsv @@ to_tsquery('english', 'lighthouse & building')")
        assert cursor.fetchone() == (1,)


@pytest.mark.parametrize(
    ("changes", "constraint"),
    [
        ({"source_type": "odd"}, "no partition"),
        ({"message_index": None}, "search_chunks_source_check"),
        ({"source_type": "draft_chat"}, "search_chunks_source_check"),
        ({"source_type": "project_draft"}, "search_chunks_source_check"),
        ({"source_type": "attachment"}, "search_chunks_source_check"),
        ({"embedding_model_id": 99}, "embedding_model"),
        ({"conversation_id": 10**9}, "conversation"),
        ({"content_hash": None}, "content_hash"),
    ],
)
def test_it_refuses_a_chunk_that_points_nowhere(alice: User, changes: dict[str, Any], constraint: str):
    with pytest.raises(IntegrityError, match=constraint), transaction.atomic():
        insert(alice, **changes)


def test_it_has_one_chunk_at_a_place_for_each_model(alice: User):
    insert(alice)
    insert(alice, chunk_index=1)
    with pytest.raises(IntegrityError, match="duplicate key"), transaction.atomic():
        insert(alice)
    other = EmbeddingModel.objects.create(name="openai/y", max_distance=1, state="building")
    insert(alice, embedding_model_id=other.pk)


@pytest.mark.parametrize("state", ["active", "building"])
def test_it_has_one_model_of_a_state(state: str):
    EmbeddingModel.objects.create(name="a", max_distance=1, state=state)
    EmbeddingModel.objects.create(name="b", max_distance=1, state="retired")
    EmbeddingModel.objects.create(name="c", max_distance=1, state="retired")
    with pytest.raises(IntegrityError, match="one_of_each"), transaction.atomic():
        EmbeddingModel.objects.create(name="d", max_distance=1, state=state)


@pytest.mark.parametrize(("field", "value"), [("state", "odd"), ("max_distance", 0), ("max_distance", 2.1)])
def test_it_refuses_a_model_that_cannot_be(field: str, value: Any):
    with pytest.raises(IntegrityError, match="check"), transaction.atomic():
        EmbeddingModel.objects.create(**{"name": "a", "max_distance": 1, "state": "retired", field: value})


def test_chunks_go_with_their_conversation(alice: User):
    insert(alice)
    alice.conversations.get().delete()
    with connection.cursor() as cursor:
        cursor.execute("SELECT (SELECT count(*) FROM search_chunks) + (SELECT count(*) FROM search_outbox)")
        assert cursor.fetchone() == (0,)

"""Among more conversations than are compared one by one: the index of vectors, and what it misses."""

from typing import Any

import pytest
from django.db import connection

from accounts.models import User
from conversations.filters import visible_conversations
from conversations.models import Conversation
from search import query_vectors
from search.filters import Filters
from search.query import parse
from search.ranking import Page, explain, find, prepare
from search.statement import EXACT_CONVERSATIONS
from search.tests.index import index_all, rows

ANIMALS = ("whale", "sparrow", "badger", "salmon", "beetle")
PLACES = ("harbour", "forest", "desert", "glacier", "village", "river", "cave")
MODEL = "offline/wordllama-256"


@pytest.fixture
def many(alice: User, bob: User) -> None:
    """More of Alice's than the limit, and some of Bob's about the same."""
    Conversation.objects.bulk_create(
        Conversation(
            title=f"Note {number}",
            url=f"draftloom:import/text/{number}",
            imported_chat=[{"role": "user", "content": _text(number)}],
            imported_by_user=bob if number % 25 == 0 else alice,
            source="text",
            is_locked=number % 3 == 0,
        )
        for number in range(EXACT_CONVERSATIONS + 50)
    )
    index_all()


def _text(number: int) -> str:
    animal, place = ANIMALS[number % 5], PLACES[number % 7]
    return f"The {animal} of the {place} number {number} eats {number % 11} {ANIMALS[number % 3]}s."


def found(user: User, vector: str, **filters: Any) -> list[int]:
    """By meaning alone, the nearest first."""
    visible = visible_conversations(user, Filters(**filters))
    return [hit.conversation_id for hit in find(parse(""), vector, visible, (), Page(limit=20)).hits]


def nearest(user: User, vector: str, locked: bool | None = None) -> list[int]:
    """By comparing all vectors that are near enough."""
    query = """
        SELECT c.id FROM search_chunks s JOIN conversations c ON c.id = s.conversation_id
        WHERE c.imported_by_user_id = %s AND (%s::boolean IS NULL OR c.is_locked = %s)
            AND s.embedding <=> %s::halfvec(1536) < 0.8
        GROUP BY c.id ORDER BY min(s.embedding <=> %s::halfvec(1536)), c.id DESC LIMIT 20
    """
    return [row[0] for row in rows(query, user.pk, locked, locked, vector, vector)]


@pytest.mark.django_db
def test_it_finds_nearly_all_of_the_nearest_and_nothing_of_others(many: None, alice: User, bob: User, settings: Any):
    settings.VISIBILITY = "private"
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE conversations")
        cursor.execute("SET LOCAL enable_sort = off")  # else PostgreSQL reads it all while there is so little
    visible = visible_conversations(alice, Filters())
    plan = explain(*prepare(parse(""), query_vectors.vector_of("whale", model=MODEL), visible, (), Page()))
    assert sum("Index Scan using" in line and "embedding_idx" in line for line in plan) == 4
    common = asked = 0
    for animal in ANIMALS:
        vector = str(query_vectors.vector_of(f"a {animal} in the {PLACES[len(animal) % 7]}", model=MODEL))
        for expected, ours in (
            (nearest(alice, vector), found(alice, vector)),
            (nearest(alice, vector, locked=False), found(alice, vector, status="in_progress")),
        ):
            common += len(set(expected) & set(ours))
            asked += len(expected)
        assert found(bob, vector) == nearest(bob, vector)  # few: exactly
    assert common / asked >= 0.95

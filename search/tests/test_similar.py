"""`GET /api/search/similar`: whether somebody has proposed this already."""

from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from accounts.models import User
from config.tests.making import make_conversation
from conversations.models import Conversation
from search.tests.index import index_all

pytestmark = pytest.mark.django_db
PLANTS = (
    "Build an app that reminds people to water their plants, using a soil moisture sensor and a phone notification. It "
    "should run on a small board with wifi and last a year on one battery."
)
PLANTS_AGAIN = (
    "I want a gadget with a moisture sensor in the pot which tells my phone when the plants need water. A small wifi "
    "board, and an app, powered by one battery for a year."
)
SUPPORT = "Fine-tune a language model on our support tickets so that it drafts answers; measure how many are sent."


def proposed(user: User, title: str, *texts: str) -> Conversation:
    return make_conversation(user, title, imported_chat=[{"role": "user", "content": text} for text in texts])


def similar(client: Client, conversation: Conversation) -> dict[str, Any]:
    response = client.get("/api/search/similar", {"conversation_id": conversation.pk})
    assert response.status_code == 200, response.content[:300]
    body: dict[str, Any] = response.json()
    return body


def test_it_knows_a_proposal_again(alice: User, alices: Client):
    first = proposed(alice, "Plants", PLANTS)
    proposed(alice, "Support", SUPPORT)
    again = proposed(alice, "Pots", PLANTS_AGAIN)
    index_all()
    body = similar(alices, again)
    assert body["indexed"]
    (row,) = body["results"]
    assert (row["conversation_id"], row["conversation_title"], row["is_close"]) == (first.pk, "Plants", True)
    assert (row["created_by_user_name"], row["created_by_user_email"]) == (alice.name, alice.email)
    assert 0.7 <= row["score"] < 1


def test_the_most_alike_comes_first(alice: User, alices: Client):
    same = proposed(alice, "Same", PLANTS)
    proposed(alice, "Near", PLANTS_AGAIN)
    own = proposed(alice, "Same", PLANTS)
    index_all()
    rows = similar(alices, own)["results"]
    assert [row["conversation_title"] for row in rows] == ["Same", "Near"]
    assert rows[0]["conversation_id"] == same.pk
    assert rows[0]["score"] == pytest.approx(1, abs=0.001)
    assert rows[1]["score"] < 0.99


def test_it_compares_texts_as_a_whole(alice: User, alices: Client):
    proposed(alice, "Plants", PLANTS, *[f"{SUPPORT} Part {number}." for number in range(8)])
    own = proposed(alice, "Pots", PLANTS_AGAIN)
    index_all()
    assert all(not row["is_close"] for row in similar(alices, own)["results"])


def test_it_says_when_the_conversation_is_not_indexed_yet(alice: User, alices: Client):
    proposed(alice, "Plants", PLANTS)
    index_all()
    assert similar(alices, proposed(alice, "Pots", PLANTS_AGAIN)) == {"results": [], "indexed": False}


def test_it_shows_a_few(alice: User, alices: Client):
    all_of_them = [proposed(alice, f"Plants {number}", PLANTS) for number in range(8)]
    index_all()
    rows = similar(alices, all_of_them[0])["results"]
    assert len(rows) == 5
    assert all_of_them[0].pk not in {row["conversation_id"] for row in rows}


def test_it_asks_the_database_once_more_than_it_takes_to_see_the_conversation(alice: User, alices: Client):
    own = proposed(alice, "Plants", PLANTS)
    index_all()
    with CaptureQueriesContext(connection) as of_nothing:
        alices.get("/api/auth/me")
    with CaptureQueriesContext(connection) as captured:
        similar(alices, own)
    assert len(captured) == len(of_nothing) + 2


@pytest.mark.parametrize(("given", "status"), [("", 422), ("abc", 422), ("0", 400), ("-1", 400), ("999999", 404)])
def test_it_refuses_what_is_no_conversation(alices: Client, given: str, status: int):
    assert alices.get("/api/search/similar", {"conversation_id": given}).status_code == status


def test_it_asks_which_conversation_is_meant(alices: Client):
    response = alices.get("/api/search/similar")
    assert (response.status_code, response.json()["errors"][0]["field"]) == (422, "conversation_id")


def test_a_conversation_of_others_is_not_there(alice: User, bobs: Client, settings: Any):
    own = proposed(alice, "Plants", PLANTS)
    settings.VISIBILITY = "private"
    assert bobs.get("/api/search/similar", {"conversation_id": own.pk}).status_code == 404

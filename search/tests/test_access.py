"""What a search may find: nothing of a conversation that whoever asks may not see."""

import random
from typing import Any

import pytest
from django.test import Client

from accounts import keys
from accounts.models import READ_SCOPES, User
from config.tests.making import make_conversation, make_draft, make_turn
from conftest import make_user, signed_in
from conversations.models import Conversation
from search.tests.found import ask, hits
from search.tests.index import attach, index_all

pytestmark = pytest.mark.django_db
SUBJECTS = ("lighthouse", "bakery", "glacier", "violin")


def filled(user: User, subject: str, number: int) -> Conversation:
    """A conversation with the subject in everything that is searched."""
    share = f"https://chatgpt.com/share/{number:08d}-0000-4000-8000-000000000000"
    chat = [
        {"role": "user", "content": f"What about the {subject}?"},
        {"role": "assistant", "content": f"A {subject}."},
    ]
    conversation = make_conversation(user, f"{subject.title()} {number}", imported_chat=chat, url=share)
    make_turn(make_draft(conversation, f"Plan of a {subject}"), f"Is the {subject} done?", f"The {subject} is done.")
    attach(conversation, f"Bill of the {subject}", f"{subject}.txt")
    return conversation


def questions(chance: random.Random, ids: list[int]) -> list[str]:
    subject = chance.choice(SUBJECTS)
    number = chance.choice(ids)
    return [
        subject,
        f"{subject[:-1]}x",
        f'"the {subject}"',
        f"what became of the {subject} and its bill",
        f"https://chatgpt.com/share/{number:08d}-0000-4000-8000-000000000000",
        f"{number:08d}-0000-4000-8000-000000000000",
    ]


def test_nobody_finds_anything_of_what_is_not_theirs_to_see(settings: Any):
    chance = random.Random(8)
    people = [make_user(f"member{number}@example.org") for number in range(4)]
    owners = {}
    for number in range(1, 25):
        owner = chance.choice(people)
        owners[filled(owner, chance.choice(SUBJECTS), number).pk] = owner.pk
    index_all()
    settings.VISIBILITY = "private"
    count = 0
    for user in people:
        client = signed_in(user)
        for typed in questions(chance, list(range(1, 25))):
            parameters = {"sort_by": chance.choice(["score", "title", "updated"]), "offset": chance.choice([0, 0, 3])}
            found = hits(client, typed, limit=100, **parameters)
            assert {owners[hit["conversation_id"]] for hit in found} <= {user.pk}, typed
            count += len(found)
        similar = client.get(f"/api/search/similar?conversation_id={next(iter(owned(owners, user)))}").json()["results"]
        assert {owners[row["conversation_id"]] for row in similar} <= {user.pk}
        count += len(similar)
    assert count > 100


def owned(owners: dict[int, int], user: User) -> list[int]:
    return [pk for pk, owner in owners.items() if owner == user.pk]


def test_totals_tell_nothing_of_what_is_not_seen(alice: User, alices: Client, bobs: Client, settings: Any):
    filled(alice, "lighthouse", 1)
    index_all()
    settings.VISIBILITY = "private"
    assert ask(alices, "lighthouse")["total_count"] == 5
    body = ask(bobs, "lighthouse")
    assert (body["total_count"], body["total_is_capped"], body["stats"]["results_by_type"]) == (0, False, {})


def test_operators_find_everything(alice: User, olivias: Client, settings: Any):
    filled(alice, "lighthouse", 1)
    index_all()
    settings.VISIBILITY = "private"
    assert ask(olivias, "lighthouse")["total_count"] == 5


@pytest.mark.parametrize(("visibility", "count"), [("workspace", 5), ("private", 0)])
def test_a_key_of_nobody_finds_what_is_shared(alice: User, settings: Any, visibility: str, count: int):
    filled(alice, "lighthouse", 1)
    index_all()
    settings.VISIBILITY = visibility
    client = Client(headers={"X-API-Key": keys.create(service_name="reader", scopes=READ_SCOPES)})
    assert ask(client, "lighthouse")["total_count"] == count


def test_what_is_deleted_is_not_found(alice: User, alices: Client):
    conversation = filled(alice, "lighthouse", 1)
    index_all()
    assert ask(alices, "lighthouse")["total_count"] == 5
    assert alices.delete(f"/api/conversations/{conversation.pk}").status_code == 200
    assert ask(alices, "lighthouse")["total_count"] == 0

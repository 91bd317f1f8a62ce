"""Two members create, delete, restore, import, list and search at random, and time passes: all as a model says."""

import random
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from accounts.models import User
from config.tests.making import make_conversation, make_draft
from conftest import make_user, signed_in
from conversations import services
from conversations.models import Conversation
from conversations.tasks import purge_deleted
from integrations.importers.base import ImportedChat, ImportedMessage
from search.models import SearchChunk
from search.tests.found import hits
from search.tests.index import index_all

SUBJECTS = ["lighthouse", "windmill", "aqueduct", "observatory"]
STEPS = 90


@dataclass
class Expected:
    """A conversation as it should be; `age` is in days since it was deleted, None while it is not."""

    owner: User
    subject: str
    age: float | None = None


class World:
    """The members, and what there should be, by the conversations' ids. Purged ones are in `gone`."""

    def __init__(self, seed: int, visibility: str) -> None:
        self.chance, self.is_private = random.Random(seed), visibility == "private"
        self.people = [make_user(f"member{number}@example.org") for number in range(2)]
        self.clients = {user: signed_in(user) for user in self.people}
        self.rows: dict[int, Expected] = {}
        self.gone: list[int] = []
        self.done: set[str] = set()

    def act(self) -> None:
        deeds = [self.create, self.delete, self.restore, self.import_again, self.pass_time, self.purge, self.index]
        (deed,) = self.chance.choices(deeds, weights=[3, 6, 5, 2, 3, 2, 1])
        deed(self.chance.choice(self.people))

    def shown_to(self, user: User, subject: str = "") -> set[int]:
        return {
            number
            for number, row in self.rows.items()
            if row.age is None and self.is_reached(user, row) and subject in row.subject
        }

    def is_reached(self, user: User, row: Expected) -> bool:
        return row.owner == user or not self.is_private

    def any_id(self) -> int:
        return self.chance.choice([*self.rows, *self.gone[-2:]] or [10**9])

    def create(self, user: User) -> None:
        subject = self.chance.choice(SUBJECTS)
        conversation = make_conversation(user, subject, url=f"https://example.org/{subject}")
        make_draft(conversation, f"The {subject}")
        self.rows[conversation.pk] = Expected(user, subject)

    def delete(self, user: User) -> None:
        number = self.any_id()
        row = self.rows.get(number)
        is_seen = row is not None and number in self.shown_to(user)
        status = 404 if not is_seen else 200 if row and row.owner == user else 403
        assert self.clients[user].delete(f"/api/conversations/{number}").status_code == status
        if row and status == 200:
            row.age = 0
        self.done.add(f"delete {status}")

    def restore(self, user: User) -> None:
        number = self.any_id()
        row = self.rows.get(number)
        if row is None or not self.is_reached(user, row):
            status = 404
        elif row.owner != user:
            status = 403
        else:
            status = 200 if row.age is None or row.age < 30 else 404
        assert self.clients[user].post(f"/api/conversations/{number}/restore").status_code == status
        if row and status == 200:
            row.age = None
        self.done.add(f"restore {status}")

    def import_again(self, user: User) -> None:
        """The newest that is the same chat is found, or there is none."""
        subject = self.chance.choice(SUBJECTS)
        url = f"https://example.org/{subject}"
        chat = ImportedChat("chatgpt", "test/1", subject, (ImportedMessage("user", subject),), source_url=url)
        found = {row.pk for row in services.same_chat(user=user, chat=chat)}
        assert found == self.shown_to(user, subject)
        if not found:
            self.rows[services.create_from_chat(user=user, chat=chat).pk] = Expected(user, subject)
        self.done.add(f"import again {bool(found)}")

    def pass_time(self, _: User) -> None:
        days = self.chance.choice([8, 20, 31])
        for number, row in self.rows.items():
            if row.age is not None:
                row.age += days
                Conversation.objects.filter(pk=number).update(deleted_at=timezone.now() - timedelta(days=row.age))

    def purge(self, _: User) -> None:
        old = [number for number, row in self.rows.items() if row.age is not None and row.age >= 30]
        assert purge_deleted() == len(old)
        for number in old:
            del self.rows[number]
            self.gone.append(number)
        self.done.add(f"purge {bool(old)}")

    def index(self, _: User) -> None:
        index_all()

    def check(self) -> None:
        assert set(Conversation.objects.values_list("pk", flat=True)) == set(self.rows)
        assert set(SearchChunk.objects.values_list("conversation_id", flat=True)) <= set(self.rows)
        for user, client in self.clients.items():
            listed = client.get("/api/conversations?limit=1000").json()["conversations"]
            assert {row["id"] for row in listed} == self.shown_to(user)
            assert len(listed) == len(self.shown_to(user))
            for subject in SUBJECTS:
                found = {hit["conversation_id"] for hit in hits(client, subject, limit=100)}
                assert {number for number in found if self.is_of(number, subject)} == self.shown_to(user, subject)
                assert found <= self.shown_to(user)

    def is_of(self, number: int, subject: str) -> bool:
        return number in self.rows and self.rows[number].subject == subject


@pytest.mark.django_db
@pytest.mark.parametrize("visibility", ["workspace", "private"])
@pytest.mark.parametrize("seed", [1, 2])
def test_what_is_deleted_is_as_the_model_says(settings: Any, seed: int, visibility: str):
    settings.VISIBILITY = visibility
    world = World(seed, visibility)
    for step in range(STEPS):
        world.act()
        if step % 10 == 0:
            world.check()
    world.check()
    assert world.done >= {"delete 200", "delete 404", "restore 200", "restore 404", "import again True", "purge True"}
    assert ("restore 403" in world.done) == (visibility == "workspace")

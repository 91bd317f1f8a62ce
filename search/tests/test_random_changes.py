"""Whatever members do and however indexers fail: in the end the index says what there is, and nothing else."""

import random
import threading
import time
from typing import Any

import pytest
from django.db import connection, transaction

from accounts.models import User
from chat.models import ChatMessage, FileAttachment
from config.tests.making import make_conversation, make_draft, make_turn
from conftest import make_user
from conversations import services as conversations
from conversations.models import Conversation
from drafts import services as drafts
from drafts.models import DraftVersion, ProjectDraft
from integrations.importers.base import ImportedChat, ImportedMessage
from integrations.tests.fake_embeddings import FakeEmbeddings, refused, right
from search import embedding, indexing, outbox
from search.tests.index import attach, held, index_all, make_due, rows, wanted

WORDS = ["lamp", "sea", "tide", "stone", "mirror", "keeper", "boat", "storm", "rope", "oil", "stair", "gull"]


class Members:
    """Does one thing after another, each by chance, as the services do it."""

    def __init__(self, seed: int, user: User) -> None:
        self.chance, self.user = random.Random(seed), user

    def text(self) -> str:
        lengths = [self.chance.randint(1, 60) for _ in range(self.chance.randint(1, 4))]
        return "\n\n".join(" ".join(self.chance.choices(WORDS, k=length)) for length in lengths)

    def pick(self, model: Any) -> Any:
        ids = sorted(model.objects.values_list("pk", flat=True))
        return model.objects.get(pk=self.chance.choice(ids)) if ids else None

    @transaction.atomic
    def act(self) -> None:
        deeds = [self.import_one, self.import_again, self.rename, self.edit, self.activate, self.talk]
        deeds += [self.answer_again, self.upload, self.extract, self.lock, self.delete]
        weights = [3, 3, 1, 3, 2, 4, 2, 2, 3, 1, 1]
        self.chance.choices(deeds, weights)[0]()

    def import_one(self) -> None:
        chat = [{"role": "user", "content": self.text()} for _ in range(self.chance.randint(0, 5))]
        conversation = make_conversation(self.user, " ".join(self.chance.choices(WORDS, k=3)), imported_chat=chat)
        if self.chance.random() < 0.8:
            make_draft(conversation, self.text()[:60])

    def import_again(self) -> None:
        """The end grows or changes, or a message goes."""
        if not (conversation := self.pick(Conversation)):
            return
        said = [message["content"] for message in conversation.imported_chat]
        if said and self.chance.random() < 0.4:
            said.pop(self.chance.randrange(len(said)))
        messages = tuple(ImportedMessage("user", text) for text in [*said, self.text()])
        conversations.replace_chat(conversation=conversation, chat=ImportedChat("chatgpt", "test/1", "T", messages))

    def rename(self) -> None:
        if conversation := self.pick(Conversation):
            Conversation.objects.filter(pk=conversation.pk).update(title=self.text()[:40])

    def edit(self) -> None:
        if draft := self.pick(ProjectDraft):
            drafts.add_version(draft=draft, title=self.text()[:60], description=self.text(), user=self.user)

    def activate(self) -> None:
        if version := self.pick(DraftVersion):
            ProjectDraft.objects.filter(pk=version.project_draft_id).update(active_version=version)

    def talk(self) -> None:
        if draft := self.pick(ProjectDraft):
            make_turn(draft, self.text(), self.text())

    def answer_again(self) -> None:
        if message := self.pick(ChatMessage):
            message.content = self.text()
            message.save()

    def upload(self) -> None:
        if conversation := self.pick(Conversation):
            attach(conversation, self.chance.choice([None, self.text()]), f"{self.chance.random()}.txt")

    def extract(self) -> None:
        if file := self.pick(FileAttachment):
            FileAttachment.objects.filter(pk=file.pk).update(extracted_text=self.text())

    def lock(self) -> None:
        if conversation := self.pick(Conversation):
            Conversation.objects.filter(pk=conversation.pk).update(is_locked=True)

    def delete(self) -> None:
        if conversation := self.pick(Conversation):
            conversation.delete()


class Indexers:
    """Index at odd times, lose claims, die in the middle, and find the embedder away."""

    def __init__(self, seed: int, vendor: FakeEmbeddings) -> None:
        self.chance, self.vendor = random.Random(seed), vendor
        self.dead: list[outbox.Entry] = []

    def act(self) -> None:
        self.chance.choice([self.work, self.work, self.die, self.come_back, self.lose_embedder, self.change_model])()

    def work(self) -> None:
        self.vendor.replies(right())
        make_due()
        indexing.index_due(seconds=0.01)

    def die(self) -> None:
        self.dead += outbox.claim(self.chance.randint(1, 4))

    def come_back(self) -> None:
        """One that was thought dead."""
        indexing.index(self.dead, set())
        self.dead = []

    def lose_embedder(self) -> None:
        self.vendor.replies(refused(401))
        make_due()
        indexing.index_due(seconds=0.01)

    def change_model(self) -> None:
        embedding.switch_if_built()
        if self.chance.random() < 0.2:
            embedding.build(self.chance.choice(["offline/wordllama-256", "openai/a", "openai/b"]))


@pytest.mark.django_db
@pytest.mark.parametrize("seed", range(6))
def test_the_index_says_what_there_is(alice: User, vendor: FakeEmbeddings, settings: Any, seed: int):
    settings.SEARCH_CHUNK_CHARS = dict.fromkeys(settings.SEARCH_CHUNK_CHARS, 200)
    members, indexers = Members(seed, alice), Indexers(seed, vendor)
    for _ in range(60):
        members.act()
        if members.chance.random() < 0.3:
            indexers.act()
    vendor.replies(right())
    index_all()
    assert held() == wanted()
    assert len(held()) > 10
    assert rows("SELECT count(*) FROM search_chunks c JOIN search_embedding_models m ON m.id = c.embedding_model_id "
                "WHERE c.embedding IS NULL AND m.state <> 'retired'") == [(0,)]  # fmt: skip


def test_members_and_several_indexers_at_once(committed: None, settings: Any):
    settings.SEARCH_CHUNK_CHARS = dict.fromkeys(settings.SEARCH_CHUNK_CHARS, 200)
    alice = make_user("alice@example.org")
    over, errors = time.monotonic() + 3, list[BaseException]()

    def work(act: Any) -> None:
        try:
            while time.monotonic() < over:
                act()
        except BaseException as error:
            errors.append(error)
            raise
        finally:
            connection.close()

    def index() -> None:
        indexing.index_due(seconds=0.2)
        outbox.claim(1)  # and never comes back
        with connection.cursor() as cursor:
            cursor.execute(
                "UPDATE search_outbox SET due_at = now(), claimed_until = NULL WHERE (conversation_id, source_type) IN "
                "(SELECT conversation_id, source_type FROM search_outbox LIMIT 3 FOR UPDATE SKIP LOCKED)"
            )

    members = Members(7, alice)
    threads = [threading.Thread(target=work, args=[act]) for act in (members.act, index, index, index)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert errors == []
    index_all()
    assert held() == wanted()
    assert len(held()) > 10

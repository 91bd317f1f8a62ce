"""Deleting, restoring and purging at once, and a purge that is killed: nothing is half done."""

import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone

from accounts.models import User
from chat.models import FileAttachment, StoredObject
from chat.tasks import sweep_objects
from config.env import BASE_DIR
from config.exceptions import DraftloomError
from config.tests.making import make_conversation, make_draft, make_file
from config.tests.stack import Stack, empty_database
from conftest import make_user
from conversations import deletion, services
from conversations.models import Conversation
from drafts.models import DraftVersion
from integrations.storage import file_storage

ROUNDS = 15


@pytest.fixture
def committed(django_db_setup: None, django_db_blocker: Any) -> Iterator[None]:
    """A database in which other threads see what the test writes; all of it goes again."""
    with django_db_blocker.unblock():
        yield
        empty_database()
        connection.close()


def at_once(actions: dict[str, Callable[[], object]]) -> dict[str, object]:
    """What each gave, or the code of its refusal."""
    barrier, outcomes = threading.Barrier(len(actions)), dict[str, object]()

    def act(name: str, action: Callable[[], object]) -> None:
        barrier.wait(10)
        try:
            outcomes[name] = action()
        except DraftloomError as refusal:
            outcomes[name] = refusal.code
        finally:
            connection.close()

    threads = [threading.Thread(target=act, args=pair) for pair in actions.items()]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    return outcomes


def race(user: User, number: int) -> str:
    """Restores and purges a deleted conversation at once; which of the two was done."""
    conversation = make_conversation(user, f"Number {number}")
    make_draft(conversation)
    which: dict[str, Any] = {"user": user, "conversation_id": conversation.pk}
    services.delete(**which)
    later = timezone.now() + timedelta(days=1)
    told = at_once({
        "restore": lambda: deletion.restore(**which),
        "purge": lambda: deletion.purge_all(before=later),
        "purge too": lambda: deletion.purge_all(before=later),
    })  # fmt: skip
    purged = {told["purge"], told["purge too"]}
    if told["restore"] is None:
        assert purged == {0}
        assert Conversation.objects.kept().filter(pk=conversation.pk, project_draft__isnull=False).exists()
        return "restored"
    assert (told["restore"], purged) == ("conversation_not_found", {0, 1})
    assert not Conversation.objects.filter(pk=conversation.pk).exists()
    return "purged"


def test_what_is_restored_and_purged_at_once_is_one_of_the_two(committed: None) -> None:
    user = make_user("alice@example.org")
    done = Counter(race(user, number) for number in range(ROUNDS))
    assert done.total() == ROUNDS
    assert DraftVersion.objects.count() == Conversation.objects.count() == done["restored"]


def test_it_is_deleted_once_by_many_at_once(committed: None) -> None:
    user = make_user("alice@example.org")
    which: dict[str, Any] = {"user": user, "conversation_id": make_conversation(user).pk}
    told = at_once({f"delete {number}": lambda: services.delete(**which).pk for number in range(6)})
    assert Counter(told.values()) == {which["conversation_id"]: 1, "conversation_not_found": 5}


def purge(stack: Stack, **environment: str) -> int:
    """Runs the command that purges everything that is deleted; its exit status."""
    command = [sys.executable, "-m", "django", "purge_deleted", "--older-than", "0"]
    done = subprocess.run(command, cwd=BASE_DIR, env=stack.environment(**environment), capture_output=True, timeout=60)
    return done.returncode


def test_a_purge_that_is_killed_leaves_nothing_half_done(stack: Stack) -> None:
    user = make_user("alice@example.org")
    for number in range(deletion.PURGED_AT_ONCE + 5):
        make_file(make_conversation(user, f"Number {number}"))
        services.delete(user=user, conversation_id=Conversation.objects.latest("pk").pk)
    assert purge(stack, FAILPOINTS="in_purge=1") == -9
    count = deletion.PURGED_AT_ONCE + 5
    assert (Conversation.objects.count(), FileAttachment.objects.count()) == (count, count)
    assert StoredObject.objects.filter(state=StoredObject.State.STORED).count() == 2 * count
    assert purge(stack) == 0
    assert (Conversation.objects.count(), FileAttachment.objects.count()) == (0, 0)
    assert sweep_objects() == 2 * count
    assert list(file_storage().keys()) == []

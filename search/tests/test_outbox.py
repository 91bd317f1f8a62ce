"""Who takes what from the list of what is to be indexed."""

import threading
from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection

from accounts.models import User
from config.tests.making import make_conversation, make_draft
from conftest import make_user
from search import outbox
from search.models import OutboxEntry
from search.outbox import Entry, Scope
from search.tests.index import attach, index_all, make_due, run


def in_threads(count: int, work: Callable[[], object]) -> list[Any]:
    """What `work` returned in each of so many threads that began together."""
    found: list[Any] = []
    gate = threading.Barrier(count)

    def one() -> None:
        gate.wait(10)
        try:
            found.append(work())
        finally:
            connection.close()

    threads = [threading.Thread(target=one) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    return found


def enqueue_elsewhere() -> None:
    outbox.enqueue()
    connection.close()


def entries(user: User, count: int) -> None:
    for number in range(count):
        make_conversation(user, f"Title {number}")


@pytest.mark.django_db
def test_it_gives_each_entry_to_one(alice: User):
    entries(alice, 3)
    first, second = outbox.claim(2), outbox.claim(2)
    assert (len(first), len(second), outbox.claim(2)) == (2, 1, [])
    assert len({entry.conversation_id for entry in first + second}) == 3


@pytest.mark.django_db
def test_it_takes_no_more_than_is_asked_for_however_the_database_joins(alice: User):
    entries(alice, 1)
    run("ANALYZE search_outbox")  # which takes it for a table of one row from now on
    for way in ("hashjoin", "mergejoin", "material", "indexscan", "bitmapscan"):
        run(f"SET LOCAL enable_{way} = off")
    entries(alice, 2)
    assert (len(outbox.claim(2)), len(outbox.claim(2)), outbox.claim(2)) == (2, 1, [])


def test_it_gives_each_entry_to_one_of_many_at_once(committed: None):
    entries(make_user("alice@example.org"), 40)
    found = [entry for batch in in_threads(4, lambda: outbox.claim(10)) for entry in batch]
    assert len(found) == len(set(found)) <= 40
    assert len(found) + len(outbox.claim(100)) == 40


@pytest.mark.django_db
def test_what_has_changed_comes_before_what_was_asked_for(alice: User):
    entries(alice, 2)
    run("UPDATE search_outbox SET is_reindex = true, due_at = due_at - interval '1 hour'")
    changed = make_conversation(alice, "Changed")
    assert [entry.conversation_id for entry in outbox.claim(1)] == [changed.pk]


@pytest.mark.django_db
def test_an_entry_whose_indexer_is_silent_goes_to_another_one(alice: User):
    entries(alice, 1)
    (lost,) = outbox.claim(1)
    run("UPDATE search_outbox SET due_at = now()")
    assert outbox.claim(1) == []
    run("UPDATE search_outbox SET claimed_until = now() - interval '1 second'")
    (taken,) = outbox.claim(1)
    assert taken.fence == lost.fence + 1
    assert (outbox.holds(lost), outbox.holds(taken)) == (False, True)
    outbox.renew([lost])
    outbox.release(lost)
    outbox.finish(lost)
    assert OutboxEntry.objects.get().claimed_until is not None


@pytest.mark.django_db
def test_a_renewed_lease_lasts(alice: User):
    entries(alice, 1)
    (entry,) = outbox.claim(1)
    run("UPDATE search_outbox SET due_at = now(), claimed_until = now() - interval '1 second'")
    outbox.renew([entry])
    assert outbox.claim(1) == []


@pytest.mark.django_db
def test_what_is_finished_is_gone(alice: User):
    entries(alice, 1)
    (entry,) = outbox.claim(1)
    outbox.finish(entry)
    assert not OutboxEntry.objects.exists()


@pytest.mark.django_db
def test_what_has_changed_again_is_due_at_once(alice: User):
    conversation = make_conversation(alice)
    (entry,) = outbox.claim(1)
    conversation.save(update_fields=["title"])
    outbox.finish(entry)
    assert outbox.claim(1) == [Entry(*entry[:2], revision=2, fence=2)]


@pytest.mark.django_db
def test_it_is_released_for_when_its_wait_is_over(alice: User):
    entries(alice, 1)
    (entry,) = outbox.claim(1)
    outbox.release(entry)
    assert outbox.claim(1) == []
    make_due()
    assert len(outbox.claim(1)) == 1


def test_a_change_does_not_wait_for_an_indexer(committed: None):
    """Nor an indexer for a member: what a transaction has noted and not committed is left for later."""
    conversation = make_conversation(make_user("alice@example.org"))
    outbox.claim(1)
    run("BEGIN; UPDATE conversations SET title = 'Another'")
    assert in_threads(1, lambda: outbox.claim(1)) == [[]]
    run("COMMIT")
    make_due()
    assert in_threads(1, lambda: outbox.claim(1)) == [[Entry(conversation.pk, "imported_chat", 2, 2)]]


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("scope", "expected"),
    [
        (Scope(), ["attachment", "imported_chat", "imported_chat", "project_draft"]),
        (Scope(source_type="imported_chat"), ["imported_chat", "imported_chat"]),
        (Scope(conversation_id=1), ["attachment", "imported_chat", "project_draft"]),
        (Scope(1, "attachment"), ["attachment"]),
        (Scope(1, "draft_chat"), []),
        (Scope(conversation_id=99), []),
    ],
)
def test_it_puts_what_exists_on_the_list(alice: User, scope: Scope, expected: list[str]):
    first = make_conversation(alice)
    make_draft(first)
    attach(first, "text")
    attach(first, None)
    make_conversation(alice, "Another")
    run("DELETE FROM search_outbox")
    scope = scope._replace(conversation_id=first.pk if scope.conversation_id == 1 else scope.conversation_id)
    assert outbox.enqueue(scope) == len(expected)
    assert sorted(kind for _, kind in outbox.sources(scope)) == expected
    assert sorted(OutboxEntry.objects.values_list("source_type", flat=True)) == expected
    assert (outbox.waiting(), outbox.left(outbox.clock())) == (len(expected), (len(expected), 0))


@pytest.mark.django_db
def test_it_puts_what_is_only_in_the_index_on_the_list(alice: User):
    conversation = make_conversation(alice)
    make_draft(conversation)
    index_all()
    run("UPDATE project_drafts SET active_version_id = NULL")
    run("DELETE FROM search_outbox")
    assert outbox.sources(Scope(source_type="project_draft")) == [(conversation.pk, "project_draft")]


@pytest.mark.django_db
def test_what_has_changed_stays_ahead_when_all_is_asked_for(alice: User):
    entries(alice, 1)
    (entry,) = outbox.claim(1)
    assert outbox.enqueue() == 1
    row = OutboxEntry.objects.get()
    assert (row.is_reindex, row.revision) == (False, entry.revision + 1)
    assert (outbox.waiting(), outbox.left(outbox.clock())) == (0, (1, 0))


@pytest.mark.django_db
def test_what_comes_later_is_not_waited_for(alice: User):
    then = outbox.clock()
    entries(alice, 1)
    run("UPDATE search_outbox SET changed_at = changed_at + interval '1 second'")
    assert outbox.left(then) == (0, 0)


def test_it_waits_for_a_member_who_is_writing(committed: None):
    make_conversation(make_user("alice@example.org"))
    run("BEGIN; UPDATE conversations SET title = 'Another'")
    other = threading.Thread(target=enqueue_elsewhere)
    other.start()
    other.join(0.5)
    assert other.is_alive()
    run("COMMIT")
    other.join(10)
    assert not other.is_alive()
    assert OutboxEntry.objects.get().revision == 3

"""The states of a run, in the database. Runs of the kind `bulk` are used where other processes could see them: those
that the suite starts leave that kind alone."""

import threading
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone

from accounts.models import User
from config.live import first_seq
from config.tests.making import make_conversation, make_draft, make_run
from config.tests.stack import empty_database
from conftest import make_user
from conversations.models import Conversation, Run
from conversations.runs import lifecycle
from conversations.runs.lifecycle import Ending, Held, LostRun
from drafts.models import DraftVersion
from drafts.services import add_version

PAST = timedelta(seconds=1)
State = Run.State


@pytest.fixture
def committed(django_db_setup: None, django_db_blocker: Any) -> Iterator[None]:
    """A database in which other threads see what the test writes; all of it goes again."""
    with django_db_blocker.unblock():
        yield
        empty_database()
        connection.close()


def queued(user: User, count: int = 1, **fields: Any) -> list[Run]:
    return [make_run(user, state=State.QUEUED, **{"kind": Run.Kind.BULK} | fields) for _ in range(count)]


def claim_one(kind: str = Run.Kind.BULK) -> Run:
    (run,) = lifecycle.claim([kind], 1)
    return run


def lapse(run: Run) -> None:
    Run.objects.filter(pk=run.pk).update(lease_until=timezone.now() - PAST)


def stored(run: Run) -> Run:
    return Run.objects.get(pk=run.pk)


def done(text: str = "All of it", seq: int = 9) -> Ending:
    return Ending(State.DONE, seq, text)


def nothing(_: Run) -> dict[str, Any]:
    return {}


def in_threads(count: int, work: Callable[[], None]) -> None:
    """Does the work in so many threads at once; what they raise is raised here."""
    start, errors = threading.Barrier(count), []

    def call() -> None:
        try:
            start.wait(5)
            work()
        except Exception as error:  # noqa: BLE001 - told to the test, whatever it is
            errors.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=call) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert errors == []


# ── Claiming ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_it_gives_each_run_to_one_of_many_claimers(committed: None) -> None:
    runs = queued(make_user("alice@example.org"), 60)
    claimed: list[Run] = []

    def take_all() -> None:
        while batch := lifecycle.claim([Run.Kind.BULK], 3):
            assert len(batch) <= 3
            claimed.extend(batch)

    in_threads(8, take_all)
    assert sorted(run.id for run in claimed) == sorted(run.id for run in runs)
    assert {(run.state, run.fence, run.tries) for run in Run.objects.all()} == {("running", 1, 1)}


def test_it_takes_the_oldest_first_and_no_more_than_asked(alice: User) -> None:
    first, second, third = queued(alice, 3)
    assert {run.id for run in lifecycle.claim([Run.Kind.BULK], 2)} == {first.id, second.id}
    assert {run.id for run in lifecycle.claim([Run.Kind.BULK], 2)} == {third.id}


def test_it_takes_only_the_kinds_asked_for(alice: User) -> None:
    queued(alice)
    assert lifecycle.claim([Run.Kind.CHAT_TURN, Run.Kind.IMPORT], 5) == []
    assert lifecycle.claim([], 5) == []


@pytest.mark.parametrize("state", [State.WAITING, State.DONE, State.FAILED, State.CANCELLED])
def test_it_leaves_alone_what_nobody_need_work_on(alice: User, state: str) -> None:
    make_run(alice, kind=Run.Kind.BULK, state=state, lease_until=timezone.now() - PAST)
    assert lifecycle.claim([Run.Kind.BULK], 5) == []


def test_it_leaves_a_run_alone_while_its_lease_lasts(alice: User) -> None:
    queued(alice)
    run = claim_one()
    assert run.lease_until and run.lease_until > timezone.now()
    assert lifecycle.claim([Run.Kind.BULK], 5) == []


def test_it_gives_a_run_whose_lease_has_lapsed_to_another_with_a_greater_fence(alice: User) -> None:
    queued(alice)
    ghost = claim_one()
    lapse(ghost)
    owner = claim_one()
    assert (owner.id, owner.fence, owner.tries) == (ghost.id, ghost.fence + 1, 2)
    assert owner.started_at == stored(ghost).started_at == ghost.started_at


def test_it_gives_a_run_back(alice: User) -> None:
    queued(alice)
    run = claim_one()
    lifecycle.release(run)
    again = claim_one()
    assert (again.id, again.fence, again.tries) == (run.id, 2, 1)
    lifecycle.release(run)
    assert stored(run).state == State.RUNNING


# ── Owners and ghosts ─────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def ghost(alice: User) -> Run:
    """A run as its first owner knows it, of which a second owner has written something."""
    queued(alice, conversation=make_conversation(alice))
    ghost = claim_one()
    lapse(ghost)
    owner = claim_one()
    lifecycle.checkpoint(owner, stored="by the owner")
    lifecycle.keep([Held(owner.id, owner.fence, "By the owner", first_seq(2) + 1)])
    return ghost


def test_a_ghost_keeps_nothing(ghost: Run) -> None:
    before = stored(ghost)
    assert lifecycle.keep([Held(ghost.id, ghost.fence, "By a ghost", 99)]) == {}
    after = stored(ghost)
    assert (after.partial, after.event_seq, after.lease_until) == ("By the owner", first_seq(2) + 1, before.lease_until)


def test_a_ghost_stores_no_checkpoint(ghost: Run) -> None:
    with pytest.raises(LostRun):
        lifecycle.checkpoint(ghost, stored="by a ghost")
    assert stored(ghost).step == {"stored": "by the owner"}


def test_a_ghost_finishes_nothing(ghost: Run) -> None:
    with pytest.raises(LostRun):
        lifecycle.finish(ghost, done(), lambda run: pytest.fail("a ghost was asked to write"))
    assert stored(ghost).state == State.RUNNING


def test_nobody_finishes_a_run_twice(alice: User) -> None:
    queued(alice)
    run = claim_one()
    lifecycle.finish(run, done("First"), nothing)
    for late in (done("Second"), Ending(State.CANCELLED, 10, "Second")):
        with pytest.raises(LostRun):
            lifecycle.finish(run, late, nothing)
    assert (stored(run).state, stored(run).partial) == (State.DONE, "First")


def test_it_loses_a_run_whose_conversation_was_deleted(alice: User) -> None:
    queued(alice, conversation=make_conversation(alice))
    run = claim_one()
    Conversation.objects.all().delete()
    with pytest.raises(LostRun):
        lifecycle.finish(run, done(), nothing)
    assert lifecycle.keep([Held(run.id, run.fence, "text", 1)]) == {}


def test_only_one_of_many_that_finish_at_once_writes(committed: None) -> None:
    user = make_user("alice@example.org")
    draft = make_draft(make_conversation(user))
    queued(user, conversation=draft.conversation)
    run, outcomes = claim_one(), []

    def write(row: Run) -> dict[str, Any]:
        return {"version": add_version(draft=draft, title="By a run", description="D", user=user, run=row).pk}

    def finish() -> None:
        try:
            lifecycle.finish(run, done(), write)
            outcomes.append("finished")
        except LostRun:
            outcomes.append("lost")

    in_threads(6, finish)
    assert sorted(outcomes) == ["finished", *["lost"] * 5]
    assert DraftVersion.objects.filter(run=run).count() == 1


def test_it_keeps_texts_and_leases_of_many_runs_at_once(alice: User) -> None:
    queued(alice, 3)
    first, second, third = lifecycle.claim([Run.Kind.BULK], 3)
    Run.objects.filter(pk=second.pk).update(cancel_requested=True, partial="Before")
    held = [
        Held(first.id, first.fence, "Grown \U0001f5fc 'quoted', {braces}, \\N", 5),
        Held(second.id, second.fence, None, 6),
        Held(third.id, third.fence + 1, "Not mine", 7),
    ]
    lapse(first)
    assert lifecycle.keep(held) == {first.id: False, second.id: True}
    assert [(row.partial, row.event_seq) for row in (stored(first), stored(second), stored(third))] == [
        ("Grown \U0001f5fc 'quoted', {braces}, \\N", 5),
        ("Before", 6),
        ("", 0),
    ]
    assert stored(first).lease_until > timezone.now()  # type: ignore[operator]
    assert lifecycle.keep([]) == {}


def test_progress_makes_the_tries_begin_anew(alice: User) -> None:
    queued(alice)
    run = claim_one()
    lifecycle.checkpoint(run, first=1)
    lifecycle.checkpoint(run, second=2)
    assert (stored(run).tries, stored(run).step) == (0, {"first": 1, "second": 2})


# ── Ending ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_it_ends_a_run_with_what_it_wrote(alice: User) -> None:
    queued(alice)
    run = claim_one()
    ending = Ending(State.FAILED, 12, "Half", error_code="empty_output", message="Nothing.", retryable=True, usage={})
    row = lifecycle.finish(run, ending, lambda _: {"kept": 1})
    assert row == stored(run)
    assert (row.state, row.partial, row.event_seq, row.error_code) == (State.FAILED, "Half", 12, "empty_output")
    assert row.result == {"kept": 1, "message": "Nothing.", "retryable": True}
    assert row.lease_until is None and row.finished_at is not None


def test_it_stays_as_it_was_when_its_last_write_fails(alice: User) -> None:
    draft = make_draft(make_conversation(alice))
    queued(alice, conversation=draft.conversation)
    run = claim_one()

    def write(row: Run) -> dict[str, Any]:
        add_version(draft=draft, title="Half", description="D", user=alice, run=row)
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        lifecycle.finish(run, done(), write)
    assert (stored(run).state, stored(run).finished_at, stored(run).result) == (State.RUNNING, None, {})
    assert DraftVersion.objects.count() == 1
    lifecycle.finish(run, done(), nothing)

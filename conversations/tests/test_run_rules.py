import threading
from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction

from accounts.models import User
from chat.models import ChatMessage
from config.exceptions import Conflict
from config.live import first_seq
from config.tests.making import make_conversation, make_draft, make_run, make_turn
from config.tests.stack import Stack, chat_path, said, wait_until
from conversations.models import Conversation, Run
from conversations.runs import lifecycle
from conversations.runs.lifecycle import Ending

State, Kind = Run.State, Run.Kind
OVER = (State.DONE, State.FAILED, State.CANCELLED)


@pytest.fixture
def conversation(alice: User) -> Conversation:
    return make_conversation(alice)


# ── One at a time ─────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("first", Run.ACTIVE)
@pytest.mark.parametrize(
    ("kinds", "constraint"),
    [
        ((Kind.CHAT_TURN, Kind.CHAT_TURN), "runs_one_active_chat_turn"),
        ((Kind.IMPORT, Kind.GENERATE), "runs_one_active_generation"),
        ((Kind.GENERATE, Kind.GENERATE), "runs_one_active_generation"),
    ],
)
def test_the_database_takes_no_second_active_run_of_a_sort(
    alice: User, conversation: Conversation, first: str, kinds: tuple[str, str], constraint: str
) -> None:
    run = make_run(alice, conversation, kind=kinds[0], state=first)
    with pytest.raises(IntegrityError, match=constraint), transaction.atomic():
        make_run(alice, conversation, kind=kinds[1], state=State.QUEUED)
    with pytest.raises(Conflict) as refusal:
        lifecycle.start_run(kind=kinds[1], user=alice, payload={}, conversation=conversation)
    code = "approval_pending" if first == State.WAITING else "run_in_progress"
    assert (refusal.value.code, refusal.value.extra) == (code, {"run_id": str(run.id)})


@pytest.mark.parametrize("state", OVER)
def test_a_run_that_is_over_stands_in_nobodys_way(alice: User, conversation: Conversation, state: str) -> None:
    make_run(alice, conversation, state=state)
    run = lifecycle.start_run(kind=Kind.CHAT_TURN, user=alice, payload={"a": 1}, conversation=conversation)
    assert (run.state, run.fence, run.tries, run.payload) == (State.QUEUED, 0, 0, {"a": 1})


def test_a_chat_turn_and_a_generation_may_go_on_at_once(alice: User, conversation: Conversation) -> None:
    make_run(alice, conversation, state=State.RUNNING)
    lifecycle.start_run(kind=Kind.GENERATE, user=alice, payload={}, conversation=conversation)
    lifecycle.start_run(kind=Kind.CHAT_TURN, user=alice, payload={}, conversation=make_conversation(alice))
    assert Run.objects.active().count() == 3


@pytest.mark.parametrize("fields", [{"state": "paused"}, {"kind": "dance"}, {"state": ""}])
def test_the_database_knows_the_states_and_kinds(alice: User, fields: dict[str, Any]) -> None:
    with pytest.raises(IntegrityError), transaction.atomic():
        make_run(alice, **fields)


def test_it_queues_nothing_unless_the_caller_commits(alice: User, conversation: Conversation) -> None:
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        lifecycle.start_run(kind=Kind.CHAT_TURN, user=alice, payload={}, conversation=conversation)
        raise ZeroDivisionError
    assert not Run.objects.exists()


# ── Cancelling ────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_it_cancels_a_run_that_nobody_has_begun(alice: User, conversation: Conversation) -> None:
    run = make_turn(make_draft(conversation), "A question", state=State.QUEUED)
    row = lifecycle.cancel(run=run)
    assert (row.state, row.partial, row.event_seq) == (State.CANCELLED, "", 1)
    assert row.finished_at
    assert not ChatMessage.objects.filter(role="assistant").exists()
    assert lifecycle.claim([Kind.CHAT_TURN], 1) == []


def test_it_keeps_what_was_written_before_a_run_that_waits_was_cancelled(
    alice: User, conversation: Conversation
) -> None:
    run = make_turn(make_draft(conversation), "A question", state=State.WAITING, partial="So far", fence=2,
                    event_seq=first_seq(2) + 7)  # fmt: skip
    row = lifecycle.cancel(run=run)
    assert (row.state, row.event_seq) == (State.CANCELLED, first_seq(2) + 8)
    assert ChatMessage.objects.get(role="assistant").content == "So far"


def test_it_asks_the_owner_of_a_running_run_to_stop(alice: User, conversation: Conversation) -> None:
    run = make_run(alice, conversation, state=State.RUNNING, fence=1)
    for _ in range(2):
        row = lifecycle.cancel(run=run)
        assert (row.state, row.cancel_requested, row.finished_at) == (State.RUNNING, True, None)
    row = lifecycle.finish(run, Ending(State.DONE, 3, ""), lambda _: {})
    assert row.state == State.DONE


@pytest.mark.parametrize("state", OVER)
def test_it_leaves_a_run_that_is_over_as_it_is(alice: User, conversation: Conversation, state: str) -> None:
    run = make_run(alice, conversation, state=state, event_seq=3, partial="All")
    row = lifecycle.cancel(run=run)
    assert (row.state, row.cancel_requested, row.event_seq, row.partial) == (state, False, 3, "All")


# ── With a runner ─────────────────────────────────────────────────────────────────────────────────────────────────────


def test_it_gives_up_on_a_run_that_was_tried_too_often(stack: Stack) -> None:
    alice = stack.client()
    conversation = alice.imported()
    stack.kill("runner")
    with alice.opened("POST", chat_path(conversation), json=said("Hello")) as (_, events):
        Run.objects.filter(state=State.QUEUED).update(tries=lifecycle.MAX_TRIES)
        stack.outside.requests.clear()
        stack.start_runner()
        told = list(events)
    assert (told[-1]["type"], told[-1]["code"], told[-1]["retryable"]) == ("error", "attempts_exhausted", True)
    assert stack.outside.requests == []
    assert alice.chat(conversation, "Hello again")[-1]["type"] == "done"


def test_it_goes_on_where_its_dead_owner_left_a_cancel(stack: Stack) -> None:
    """A cancel that was stored while the run's owner died is done by the next one."""
    alice = stack.client()
    conversation = alice.imported()
    with alice.opened("POST", chat_path(conversation), json=said("Hello [[hang]]")) as (response, events):
        while next(events)["type"] != "content":
            pass
    run_id = response.headers["x-run-id"]
    stack.kill("runner")
    assert alice.post(f"/api/runs/{run_id}/cancel").json()["state"] == "running"
    stack.start_runner()
    wait_until(lambda: alice.get(f"/api/runs/{run_id}").json()["state"] == "cancelled")
    assert alice.watch(run_id)[-1]["type"] == "cancelled"


def test_one_of_many_that_start_at_once_is_let_in(stack: Stack) -> None:
    user = User.objects.get(pk=stack.client().get("/api/auth/me").json()["id"])
    conversation = make_conversation(user)
    barrier, outcomes = threading.Barrier(8), []

    def start() -> None:
        barrier.wait(5)
        try:
            with transaction.atomic():
                Conversation.objects.select_for_update(no_key=True).get(pk=conversation.pk)
                lifecycle.start_run(kind=Kind.CHAT_TURN, user=user, payload={}, conversation=conversation)
                outcomes.append("started")
        except Conflict as refusal:
            outcomes.append(refusal.code)
        finally:
            connection.close()

    stack.kill("runner")
    threads = [threading.Thread(target=start) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert sorted(outcomes) == [*["run_in_progress"] * 7, "started"]


def test_a_conversation_may_be_deleted_while_it_is_being_worked_on(stack: Stack) -> None:
    alice = stack.client()
    conversation = alice.imported()
    question = said("Hello [[words=900 delay_ms=10]]")
    with alice.opened("POST", chat_path(conversation), json=question) as (_, events):
        while next(events)["type"] != "content":
            pass
        assert alice.http.delete(f"/api/conversations/{conversation}").status_code == 200
        wait_until(lambda: stack.outside.open_streams == 0, 4)
        assert len(list(events)) < 900
    assert Run.objects.get(kind=Kind.CHAT_TURN).state == Run.State.CANCELLED
    assert alice.get(f"/api/conversations/{conversation}").status_code == 404
    other = alice.imported()
    assert alice.chat(other, "Hello")[-1]["type"] == "done"

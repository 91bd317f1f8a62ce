"""Runs that end in unusual ways: given up, cancelled while nobody worked on them, deleted under a watcher."""

from datetime import timedelta
from typing import Any

from django.utils import timezone

from config.tests.stack import Stack, chat_path, said, text_of, wait_until
from conversations import services
from conversations.models import Run
from conversations.runs.lifecycle import MAX_TRIES

SLOW = "Hello [[words=400 delay_ms=10]]"


def begin(stack: Stack, conversation: int) -> tuple[str, list[dict[str, Any]]]:
    """Starts an answer, waits until some of it is stored, and kills the runner."""
    alice = stack.client()
    with alice.opened("POST", chat_path(conversation), json=said(SLOW)) as (response, events):
        seen = [next(events) for _ in range(6)]
        run_id = response.headers["x-run-id"]
        wait_until(lambda: Run.objects.get(pk=run_id).partial)
        stack.kill("runner")
    return run_id, seen


def test_it_gives_up_a_run_that_kills_its_runners_and_keeps_what_was_shown(stack: Stack) -> None:
    alice = stack.client()
    conversation = alice.imported()
    run_id, _ = begin(stack, conversation)
    Run.objects.filter(pk=run_id).update(tries=MAX_TRIES)
    partial = Run.objects.get(pk=run_id).partial
    stack.start_runner()
    last = alice.watch(run_id)[-1]
    assert (last["type"], last["code"], last["partial"]) == ("error", "attempts_exhausted", True)
    assert alice.history(conversation)[1]["content"] == partial


def test_it_cancels_a_run_whose_runner_is_dead_without_executing_it_again(stack: Stack) -> None:
    alice = stack.client()
    conversation = alice.imported()
    run_id, _ = begin(stack, conversation)
    asked = len(stack.outside.requests)
    assert alice.post(f"/api/runs/{run_id}/cancel").json()["state"] == "running"
    partial = Run.objects.get(pk=run_id).partial
    stack.start_runner()
    assert alice.watch(run_id)[-1]["type"] == "cancelled"
    assert alice.history(conversation)[1]["content"] == partial
    assert len(stack.outside.requests) == asked


def test_it_ends_the_stream_of_a_conversation_that_is_deleted(stack: Stack) -> None:
    alice = stack.client()
    conversation = alice.imported()
    with alice.opened("POST", chat_path(conversation), json=said(SLOW)) as (response, events):
        seen = [next(events) for _ in range(4)]
        assert alice.http.delete(f"/api/conversations/{conversation}").status_code == 200
        seen += list(events)
    assert len(text_of(seen).split()) < 400
    assert (seen[-1]["type"], seen[-1]["code"]) == ("error", "run_gone")
    assert alice.get(f"/api/runs/{response.headers['x-run-id']}").status_code == 404
    wait_until(lambda: stack.outside.open_streams == 0, 5)


def test_it_trims_old_runs_and_leaves_new_ones(stack: Stack) -> None:
    alice = stack.client()
    conversation = alice.imported()
    alice.chat(conversation, "Hello")
    old, new = Run.objects.order_by("created_at")
    Run.objects.filter(pk=old.pk).update(finished_at=timezone.now() - timedelta(days=8))
    assert services.trim_finished_runs() == 1
    assert not Run.objects.get(pk=old.pk).partial
    assert Run.objects.get(pk=new.pk).partial

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from chat import approvals
from config.tests.stack import Member, Stack, chat_path, said, text_of
from conversations.models import Run
from drafts.models import DraftVersion
from drafts.services import PLACEHOLDER_TITLE

RING = "Please ring the bell"


def ask(member: Member, conversation: int, message: str = RING) -> tuple[str, list[dict[str, Any]]]:
    """Says something that makes the model call the tool, and leaves when the run asks for approval."""
    seen: list[dict[str, Any]] = []
    with member.opened("POST", chat_path(conversation), json=said(message)) as (response, events):
        for event in events:
            seen.append(event)
            if event["type"] == "approval_required":
                break
        return response.headers["x-run-id"], seen


def titles(member: Member, conversation: int) -> list[str]:
    return [version["title"] for version in member.versions(conversation)]


def decide(member: Member, run_id: str, approve: bool) -> Any:
    return member.post(f"/api/runs/{run_id}/approve", {"approve": approve})


def test_it_asks_with_the_exact_call_and_version_and_does_nothing_before(stack: Stack) -> None:
    alice = stack.client()
    conversation = alice.imported()
    run_id, seen = ask(alice, conversation)
    version = alice.versions(conversation)[0]["version_id"]
    asked = {"run_id": run_id, "tool": "ring_the_bell", "arguments": {"times": 3}, "draft_version_id": version}
    assert seen[-1] | asked == seen[-1]
    run = alice.get(f"/api/runs/{run_id}").json()
    assert run["state"] == "waiting"
    assert run["approval"] == {name: value for name, value in asked.items() if name != "run_id"}
    assert titles(alice, conversation) == ["Made up"]


def test_it_goes_on_in_the_same_stream_when_it_is_approved(stack: Stack) -> None:
    alice = stack.client()
    conversation = alice.imported()
    with alice.opened("POST", chat_path(conversation), json=said(RING)) as (response, events):
        seen = [next(events)]
        while seen[-1]["type"] != "approval_required":
            seen.append(next(events))
        assert decide(stack.client(), response.headers["x-run-id"], True).status_code == 200
        seen += list(events)
    assert seen[-1]["type"] == "done"
    assert text_of(seen) == alice.history(conversation)[1]["content"] == seen[-1]["response"]["message"]["content"]
    assert titles(alice, conversation) == ["Rung 3 times", "Made up"]
    assert [event["status"] for event in seen if event["type"] == "tool_call"][-1] == "succeeded"


def test_it_goes_on_without_the_call_when_it_is_refused(stack: Stack) -> None:
    alice = stack.client()
    conversation = alice.imported()
    run_id, seen = ask(alice, conversation)
    assert decide(alice, run_id, False).status_code == 200
    rest = alice.watch(run_id, headers={"Last-Event-ID": seen[-1]["event_id"]})
    assert rest[-1]["type"] == "done"
    assert titles(alice, conversation) == ["Made up"]
    told = stack.outside.requests[-1]["messages"][-1]
    assert (told["role"], "did not allow" in told["content"]) == ("tool", True)


def test_it_asks_anew_when_the_draft_has_changed_meanwhile(stack: Stack) -> None:
    alice = stack.client()
    conversation = alice.imported()
    run_id, seen = ask(alice, conversation)
    alice.patch(f"/api/conversations/{conversation}/project-draft", {"title": "By hand", "description": "Mine"})
    answer = decide(alice, run_id, True)
    assert (answer.status_code, answer.json()["code"]) == (409, "draft_changed")
    with alice.opened("GET", f"/api/runs/{run_id}/events", headers={"Last-Event-ID": seen[-1]["event_id"]}) as (
        _,
        events,
    ):
        again = next(event for event in events if event["type"] == "approval_required")
    assert again["draft_version_id"] == alice.versions(conversation)[0]["version_id"] != seen[-1]["draft_version_id"]
    assert titles(alice, conversation) == ["By hand", "Made up"]
    assert decide(alice, run_id, True).status_code == 200
    assert alice.watch(run_id)[-1]["type"] == "done"
    assert titles(alice, conversation) == ["Rung 3 times", "By hand", "Made up"]


def test_it_asks_anew_when_the_placeholder_that_was_shown_has_been_filled(stack: Stack) -> None:
    """That keeps its id: who approved then would approve a draft that nobody has seen."""
    alice = stack.client()
    conversation = alice.imported()
    version = DraftVersion.objects.filter(project_draft__conversation=conversation)
    version.update(title=PLACEHOLDER_TITLE, is_manual_edit=False)
    run_id, seen = ask(alice, conversation)
    assert seen[-1]["draft_version_id"] is None
    version.update(title="Written meanwhile")
    answer = decide(alice, run_id, True)
    assert (answer.status_code, answer.json()["code"]) == (409, "draft_changed")
    assert titles(alice, conversation) == ["Written meanwhile"]


def test_it_waits_through_restarts_and_shows_the_question_without_the_log(stack: Stack) -> None:
    alice = stack.client()
    conversation = alice.imported()
    run_id, seen = ask(alice, conversation)
    stack.kill("runner")
    stack.kill("web")
    stack.forget_log(run_id)
    stack.start()
    with alice.opened("GET", f"/api/runs/{run_id}/events") as (_, events):
        again = next(event for event in events if event["type"] == "approval_required")
    assert again["arguments"] == {"times": 3}
    decide(alice, run_id, True)
    events_to_the_end = alice.watch(run_id)
    assert events_to_the_end[-1]["type"] == "done"
    assert len([title for title in titles(alice, conversation) if title.startswith("Rung")]) == 1


def test_it_refuses_a_message_while_it_waits(stack: Stack) -> None:
    alice = stack.client()
    conversation = alice.imported()
    run_id, _ = ask(alice, conversation)
    answer = alice.post(chat_path(conversation), said("Something else"))
    assert (answer.status_code, answer.json()["code"]) == (409, "approval_pending")
    assert answer.json()["run_id"] == run_id


def test_it_can_be_cancelled_while_it_waits(stack: Stack) -> None:
    alice = stack.client()
    conversation = alice.imported()
    with alice.opened("POST", chat_path(conversation), json=said(RING)) as (response, events):
        seen = [next(events)]
        while seen[-1]["type"] != "approval_required":
            seen.append(next(events))
        alice.post(f"/api/runs/{response.headers['x-run-id']}/cancel")
        assert [event["type"] for event in events] == ["cancelled"]
    assert alice.history(conversation)[1]["content"] == text_of(seen)
    assert decide(alice, response.headers["x-run-id"], True).json()["code"] == "not_waiting"


def test_it_expires_after_a_day(stack: Stack) -> None:
    alice = stack.client()
    conversation = alice.imported()
    run_id, _ = ask(alice, conversation)
    assert approvals.expire() == 0
    Run.objects.filter(pk=run_id).update(waiting_since=timezone.now() - timedelta(days=1, seconds=1))
    assert approvals.expire() == 1
    assert alice.watch(run_id)[-1]["code"] == "approval_expired"
    assert titles(alice, conversation) == ["Made up"]


@pytest.mark.parametrize("body", [{}, {"approve": "yes"}, {"approve": 1}, []])
def test_it_takes_only_a_clear_decision(stack: Stack, body: Any) -> None:
    alice = stack.client()
    run_id, _ = ask(alice, alice.imported())
    assert alice.post(f"/api/runs/{run_id}/approve", body).status_code == 422
    assert alice.get(f"/api/runs/{run_id}").json()["state"] == "waiting"


def test_it_takes_no_decision_on_a_run_that_does_not_wait(stack: Stack) -> None:
    alice = stack.client()
    run_id = alice.chat(alice.imported(), "Hello")[0]["run_id"]
    assert decide(alice, run_id, True).status_code == 409

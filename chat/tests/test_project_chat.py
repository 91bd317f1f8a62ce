"""A project from the chat and by the button, with real processes, real kills, and a Linear that has one world."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from django.db import connections
from django.utils import timezone

from config.tests.stack import Member, Stack, chat_path, said, text_of, wait_until
from conversations.models import Conversation, Run
from drafts import project_creation
from drafts.models import LinearProjectRequest, Project
from integrations.tests.fake_linear import KEY, TEAM_KEY

ASK = "Please create the project"


def ask(member: Member, conversation: int) -> str:
    """Says something that makes the model call the tool, and leaves when the run asks for approval."""
    with member.opened("POST", chat_path(conversation), json=said(ASK)) as (response, events):
        for event in events:
            if event["type"] == "approval_required":
                break
        return response.headers["x-run-id"]


def approve(member: Member, run_id: str) -> None:
    assert member.post(f"/api/runs/{run_id}/approve", {"approve": True}).status_code == 200


def check_one_each(stack: Stack, *conversations: int) -> None:
    """One project for each conversation, there and here, and each conversation locked."""
    projects = Project.objects.filter(conversation__in=conversations)
    assert {row.linear_project_id for row in projects} == set(stack.outside.linear.projects)
    assert {row.conversation_id for row in projects} == set(conversations)
    assert Conversation.objects.filter(pk__in=conversations, is_locked=True).count() == len(conversations)


@contextmanager
def dying_at(stack: Stack, process: str, name: str) -> Iterator[None]:
    """The process is killed whenever it gets to the fail-point, and started again without one at the end."""
    stack.kill(process)
    stack.more_environment = {"FAILPOINTS": f"{name}=1"}
    stack.start()
    stack.more_environment = {}
    yield
    stack.wait_for_exit(process)
    stack.start()


def test_it_creates_the_project_when_it_is_approved(stack: Stack) -> None:
    alice = stack.client()
    conversation = alice.imported()
    run_id = ask(alice, conversation)
    assert stack.outside.linear.operations == []
    approve(alice, run_id)
    events = alice.watch(run_id)
    url = Project.objects.get().linear_url
    seen = [event["type"] for event in events]
    assert seen[-1] == "done"
    assert next(event for event in events if event["type"] == "conversation_locked")["linear_url"] == url
    assert "creating_linear_project" in [event.get("status") for event in events]
    assert [event["status"] for event in events if event["type"] == "tool_call"][-2:] == ["started", "succeeded"]
    said_at_last = f"I created the project “Made up” in Linear: {url}"
    assert text_of(events).endswith(said_at_last)
    assert alice.history(conversation)[1]["content"] == text_of(events)
    check_one_each(stack, conversation)
    assert len(stack.outside.requests) == 2  # the draft, and the one answer: it is not asked what it thinks of it


def test_it_says_so_when_the_model_says_nothing(stack: Stack) -> None:
    alice = stack.client()
    conversation = alice.imported()
    with alice.opened("POST", chat_path(conversation), json=said(f"{ASK} [[empty]]")) as (response, events):
        for event in events:
            if event["type"] == "approval_required":
                approve(stack.client(), response.headers["x-run-id"])
            last = event
    assert last["type"] == "done"
    assert last["response"]["message"]["content"].startswith("I created the project “Made up” in Linear: https://")


@pytest.mark.parametrize("point", ["before_linear", "after_linear", "after_tool"])
def test_it_creates_one_project_though_the_runner_is_killed(stack: Stack, point: str) -> None:
    alice = stack.client()
    conversation = alice.imported()
    run_id = ask(alice, conversation)
    with dying_at(stack, "runner", point):
        approve(alice, run_id)
    events = alice.watch(run_id)
    assert events[-1]["type"] == "done"
    check_one_each(stack, conversation)
    assert "I created the project" in alice.history(conversation)[1]["content"]


def test_it_finishes_what_a_killed_web_process_began(stack: Stack, settings: Any) -> None:
    alice = stack.client()
    conversation = alice.imported()
    with dying_at(stack, "web", "after_linear"), pytest.raises(Exception, match="disconnected|reset"):
        alice.post(f"/api/conversations/{conversation}/project", {"title": "T", "description": "D"})
    assert LinearProjectRequest.objects.get().state == "pending"
    settings.LINEAR_ACCESS_KEY, settings.LINEAR_TEAM_KEY = KEY, TEAM_KEY
    settings.LINEAR_API_URL = f"{stack.outside.share_url}/graphql"
    LinearProjectRequest.objects.update(check_at=timezone.now())
    assert project_creation.settle_due() == 1
    check_one_each(stack, conversation)
    answer = alice.post(f"/api/conversations/{conversation}/project", {"title": "T", "description": "D"})
    assert answer.json()["code"] == "conversation_locked"


def test_it_is_created_once_by_twenty_and_the_tool_at_the_same_time(stack: Stack) -> None:
    alice = stack.client()
    conversation = alice.imported()
    run_id = ask(alice, conversation)
    stack.outside.linear.faults = ["slow_after"]
    members = [stack.client() for _ in range(20)]
    start = threading.Barrier(21)
    answers: list[Any] = []

    def press(member: Member) -> None:
        start.wait()
        body = {"title": "By the button", "description": "D"}
        answers.append(member.post(f"/api/conversations/{conversation}/project", body))

    def allow() -> None:
        start.wait()
        answers.append(alice.post(f"/api/runs/{run_id}/approve", {"approve": True}))

    threads = [threading.Thread(target=press, args=[member]) for member in members] + [threading.Thread(target=allow)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    wait_until(lambda: Run.objects.get(pk=run_id).state in {Run.State.DONE, Run.State.CANCELLED})
    check_one_each(stack, conversation)
    refused = [answer.json()["code"] for answer in answers if answer.status_code != 200]
    assert set(refused) <= {"conversation_locked", "project_in_progress", "not_waiting"}
    assert all(answer.status_code in {200, 409} for answer in answers)
    created = [answer for answer in answers if answer.status_code == 200 and "project" in answer.json()]
    by_the_tool = "I created" in str(alice.history(conversation))
    assert len(created) + by_the_tool == 1


def test_it_holds_no_lock_while_linear_thinks(stack: Stack) -> None:
    alice = stack.client()
    conversation = alice.imported()
    stack.outside.linear.faults = ["slow_after"]
    stack.outside.linear.slow_seconds = 1.5
    body = {"title": "T", "description": "D"}
    asking = threading.Thread(target=alice.post, args=[f"/api/conversations/{conversation}/project", body])
    asking.start()
    wait_until(lambda: stack.outside.linear.projects)
    with connections["default"].cursor() as cursor:
        cursor.execute("SELECT id FROM conversations WHERE id = %s FOR UPDATE NOWAIT", [conversation])
        cursor.execute("SELECT id FROM linear_project_requests FOR UPDATE NOWAIT")
        cursor.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND state LIKE 'idle in%'"
            " AND pid <> pg_backend_pid()"
        )
        assert cursor.fetchone() == (0,)
    assert not Project.objects.exists()
    asking.join(20)
    check_one_each(stack, conversation)


def test_it_may_be_stopped_while_it_waits_and_then_creates_nothing(stack: Stack) -> None:
    alice = stack.client()
    conversation = alice.imported()
    run_id = ask(alice, conversation)
    alice.post(f"/api/runs/{run_id}/cancel")
    assert alice.watch(run_id)[-1]["type"] == "cancelled"
    assert stack.outside.linear.projects == {}

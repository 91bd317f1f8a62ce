"""A runner that dies at a fail-point: the next one goes on, and does nothing a second time."""

import signal
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from config.env import BASE_DIR
from config.tests.stack import Member, Stack, chat_path, said, text_of
from drafts.services import PLACEHOLDER_TITLE

SECONDS = 60


@pytest.fixture
def mortal(stack: Stack) -> Iterator[Any]:
    """`mortal("after_tool")` puts a runner that dies at this point in the place of the one there is."""
    started: list[subprocess.Popen[bytes]] = []

    def start(point: str) -> subprocess.Popen[bytes]:
        stack.kill("runner")
        environment = stack.environment(FAILPOINTS=f"{point}=1")
        started.append(subprocess.Popen([sys.executable, "manage.py", "runner"], cwd=BASE_DIR, env=environment))
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.wait(SECONDS)
    stack.start_runner()


def dies(process: subprocess.Popen[bytes]) -> bool:
    return process.wait(SECONDS) == -signal.SIGKILL


def titles(member: Member, conversation: int) -> list[str]:
    return [version["title"] for version in member.versions(conversation)]


def test_it_asks_no_second_time_for_a_call_that_was_allowed_and_took_effect(stack: Stack, mortal: Any) -> None:
    alice = stack.client()
    conversation = alice.imported()
    with alice.opened("POST", chat_path(conversation), json=said("Please ring the bell")) as (response, events):
        seen = [next(events)]
        while seen[-1]["type"] != "approval_required":
            seen.append(next(events))
        doomed = mortal("after_tool")
        assert alice.post(f"/api/runs/{response.headers['x-run-id']}/approve", {"approve": True}).status_code == 200
        assert dies(doomed)
        assert titles(alice, conversation) == ["Rung 3 times", "Made up"]
        stack.start_runner()
        seen += list(events)
    assert [event["type"] for event in seen].count("approval_required") == 1
    assert seen[-1]["type"] == "done"
    assert titles(alice, conversation) == ["Rung 3 times", "Made up"]


def test_it_tells_the_end_of_a_turn_whose_runner_died_before_it_told(stack: Stack, mortal: Any) -> None:
    alice = stack.client()
    conversation = alice.imported()
    doomed = mortal("after_finish")
    events = alice.chat(conversation, "Hello")
    assert dies(doomed)
    (_, answer) = alice.history(conversation)
    assert events[-1]["type"] == "done"
    assert text_of(events) == answer["content"] == events[-1]["response"]["message"]["content"]


def test_it_writes_the_draft_of_a_conversation_that_was_stored(stack: Stack, mortal: Any) -> None:
    doomed, alice = mortal("after_store"), stack.client()
    with alice.opened("POST", "/api/conversations/import-file", json={"text": "User: A?\n\nAssistant: B."}) as (
        _,
        events,
    ):
        assert dies(doomed)
        (conversation,) = alice.get("/api/conversations").json()["conversations"]
        assert titles(alice, conversation["id"]) == [PLACEHOLDER_TITLE]
        stack.start_runner()
        last = list(events)[-1]
    assert (last["type"], last["conversation"]["id"]) == ("done", conversation["id"])
    assert titles(alice, conversation["id"]) == ["Made up"]
    assert len(alice.get("/api/conversations").json()["conversations"]) == 1

"""A model that edits pieces of the draft in a chat, while people edit it too and runners die."""

import signal
import subprocess
import sys

from config.env import BASE_DIR
from config.tests.stack import Stack, chat_path, said

SECONDS = 60


def test_it_edits_the_draft_and_tells_it_as_it_does_of_any_change(stack: Stack) -> None:
    alice = stack.client()
    conversation = alice.imported()
    events = alice.chat(conversation, "Please edit the draft")
    told = [event.get("status") or event["type"] for event in events if event["type"] not in ("content", "usage")]
    assert told == [
        "run", "analyzing_request", "executing_tools", "updating_project_draft", "started", "succeeded",
        "project_updated", "generating_response", "done"
    ]  # fmt: skip
    newest, first = alice.versions(conversation)
    assert first["description"].split() == ["w0", "w1", "w2", "w3", "w4"]
    assert (newest["title"], newest["description"]) == (first["title"], first["description"].replace("w3", "a lamp"))
    assert (newest["run_id"], newest["model"]) == (events[0]["run_id"], "openai/gpt-4o")
    updated = next(event for event in events if event["type"] == "project_updated")
    assert updated["project_draft"]["active_version"] == newest
    assert events[-1]["response"]["project_updated"] is True


def test_it_is_told_of_a_persons_newer_edit_and_leaves_it_alone(stack: Stack) -> None:
    alice, bob = stack.client(), stack.client("bob@example.org")
    conversation = alice.imported()
    message = said("Please edit the draft [[words=40 delay_ms=20]]")
    with alice.opened("POST", chat_path(conversation), json=message) as (_, events):
        seen = [next(events) for _ in range(5)]
        body = {"title": "By Bob", "description": "w3 is his"}
        assert bob.patch(f"/api/conversations/{conversation}/project-draft", body).status_code == 200
        seen += list(events)
    assert [event["status"] for event in seen if event["type"] == "tool_call"] == ["started", "rejected"]
    assert [version["title"] for version in alice.versions(conversation)] == ["By Bob", "Made up"]
    told = next(message for message in stack.outside.requests[-1]["messages"] if message["role"] == "tool")
    assert "<title>By Bob</title>\n<description>w3 is his</description>" in told["content"]


def test_it_edits_once_although_its_runner_died_after_the_edit(stack: Stack) -> None:
    alice = stack.client()
    conversation = alice.imported()
    stack.kill("runner")
    environment = stack.environment(FAILPOINTS="after_tool=1")
    doomed = subprocess.Popen([sys.executable, "manage.py", "runner"], cwd=BASE_DIR, env=environment)
    try:
        with alice.opened("POST", chat_path(conversation), json=said("Please edit the draft")) as (_, events):
            assert doomed.wait(SECONDS) == -signal.SIGKILL
            assert len(alice.versions(conversation)) == 2
            stack.start_runner()
            seen = list(events)
    finally:
        doomed.kill()
        doomed.wait(SECONDS)
        stack.start_runner()
    assert [event["status"] for event in seen if event["type"] == "tool_call"][-1] == "succeeded"
    assert seen[-1]["response"]["project_updated"] is True
    assert [version["version_number"] for version in alice.versions(conversation)] == [2, 1]

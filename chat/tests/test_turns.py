from typing import Any

from config.tests.outside import DESCRIPTION, TITLE, words
from config.tests.stack import Stack, text_of


def types(events: list[dict[str, Any]]) -> list[str]:
    """Event types in order, repeated ones once."""
    names = [event["type"] for event in events]
    return [name for position, name in enumerate(names) if position == 0 or names[position - 1] != name]


def test_it_streams_an_answer_and_stores_it_before_done(stack: Stack) -> None:
    alice = stack.client()
    conversation = alice.imported()
    events = alice.chat(conversation, "Hello [[words=30]]")
    assert types(events) == ["run", "status", "content", "usage", "done"]
    assert text_of(events) == "".join(words(30))
    stored = alice.history(conversation)
    assert [(message["role"], message["sequence_number"]) for message in stored] == [("user", 1), ("assistant", 2)]
    assert stored[1]["content"] == text_of(events)
    assert events[-1]["response"] == {"message": stored[1], "project_updated": False}


def test_it_updates_the_draft_when_the_model_calls_the_tool(stack: Stack) -> None:
    alice = stack.client()
    conversation = alice.imported()
    events = alice.chat(conversation, "Please update the draft")
    assert types(events) == [
        "run", "status", "content", "status", "tool_call", "project_updated", "status", "content", "usage", "done"
    ]  # fmt: skip
    updated = next(event for event in events if event["type"] == "project_updated")["project_draft"]["active_version"]
    assert (updated["title"], updated["description"], updated["version_number"]) == (TITLE, DESCRIPTION, 2)
    assert [version["version_number"] for version in alice.versions(conversation)] == [2, 1]
    assert (
        alice.get(f"/api/conversations/{conversation}/project-draft").json()["project_draft"]["active_version"]
        == updated
    )
    assert events[-1]["response"]["project_updated"] is True


def test_it_tells_the_model_why_a_call_was_rejected_and_goes_on(stack: Stack) -> None:
    alice = stack.client()
    conversation = alice.imported()
    events = alice.chat(conversation, "update the draft with a bad title")
    calls = [event["status"] for event in events if event["type"] == "tool_call"]
    assert calls == ["started", "rejected"]
    assert events[-1]["type"] == "done"
    assert len(alice.versions(conversation)) == 1
    told = [message for message in stack.outside.requests[-1]["messages"] if message["role"] == "tool"]
    assert "at most 80" in told[0]["content"]


def test_it_keeps_what_was_shown_when_the_provider_breaks_off(stack: Stack) -> None:
    alice = stack.client()
    conversation = alice.imported()
    events = alice.chat(conversation, "Hello [[words=30 cut_after=10]]")
    assert events[-1]["type"] == "error"
    assert (events[-1]["code"], events[-1]["partial"], events[-1]["retryable"]) == ("provider_interrupted", True, True)
    answer = alice.history(conversation)[1]
    assert answer["content"] == text_of(events) == "".join(words(10))
    assert (answer["run"]["state"], answer["run"]["error_code"]) == ("failed", "provider_interrupted")


def test_it_ends_with_one_error_and_no_answer_when_the_model_says_nothing(stack: Stack) -> None:
    alice = stack.client()
    conversation = alice.imported()
    events = alice.chat(conversation, "Hello [[empty]]")
    assert (events[-1]["type"], events[-1]["code"], events[-1]["partial"]) == ("error", "empty_output", False)
    assert [message["role"] for message in alice.history(conversation)] == ["user"]


def test_it_gives_up_on_a_provider_that_refuses_and_lets_the_member_try_again(stack: Stack) -> None:
    alice = stack.client()
    conversation = alice.imported()
    stack.outside.requests.clear()
    events = alice.chat(conversation, "Hello [[status=401]]")
    assert events[-1]["code"] == "provider_authentication"
    assert len(stack.outside.requests) == 1
    assert alice.chat(conversation, "Hello again")[-1]["type"] == "done"


def test_it_sends_the_model_the_draft_the_chat_and_the_history(stack: Stack) -> None:
    alice = stack.client()
    conversation = alice.imported("User: Build a lighthouse.\n\nAssistant: With a lamp.")
    alice.chat(conversation, "First question")
    alice.chat(conversation, "Second question")
    messages = stack.outside.requests[-1]["messages"]
    assert "Build a lighthouse." in messages[0]["content"]
    assert "<title>Made up</title>" in messages[0]["content"]
    assert [message["role"] for message in messages] == ["system", "user", "assistant", "user"]
    assert [messages[1]["content"], messages[3]["content"]] == ["First question", "Second question"]


def test_it_says_in_words_what_a_silent_tool_call_did(stack: Stack) -> None:
    alice = stack.client()
    conversation = alice.imported()
    events = alice.chat(conversation, "update the draft [[empty]]")
    assert events[-1]["response"]["message"]["content"] == f"I updated the draft: “{TITLE}” is now version 2."

from config.tests.outside import TITLE
from config.tests.stack import Stack, chat_path, said
from drafts.services import PLACEHOLDER_TITLE


def test_it_never_writes_over_a_newer_edit_and_tells_the_model_what_is_there_now(stack: Stack) -> None:
    alice = stack.client()
    conversation = alice.imported()
    draft = f"/api/conversations/{conversation}/project-draft"
    bob = stack.client("bob@example.org")
    message = said("Please update the draft [[words=40 delay_ms=20]]")
    with alice.opened("POST", chat_path(conversation), json=message) as (_, events):
        seen = [next(events) for _ in range(5)]
        assert bob.patch(draft, {"title": "By Bob", "description": "His"}).status_code == 200
        seen += list(events)
    statuses = [event["status"] for event in seen if event["type"] == "tool_call"]
    assert statuses == ["started", "rejected"]
    assert [version["title"] for version in alice.versions(conversation)] == ["By Bob", "Made up"]
    told = next(message for message in stack.outside.requests[-1]["messages"] if message["role"] == "tool")
    assert "<title>By Bob</title>" in told["content"]


def test_it_may_change_its_own_version_again(stack: Stack) -> None:
    alice = stack.client()
    conversation = alice.imported()
    alice.chat(conversation, "update the draft")
    alice.patch(f"/api/conversations/{conversation}/project-draft", {"title": "By hand", "description": "Mine"})
    assert alice.chat(conversation, "update the draft")[-1]["response"]["project_updated"]
    assert [version["title"] for version in alice.versions(conversation)] == [TITLE, "By hand", TITLE, "Made up"]


def test_it_never_writes_over_a_draft_that_was_written_into_the_placeholder_meanwhile(stack: Stack) -> None:
    """That keeps the number and the id of the version that the model was shown."""
    alice = stack.client()
    chat = {"text": "User: A question. [[words=50 delay_ms=25]]\n\nAssistant: An answer."}
    with alice.opened("POST", "/api/conversations/import-file", json=chat) as (_, writing):
        next(event for event in writing if event["type"] == "content")
        (conversation,) = [row["id"] for row in alice.get("/api/conversations").json()["conversations"]]
        message = said("Please update the draft [[words=100 delay_ms=30]]")
        with alice.opened("POST", chat_path(conversation), json=message) as (_, answer):
            next(event for event in answer if event["type"] == "content")
            assert [version["title"] for version in alice.versions(conversation)] == [PLACEHOLDER_TITLE]
            assert list(writing)[-1]["type"] == "done"
            told = [event for event in answer if event["type"] == "tool_call"]
    assert [event["status"] for event in told] == ["started", "rejected"]
    assert "<title>Made up</title>" in told[-1]["detail"]
    assert [version["title"] for version in alice.versions(conversation)] == ["Made up"]

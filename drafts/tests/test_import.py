from typing import Any

import pytest

from config.tests.outside import words
from config.tests.stack import Member, Stack, text_of, wait_until
from drafts.services import FAILED_TITLE, PLACEHOLDER_TITLE
from integrations.tests.fixtures.chatgpt import SHARE_ID, conversation, message, share_page

URL = f"https://chatgpt.com/share/{SHARE_ID}"
CHAT = [
    message("user", "How do I grow tomatoes?"),
    message("assistant", "With sun and water."),
    message("user", "And in the shade?"),
    message("assistant", "Then grow lettuce."),
]


def put_online(stack: Stack, *messages: dict[str, Any], path: str = f"/share/{SHARE_ID}") -> None:
    stack.outside.pages[path] = (200, share_page(conversation(*messages or CHAT)).encode())


def link(**fields: Any) -> dict[str, Any]:
    standard = {"url": URL, "llm_provider": "openai", "llm_model": "gpt-4o", "accept_summarization": False}
    return standard | {"duplicate_resolution": "prompt"} | fields


def import_link(member: Member, **fields: Any) -> list[dict[str, Any]]:
    return member.events("/api/conversations/import", link(**fields))


def import_text(member: Member, text: str, **fields: Any) -> list[dict[str, Any]]:
    return member.events("/api/conversations/import-file", {"text": text} | fields)


def types(events: list[dict[str, Any]]) -> list[str]:
    names = [event["type"] for event in events]
    return [name for position, name in enumerate(names) if position == 0 or names[position - 1] != name]


def count(member: Member) -> int:
    return len(member.get("/api/conversations").json()["conversations"])


@pytest.fixture(autouse=True)
def no_pages(stack: Stack) -> None:
    stack.outside.pages.clear()


def test_it_imports_a_share_link_and_streams_the_draft(stack: Stack) -> None:
    alice = stack.client()
    put_online(stack)
    events = import_link(alice)
    assert types(events) == ["run", "state", "content", "usage", "done"]
    assert [event["state"] for event in events if event["type"] == "state"] == ["importing", "generating"]
    assert text_of(events).startswith("<title>Made up</title>")
    done = events[-1]
    stored = alice.get(f"/api/conversations/{done['conversation']['id']}").json()
    assert done["conversation"] == stored
    assert (stored["title"], stored["url"], stored["user_email"]) == ("Garden plan", URL, "alice@example.org")
    assert [(turn["role"], turn["content"]) for turn in stored["imported_chat"]] == [
        (turn["author"]["role"], turn["content"]["parts"][0]) for turn in CHAT
    ]
    draft = alice.get(f"/api/conversations/{stored['id']}/project-draft").json()["project_draft"]
    assert done["project_draft"] == draft
    version = draft["active_version"]
    assert (version["title"], version["version_number"]) == ("Made up", 1)
    assert version["description"] == "".join(words(5)).strip()


def test_it_asks_what_to_do_with_a_chat_that_is_here_already(stack: Stack) -> None:
    alice = stack.client()
    put_online(stack)
    first = import_link(alice)[-1]["conversation"]["id"]
    events = import_link(alice)
    assert types(events) == ["run", "conflict"]
    assert [row["id"] for row in events[-1]["conversations"]] == [first]
    assert set(events[-1]["conversations"][0]) == {"id", "title", "updated_at", "url"}
    assert count(alice) == 1
    assert alice.get(f"/api/runs/{events[0]['run_id']}").json()["error_code"] == "conflict"
    second = import_link(alice, duplicate_resolution="create_new")[-1]["conversation"]["id"]
    assert second != first
    assert count(alice) == 2


def test_it_updates_the_messages_and_keeps_title_and_draft(stack: Stack) -> None:
    alice = stack.client()
    put_online(stack)
    first = import_link(alice)[-1]
    put_online(stack, *CHAT, message("user", "One more thing"))
    target = first["conversation"]["id"]
    events = import_link(alice, duplicate_resolution="update_existing", target_conversation_id=target)
    assert types(events) == ["run", "state", "done"]
    assert len(events[-1]["conversation"]["imported_chat"]) == 5
    assert events[-1]["project_draft"] == first["project_draft"]
    assert events[-1]["conversation"]["title"] == first["conversation"]["title"]


def test_it_refuses_to_update_a_conversation_of_another_link(stack: Stack) -> None:
    alice = stack.client()
    other = alice.imported()
    put_online(stack)
    events = import_link(alice, duplicate_resolution="update_existing", target_conversation_id=other)
    assert (events[-1]["type"], events[-1]["code"]) == ("error", "wrong_target")
    assert len(alice.get(f"/api/conversations/{other}").json()["imported_chat"]) == 2


@pytest.mark.parametrize(
    ("url", "code"),
    [
        ("https://example.org/share/1", "unsupported_url"),
        ("https://chatgpt.com@evil.example/share/1", "unsupported_url"),
        (f"http://chatgpt.com/share/{SHARE_ID}", "unsupported_url"),
        ("not a link", "unsupported_url"),
        (URL, "fetch_failed"),
    ],
)
def test_it_ends_with_an_error_event_when_there_is_no_chat_behind_the_link(stack: Stack, url: str, code: str) -> None:
    alice = stack.client()
    events = import_link(alice, url=url)
    assert (events[-1]["type"], events[-1]["code"]) == ("error", code)
    assert events[-1]["conversation_id"] is None
    assert count(alice) == 0


def test_it_says_so_when_the_page_holds_no_conversation(stack: Stack) -> None:
    alice = stack.client()
    stack.outside.pages[f"/share/{SHARE_ID}"] = (200, b"<html><body>Log in</body></html>")
    events = import_link(alice)
    assert (events[-1]["type"], events[-1]["code"]) == ("error", "format_changed")
    assert count(alice) == 0


def test_it_asks_before_it_drafts_from_a_chat_that_is_too_long_for_the_model(stack: Stack) -> None:
    alice = stack.client()
    text = "User: " + "a long story " * 1000 + "\n\nAssistant: Indeed."
    small = {"llm_provider": "openai", "llm_model": "gpt-3.5-turbo"}
    events = import_text(alice, text, **small)
    assert types(events) == ["run", "state", "model_limit_conflict"]
    assert events[-1]["message"]
    assert events[-1]["suggestion"]
    assert count(alice) == 0
    assert stack.outside.requests == []  # nothing was spent yet


def test_it_drafts_from_a_summary_of_a_chat_that_is_too_long_for_the_model(stack: Stack) -> None:
    alice = stack.client()
    text = "User: " + "a long story " * 1000 + "\n\nAssistant: Indeed."
    small = {"llm_provider": "openai", "llm_model": "gpt-3.5-turbo"}
    events = import_text(alice, text, **small, accept_summarization=True)
    states = [event["state"] for event in events if event["type"] == "state"]
    assert states == ["importing", "summarizing", "generating"]
    assert [event for event in events if event["type"] == "progress"][-1] | {"event_id": ""} == {
        "type": "progress", "phase": "summarizing", "current": 1, "total": 1, "event_id": "",
    }  # fmt: skip
    done = events[-1]["conversation"]
    summary = "".join(words(5)).strip()
    assert alice.get(f"/api/conversations/{done['id']}/imported_chat_summary").json() == {"summary": summary}
    assert done["import_report"]["generated_from"] == {"summary": len(summary), "total": len(text) - 1}
    sent = stack.outside.requests[-1]["messages"][-1]["content"]
    assert f"<summary>\n{summary}\n</summary>" in sent
    assert "a long story" not in sent


def test_it_drafts_from_the_ends_of_a_chat_that_is_too_long_and_has_no_summary(stack: Stack) -> None:
    alice = stack.client()
    text = "User: " + "a long story " * 1000 + "\n\nAssistant: Indeed."
    conversation = alice.imported(text)
    small = {"llm_provider": "openai", "llm_model": "gpt-3.5-turbo"}
    events = alice.events(f"/api/conversations/{conversation}/project-draft/generate", small)
    progress = next(event for event in events if event["type"] == "progress")
    whole = len(text) - 1  # the space at the end of the message went
    assert (progress["phase"], progress["total"]) == ("shortened", whole)
    assert progress["current"] < whole
    cut = events[-1]["conversation"]["import_report"]["generated_from"]
    assert cut == {"kept": progress["current"], "total": progress["total"]}
    sent = stack.outside.requests[-1]["messages"][-1]["content"]
    assert "characters from the middle are left out" in sent
    assert sum(len(part["content"]) for part in stack.outside.requests[-1]["messages"]) / 4 + 2048 < 4096


def test_it_keeps_the_conversation_when_generating_fails_and_lets_the_member_try_again(stack: Stack) -> None:
    alice = stack.client()
    events = import_text(alice, "User: [[no_tags]]\n\nAssistant: Fine.")
    error = events[-1]
    assert (error["type"], error["code"], error["retryable"]) == ("error", "generation_failed", True)
    draft = f"/api/conversations/{error['conversation_id']}/project-draft"
    version = alice.get(draft).json()["project_draft"]["active_version"]
    assert (version["title"], version["description"]) == (FAILED_TITLE, error["message"])
    again = alice.events(f"{draft}/generate")
    assert again[-1]["code"] == "generation_failed"
    assert len(alice.versions(error["conversation_id"])) == 1


def test_it_writes_the_draft_again_as_a_new_version(stack: Stack) -> None:
    alice = stack.client()
    conversation = alice.imported()
    draft = f"/api/conversations/{conversation}/project-draft"
    alice.patch(draft, {"title": "By hand", "description": "Mine"})
    events = alice.events(f"{draft}/generate", {"llm_provider": "openai", "llm_model": "gpt-4o"})
    assert types(events) == ["run", "state", "content", "usage", "done"]
    assert [version["title"] for version in alice.versions(conversation)] == ["Made up", "By hand", "Made up"]
    assert events[-1]["project_draft"]["active_version"]["version_number"] == 3


def test_it_never_puts_a_generated_draft_over_a_newer_manual_edit(stack: Stack) -> None:
    alice = stack.client()
    with alice.opened(
        "POST", "/api/conversations/import-file", json={"text": "User: [[words=60 delay_ms=20]]\n\nAssistant: Yes."}
    ) as (response, events):
        for event in events:
            if event["type"] == "content":
                break
        run = alice.get(f"/api/runs/{response.headers['x-run-id']}").json()
        draft = f"/api/conversations/{run['conversation_id']}/project-draft"
        assert alice.get(draft).json()["project_draft"]["active_version"]["title"] == PLACEHOLDER_TITLE
        assert alice.post(f"{draft}/generate").json()["code"] == "run_in_progress"
        alice.patch(draft, {"title": "By hand", "description": "Mine"})
        done = list(events)[-1]
    assert done["project_draft"]["active_version"]["title"] == "By hand"
    assert [version["title"] for version in alice.versions(run["conversation_id"])] == [
        "Made up",
        "By hand",
        PLACEHOLDER_TITLE,
    ]


def test_it_shortens_a_title_that_is_too_long(stack: Stack) -> None:
    alice = stack.client()
    events = import_text(alice, "User: Name it.\n\nAssistant: Sure.")
    assert len(events[-1]["project_draft"]["active_version"]["title"]) <= 80


def test_it_goes_on_with_the_draft_when_the_runner_is_killed_in_the_middle(stack: Stack) -> None:
    alice = stack.client()
    body = {"text": "User: [[words=80 delay_ms=20]]\n\nAssistant: Yes."}
    with alice.opened("POST", "/api/conversations/import-file", json=body) as (response, events):
        for event in events:
            if event["type"] == "content":
                break
        stack.kill("runner")
    stack.start_runner()
    rest = alice.watch(response.headers["x-run-id"])
    assert rest[-1]["type"] == "done"
    assert count(alice) == 1
    assert alice.versions(rest[-1]["conversation"]["id"])[0]["description"] == "".join(words(80)).strip()


def test_it_leaves_nothing_when_an_import_is_cancelled_before_it_is_stored(stack: Stack) -> None:
    alice = stack.client()
    stack.kill("runner")
    with alice.opened("POST", "/api/conversations/import", json=link()) as (response, events):
        alice.post(f"/api/runs/{response.headers['x-run-id']}/cancel")
        assert [event["type"] for event in events] == ["cancelled"]
    stack.start_runner()
    assert count(alice) == 0


def test_it_says_in_the_draft_that_writing_it_was_stopped(stack: Stack) -> None:
    alice = stack.client()
    body = {"text": "User: [[words=300 delay_ms=20]]\n\nAssistant: Yes."}
    with alice.opened("POST", "/api/conversations/import-file", json=body) as (response, events):
        for event in events:
            if event["type"] == "content":
                break
        run_id = response.headers["x-run-id"]
        alice.post(f"/api/runs/{run_id}/cancel")
        assert list(events)[-1]["type"] == "cancelled"
    conversation = alice.get(f"/api/runs/{run_id}").json()["conversation_id"]
    assert alice.versions(conversation)[0]["title"] == FAILED_TITLE
    wait_until(lambda: stack.outside.open_streams == 0, 2)

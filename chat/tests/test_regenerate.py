from typing import Any

from config.tests.outside import words
from config.tests.stack import Member, Stack, chat_path, said, text_of
from integrations.tests.fixtures.chatgpt import SHARE_ID


def regenerate(member: Member, conversation: int, **body: Any) -> list[dict[str, Any]]:
    return member.events(f"/api/conversations/{conversation}/project-draft/chat/regenerate", body or None)


def test_it_writes_the_answer_again_in_its_place_and_keeps_the_earlier_one(stack: Stack) -> None:
    alice = stack.client()
    conversation = alice.imported()
    first = alice.chat(conversation, "Hello [[words=7]]")[-1]["response"]["message"]
    events = regenerate(alice, conversation, llm_provider="openai", llm_model="gpt-4.1")
    assert events[-1]["type"] == "done"
    history = alice.history(conversation)
    assert [(message["role"], message["sequence_number"]) for message in history] == [("user", 1), ("assistant", 2)]
    assert (history[1]["id"], history[1]["model"]) == (first["id"], "openai/gpt-4.1")
    assert history[1]["run"]["id"] == events[0]["run_id"] != first["run"]["id"]
    path = f"/api/conversations/{conversation}/project-draft/chat?revisions=true"
    revisions = alice.get(path).json()["chat_messages"][1]["revisions"]
    assert [(revision["content"], revision["model"]) for revision in revisions] == [(first["content"], "openai/gpt-4o")]


def test_it_tells_the_earlier_answer_to_who_joins_its_stream_late(stack: Stack) -> None:
    alice = stack.client()
    conversation = alice.imported()
    first = alice.chat(conversation, "Hello [[words=7]]")
    regenerate(alice, conversation, llm_provider="openai", llm_model="gpt-4.1")
    stack.forget_log(first[0]["run_id"])
    told = alice.watch(first[0]["run_id"])[-1]
    assert (told["type"], told["response"]) == ("done", first[-1]["response"])


def test_it_uses_the_same_model_unless_told(stack: Stack) -> None:
    alice = stack.client()
    conversation = alice.imported()
    alice.events(chat_path(conversation), said("Hello", llm_model="gpt-4o-mini"))
    regenerate(alice, conversation)
    assert stack.outside.requests[-1]["model"] == "gpt-4o-mini"


def test_it_answers_a_question_whose_answer_failed(stack: Stack) -> None:
    alice = stack.client()
    conversation = alice.imported()
    failed = alice.chat(conversation, "Hello [[words=20 cut_after=5]]")
    run_id = failed[0]["run_id"]
    assert failed[-1]["retryable"]
    stack.outside.cut_no_more = True
    events = alice.events(f"/api/runs/{run_id}/retry")
    stack.outside.cut_no_more = False
    assert events[-1]["type"] == "done"
    history = alice.history(conversation)
    assert [message["content"] for message in history][1:] == ["".join(words(20))]
    assert history[1]["run"]["state"] == "done"


def test_it_keeps_the_answer_there_is_when_the_new_one_says_nothing(stack: Stack) -> None:
    alice = stack.client()
    conversation = alice.imported()
    first = alice.chat(conversation, "Hello")[-1]["response"]["message"]
    events = regenerate(alice, conversation, llm_provider="openai", llm_model="gpt-3.5-turbo")
    assert events[-1]["type"] == "done"
    stack.outside.refuse_everything = True
    failed = regenerate(alice, conversation)
    stack.outside.refuse_everything = False
    assert failed[-1]["code"] == "provider_refused"
    assert alice.history(conversation)[1]["content"] == text_of(events)
    assert first["sequence_number"] == 2


def test_it_has_nothing_to_write_again_in_an_empty_chat(stack: Stack) -> None:
    alice = stack.client()
    conversation = alice.imported()
    answer = alice.post(f"/api/conversations/{conversation}/project-draft/chat/regenerate")
    assert (answer.status_code, answer.json()["code"]) == (409, "nothing_to_regenerate")


def test_it_retries_only_what_failed_or_was_cancelled(stack: Stack) -> None:
    alice = stack.client()
    run_id = alice.chat(alice.imported(), "Hello")[0]["run_id"]
    answer = alice.post(f"/api/runs/{run_id}/retry")
    assert (answer.status_code, answer.json()["code"]) == (409, "nothing_to_retry")


def test_it_imports_a_link_again_whose_fetch_failed(stack: Stack) -> None:
    alice = stack.client()
    body: dict[str, Any] = {
        "url": f"https://chatgpt.com/share/{SHARE_ID}",
        "llm_provider": "openai",
        "llm_model": "gpt-4o",
    }
    body |= {"accept_summarization": False, "duplicate_resolution": "prompt"}
    stack.outside.pages.clear()
    failed = alice.events("/api/conversations/import", body)
    again = alice.events(f"/api/runs/{failed[0]['run_id']}/retry")
    assert again[-1]["code"] == failed[-1]["code"] == "fetch_failed"
    assert again[0]["run_id"] != failed[0]["run_id"]


def test_it_writes_a_draft_again_whose_generation_failed(stack: Stack) -> None:
    alice = stack.client()
    failed = alice.events("/api/conversations/import-file", {"text": "User: [[no_tags]]\n\nAssistant: Fine."})
    again = alice.events(f"/api/runs/{failed[0]['run_id']}/retry")
    assert (again[0]["kind"], again[-1]["code"]) == ("generate", "generation_failed")

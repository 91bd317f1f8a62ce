import json
import threading
from typing import Any

import pytest

from chat.models import ChatMessage
from config.tests.stack import Member, Stack, chat_path, said

KEY = {"Idempotency-Key": "7f3c-1"}


def in_parallel(count: int, call: Any) -> list[Any]:
    results: list[Any] = []
    threads = [threading.Thread(target=lambda: results.append(call())) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    return results


def test_it_sends_once_however_often_the_same_request_comes(stack: Stack) -> None:
    alice = stack.client()
    conversation = alice.imported()
    stack.outside.requests.clear()
    cookie = stack.cookie_for("alice@example.org")

    def send() -> tuple[int, str, str | None]:
        member = Member(stack.url, cookie)
        with member.opened("POST", chat_path(conversation), json=said("Hello"), headers=KEY) as (response, events):
            list(events)
            return response.status_code, response.headers["x-run-id"], response.headers.get("idempotent-replayed")

    answers = in_parallel(50, send)
    assert {status for status, _, _ in answers} == {200}
    assert len({run for _, run, _ in answers}) == 1
    assert sorted(str(replayed) for _, _, replayed in answers) == ["None"] + ["true"] * 49
    assert len(stack.outside.requests) == 1
    assert [message["role"] for message in alice.history(conversation)] == ["user", "assistant"]


def test_it_refuses_the_key_of_another_request_and_takes_that_of_another_person(stack: Stack) -> None:
    alice, bob = stack.client(), stack.client("bob@example.org")
    conversation = alice.imported()
    alice.chat(conversation, "Hello", headers=KEY)
    other = alice.post(chat_path(conversation), said("Something else"), headers=KEY)
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_key_reused")
    assert bob.chat(conversation, "Something else", headers=KEY)[-1]["type"] == "done"


def test_it_remembers_no_refusal(stack: Stack) -> None:
    alice = stack.client()
    conversation = alice.imported()
    body = said("Hello", llm_model="no-such-model")
    assert alice.post(chat_path(conversation), body, headers=KEY).status_code == 422
    assert alice.events(chat_path(conversation), said("Hello"), headers=KEY)[-1]["type"] == "done"
    assert ChatMessage.objects.count() == 2


def test_it_activates_and_imports_once(stack: Stack) -> None:
    alice = stack.client()
    first = alice.events("/api/conversations/import-file", {"text": "User: a\n\nAssistant: b"}, headers=KEY)
    again = alice.events("/api/conversations/import-file", {"text": "User: a\n\nAssistant: b"}, headers=KEY)
    assert first[0]["run_id"] == again[0]["run_id"]
    conversation = first[-1]["conversation"]["id"]
    version = alice.versions(conversation)[0]["version_id"]
    draft = f"/api/conversations/{conversation}/project-draft"
    alice.patch(draft, {"title": "By hand", "description": "Mine"})
    one, two = (alice.post(f"{draft}/versions/{version}/activate", headers={"Idempotency-Key": "b"}) for _ in range(2))
    assert one.json() == two.json()
    assert (one.headers.get("idempotent-replayed"), two.headers.get("idempotent-replayed")) == (None, "true")
    assert len(alice.versions(conversation)) == 3


def test_it_sees_a_different_file_behind_the_same_name(stack: Stack) -> None:
    alice = stack.client()
    path = "/api/conversations/import-file"
    alice.http.post(path, files={"file": ("a.txt", b"User: a\n\nAssistant: b")}, headers=KEY)
    same = alice.http.post(path, files={"file": ("a.txt", b"User: a\n\nAssistant: b")}, headers=KEY)
    other = alice.http.post(path, files={"file": ("a.txt", b"User: a\n\nAssistant: c")}, headers=KEY)
    assert (same.headers["idempotent-replayed"], other.status_code) == ("true", 422)


@pytest.mark.parametrize("key", ["", "a b", "x" * 256])
def test_it_refuses_what_is_no_key(stack: Stack, key: str) -> None:
    alice = stack.client()
    answer = alice.post(chat_path(alice.imported()), said("Hello"), headers={"Idempotency-Key": key})
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_idempotency_key")


def test_it_accepts_one_of_many_sends_without_a_key(stack: Stack) -> None:
    alice = stack.client()
    conversation = alice.imported()
    cookie = stack.cookie_for("alice@example.org")
    message = said("Hello [[words=100 delay_ms=10]]")

    def send() -> tuple[int, str]:
        with Member(stack.url, cookie).opened("POST", chat_path(conversation), json=message) as (response, _):
            if response.status_code != 200:
                return response.status_code, str(json.loads(response.read())["run_id"])
            return 200, response.headers["x-run-id"]

    answers = in_parallel(32, send)
    assert sorted(status for status, _ in answers) == [200] + [409] * 31
    assert len({run for _, run in answers}) == 1

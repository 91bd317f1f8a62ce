import threading
import time
from typing import Any

import pytest
from redis import Redis

from config.live import log_key
from config.redis import client as redis_client
from config.tests.outside import words
from config.tests.stack import Member, Stack, chat_path, said, text_of, wait_until

ALL = "".join(words(100))
LONG = "Hello [[words=100 delay_ms=10]]"


def ids(events: list[dict[str, Any]]) -> list[str]:
    return [event["event_id"] for event in events]


def start_and_leave(member: Member, conversation: int, message: str, *, after: int) -> tuple[str, list[dict[str, Any]]]:
    """Sends a message and hangs up after so many content events."""
    seen: list[dict[str, Any]] = []
    with member.opened("POST", chat_path(conversation), json=said(message)) as (response, events):
        for event in events:
            seen.append(event)
            if sum(event["type"] == "content" for event in seen) >= after:
                break
        return response.headers["x-run-id"], seen


def state_of(member: Member, run_id: str) -> str:
    return str(member.get(f"/api/runs/{run_id}").json()["state"])


def replies(member: Member, conversation: int) -> list[str]:
    return [message["content"] for message in member.history(conversation) if message["role"] == "assistant"]


def test_it_gives_every_event_once_to_a_client_that_hung_up_and_came_back(stack: Stack) -> None:
    alice = stack.client()
    conversation = alice.imported()
    run_id, seen = start_and_leave(alice, conversation, LONG, after=4)
    rest = alice.watch(run_id, headers={"Last-Event-ID": seen[-1]["event_id"]})
    assert text_of(seen + rest) == ALL == replies(alice, conversation)[0]
    assert len(set(ids(seen + rest))) == len(seen + rest)
    assert not any(event["type"] == "reset" for event in rest)
    assert ids(alice.watch(run_id)) == ids(seen + rest)


def test_it_takes_the_number_alone_and_the_query_parameter_too(stack: Stack) -> None:
    alice = stack.client()
    run_id, seen = start_and_leave(alice, alice.imported(), LONG, after=3)
    number = seen[-1]["event_id"].split(":")[1]
    by_number = alice.watch(run_id, headers={"Last-Event-ID": number})
    assert ids(by_number) == ids(alice.watch(run_id, params={"after": number}))
    assert text_of(seen + by_number) == ALL


def test_it_answers_204_when_a_run_is_over_and_everything_was_seen(stack: Stack) -> None:
    alice = stack.client()
    events = alice.chat(alice.imported(), "Hello")
    run_id = events[0]["run_id"]
    last = events[-1]["event_id"]
    assert alice.get(f"/api/runs/{run_id}").json()["last_event_id"] == last
    assert alice.get(f"/api/runs/{run_id}/events", headers={"Last-Event-ID": last}).status_code == 204


def test_it_tells_the_whole_text_and_the_end_when_the_log_is_gone(stack: Stack) -> None:
    alice = stack.client()
    events = alice.chat(alice.imported(), "Hello [[words=30]]")
    redis: Redis = redis_client()
    assert redis.delete(log_key(events[0]["run_id"])) == 1
    told = alice.watch(events[0]["run_id"])
    assert [event["type"] for event in told] == ["content", "done"]
    assert text_of(told) == "".join(words(30))
    assert told[-1]["response"] == events[-1]["response"]
    middle = alice.watch(events[0]["run_id"], params={"after": events[3]["event_id"]})
    assert [event["type"] for event in middle] == ["reset", "content", "done"]


def test_it_finishes_with_one_reply_when_the_runner_is_killed(stack: Stack) -> None:
    alice = stack.client()
    conversation = alice.imported()
    run_id, seen = start_and_leave(alice, conversation, LONG, after=5)
    stack.kill("runner")
    stack.start_runner()
    rest = alice.watch(run_id, headers={"Last-Event-ID": seen[-1]["event_id"]})
    assert [event["type"] for event in rest].count("reset") == 1
    assert rest[-1]["type"] == "done"
    assert text_of(seen + rest) == ALL
    assert replies(alice, conversation) == [ALL]


def test_it_applies_a_tool_call_once_when_the_runner_is_killed_after_it(stack: Stack) -> None:
    alice = stack.client()
    conversation = alice.imported()
    with alice.opened("POST", chat_path(conversation), json=said("update the draft [[words=60 delay_ms=20]]")) as (
        response,
        events,
    ):
        for event in events:
            if event["type"] == "project_updated":
                break
        stack.kill("runner")
    stack.start_runner()
    assert alice.watch(response.headers["x-run-id"])[-1]["type"] == "done"
    assert [version["version_number"] for version in alice.versions(conversation)] == [2, 1]
    assert len(replies(alice, conversation)) == 1


def test_it_goes_on_without_the_web_process(stack: Stack) -> None:
    alice = stack.client()
    conversation = alice.imported()
    run_id, seen = start_and_leave(alice, conversation, LONG, after=5)
    stack.kill("web")
    time.sleep(0.3)
    stack.start()
    rest = alice.watch(run_id, headers={"Last-Event-ID": seen[-1]["event_id"]})
    assert text_of(seen + rest) == ALL
    assert replies(alice, conversation) == [ALL]


def test_it_stops_a_run_within_a_second_and_keeps_what_was_written(stack: Stack) -> None:
    alice = stack.client()
    conversation = alice.imported()
    with alice.opened("POST", chat_path(conversation), json=said("Hello [[words=500 delay_ms=10]]")) as (
        response,
        events,
    ):
        seen = [next(events) for _ in range(6)]
        began = time.monotonic()
        answer = alice.post(f"/api/runs/{response.headers['x-run-id']}/cancel")
        seen += list(events)
    assert time.monotonic() - began < 1
    assert answer.status_code == 202
    assert (seen[-1]["type"], seen[-1]["partial"]) == ("cancelled", True)
    assert replies(alice, conversation) == [text_of(seen)]
    assert alice.history(conversation)[1]["run"]["state"] == "cancelled"
    wait_until(lambda: stack.outside.open_streams == 0, 2)


def test_it_answers_202_to_a_cancel_that_comes_too_late(stack: Stack) -> None:
    alice = stack.client()
    run_id = alice.chat(alice.imported(), "Hello")[0]["run_id"]
    answer = alice.post(f"/api/runs/{run_id}/cancel")
    assert (answer.status_code, answer.json()["state"]) == (202, "done")


def test_it_cancels_a_run_that_nobody_has_begun(stack: Stack) -> None:
    alice = stack.client()
    conversation = alice.imported()
    stack.kill("runner")
    with alice.opened("POST", chat_path(conversation), json=said("Hello")) as (response, events):
        assert alice.post(f"/api/runs/{response.headers['x-run-id']}/cancel").json()["state"] == "cancelled"
        assert [event["type"] for event in events] == ["cancelled"]
    stack.start_runner()
    assert alice.chat(conversation, "Again")[-1]["type"] == "done"


def test_it_refuses_a_second_send_and_names_the_run(stack: Stack) -> None:
    alice = stack.client()
    conversation = alice.imported()
    run_id, _ = start_and_leave(alice, conversation, LONG, after=1)
    second = alice.post(chat_path(conversation), said("And another thing"))
    assert (second.status_code, second.json()["code"], second.json()["run_id"]) == (409, "run_in_progress", run_id)
    alice.watch(run_id)
    assert [message["content"] for message in alice.history(conversation)] == [LONG, ALL]


def test_it_attaches_instead_of_sending_twice_when_a_post_names_the_last_event(stack: Stack) -> None:
    alice = stack.client()
    conversation = alice.imported()
    run_id, seen = start_and_leave(alice, conversation, LONG, after=3)
    headers = {"Last-Event-ID": seen[-1]["event_id"]}
    rest = alice.chat(conversation, LONG, headers=headers)
    assert text_of(seen + rest) == ALL
    assert len(alice.history(conversation)) == 2


def test_it_lists_what_to_rejoin_after_a_reload(stack: Stack) -> None:
    alice, bob = stack.client(), stack.client("bob@example.org")
    conversation = alice.imported()
    run_id, _ = start_and_leave(alice, conversation, LONG, after=1)
    for path in ("/api/runs?state=active", f"/api/conversations/{conversation}/runs?state=active"):
        assert [run["id"] for run in alice.get(path).json()["runs"]] == [run_id]
    assert bob.get("/api/runs?state=active").json()["runs"] == []
    assert state_of(bob, run_id) == "running"
    alice.watch(run_id)
    assert alice.get("/api/runs?state=active").json()["runs"] == []


def test_it_lets_any_number_of_streams_watch_one_run(stack: Stack) -> None:
    alice = stack.client()
    run_id, _ = start_and_leave(alice, alice.imported(), LONG, after=1)
    texts: list[str] = []
    watchers = [threading.Thread(target=lambda: texts.append(text_of(stack.client().watch(run_id)))) for _ in range(5)]
    for watcher in watchers:
        watcher.start()
    for watcher in watchers:
        watcher.join(20)
    assert texts == [ALL] * 5


@pytest.mark.parametrize("event_id", ["abc", "1:x", "-3", f"0:{2**63}", "01a2033d-ae82-716c-8809-2432d111e240:5"])
def test_it_refuses_an_event_id_that_is_not_one_of_the_run(stack: Stack, event_id: str) -> None:
    alice = stack.client()
    run_id = alice.chat(alice.imported(), "Hello")[0]["run_id"]
    answer = alice.get(f"/api/runs/{run_id}/events", headers={"Last-Event-ID": event_id})
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_event_id")

"""Both ways to write a stream, over sockets: they tell the same, and ndjson bears what its client can't."""

import json
import signal
from collections.abc import Iterator
from typing import Any

import pytest

from config.api.ndjson import CUT_SHORT
from config.tests.outside import words
from config.tests.stack import Member, Stack, chat_path, said, text_of, wait_until
from conversations.models import Run

NDJSON = {"dialect": "ndjson"}
LONG = "Hello [[words=200 delay_ms=10]]"
ALL = "".join(words(200))
Line = dict[str, Any]


def lines(response: Any) -> Iterator[Line]:
    return (json.loads(line) for line in response.iter_lines() if line.strip())


def replayed(member: Member, run_id: str, **params: Any) -> list[Line]:
    response = member.get(f"/api/runs/{run_id}/events", params=NDJSON | params)
    assert response.status_code == 200
    return list(lines(response))


def shown(told: list[Line]) -> str:
    return "".join(line["data"] for line in told if line["type"] == "content")


def terminal(told: list[Line]) -> list[Line]:
    return [line for line in told if line["type"] in {"done", "error", "conflict", "model_limit_conflict"}]


def begin(member: Member, message: str, **options: Any) -> Any:
    """The open stream of an answer in ndjson."""
    conversation = member.imported()
    return member.http.stream("POST", chat_path(conversation), json=said(message), params=NDJSON, **options)


def test_it_tells_the_same_in_both_dialects(stack: Stack) -> None:
    alice = stack.client()
    with alice.opened("POST", chat_path(alice.imported()), json=said(f"{LONG} update the draft")) as (response, events):
        run_id = response.headers["x-run-id"]
        with stack.client().http.stream("GET", f"/api/runs/{run_id}/events", params=NDJSON) as other:
            seen, live = list(events), list(lines(other))
    assert len(text_of(seen)) > len(ALL)
    assert text_of(seen) == shown(live) == shown(replayed(alice, run_id)) == live[-1]["data"][1]
    statuses = [event["status"] for event in seen if event["type"] == "status"]
    assert [line["data"] for line in live if line["type"] == "status"] == [*statuses, "done"]
    assert [len(terminal(told)) for told in (live, replayed(alice, run_id))] == [1, 1]


def test_it_begins_behind_an_event_and_has_nothing_behind_the_last(stack: Stack) -> None:
    alice = stack.client()
    events = alice.chat(alice.imported(), LONG)
    run_id, number = events[0]["run_id"], len(events) // 2
    rest = replayed(alice, run_id, after=events[number]["event_id"])
    assert shown(rest) == text_of(events[number + 1 :])
    last = NDJSON | {"after": events[-1]["event_id"]}
    assert alice.get(f"/api/runs/{run_id}/events", params=last).status_code == 204


@pytest.mark.parametrize(
    ("accept", "content_type"),
    [("application/x-ndjson", "application/x-ndjson"), ("text/event-stream", "text/event-stream")],
)
def test_it_is_called_what_the_client_calls_it(stack: Stack, accept: str, content_type: str) -> None:
    with begin(stack.client(), "Hello", headers={"Accept": accept}) as response:
        assert response.headers["content-type"] == content_type
        assert response.headers["cache-control"] == "no-cache, no-transform"
        assert response.headers["x-accel-buffering"] == "no"
        assert list(lines(response))[-1]["type"] == "done"


def test_it_shows_no_word_twice_when_the_runner_is_killed(stack: Stack) -> None:
    with begin(stack.client(), LONG) as response:
        told = lines(response)
        seen = [next(told) for _ in range(8)]
        wait_until(lambda: Run.objects.get(pk=response.headers["x-run-id"]).partial)
        stack.kill("runner")
        stack.start_runner()
        seen += told
    assert shown(seen) == ALL
    assert [line["type"] for line in terminal(seen)] == ["done"]
    assert "restarting" not in [line["data"] for line in seen]


def test_it_ends_with_an_error_when_the_server_goes_and_the_run_goes_on(stack: Stack) -> None:
    alice = stack.client()
    with begin(alice, LONG) as response:
        told, run_id = lines(response), response.headers["x-run-id"]
        next(told)
        stack.send_signal("web", signal.SIGTERM)
        rest = list(told)
    assert terminal(rest) == [rest[-1]] == [{"type": "error", "data": CUT_SHORT}]
    stack.wait_for_exit("web")
    stack.start()
    assert shown(replayed(alice, run_id)) == ALL


def test_it_does_not_wait_for_an_approval_that_its_client_can_not_give(stack: Stack) -> None:
    alice = stack.client()
    with begin(alice, "Please create the project") as response:
        run_id, told = response.headers["x-run-id"], list(lines(response))
    assert told[-1]["type"] == "error" and f"/api/runs/{run_id}/approve" in told[-1]["data"]
    assert alice.get(f"/api/runs/{run_id}").json()["state"] == "waiting"
    assert terminal(replayed(alice, run_id)) == [told[-1]]
    assert alice.post(f"/api/runs/{run_id}/approve", {"approve": True}).status_code == 200
    wait_until(lambda: alice.get(f"/api/runs/{run_id}").json()["state"] == "done")
    whole = replayed(alice, run_id)
    assert [line["type"] for line in terminal(whole)] == ["done"]
    assert "conversation_locked" in [line["type"] for line in whole]
    assert shown(whole) == whole[-1]["data"][1]


@pytest.mark.parametrize("has_log", [True, False])
def test_it_tells_of_a_failed_draft_by_what_is_left(stack: Stack, has_log: bool) -> None:
    alice = stack.client()
    text = {"text": "User: Hello [[no_tags]]\n\nAssistant: Yes."}
    run_id = alice.events("/api/conversations/import-file", text)[0]["run_id"]
    if not has_log:
        stack.forget_log(run_id)
    (end,) = terminal(replayed(alice, run_id))
    assert end["type"] == "done"
    assert end["data"]["project_draft"]["active_version"]["title"] == "Failed to Generate Project Draft"
    assert end["data"]["conversation"]["id"] == end["data"]["project_draft"]["conversation_id"]
    assert alice.watch(run_id)[-1]["code"] == "generation_failed"


def test_it_tells_of_a_stopped_answer_as_an_error(stack: Stack) -> None:
    alice = stack.client()
    with begin(alice, LONG) as response:
        told = lines(response)
        seen = [next(told) for _ in range(4)]
        alice.post(f"/api/runs/{response.headers['x-run-id']}/cancel")
        seen += told
    assert [line["type"] for line in terminal(seen)] == ["error"]

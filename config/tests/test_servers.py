import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from typing import Any

import httpx2
import pytest

from config.env import BASE_DIR
from config.tests.outside import DESCRIPTION, TITLE, words
from config.tests.stack import DAPHNE, UVICORN, Member, Stack, chat_path, said, text_of, wait_until

SERVERS = {"uvicorn": UVICORN, "daphne": DAPHNE}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def is_up(url: str) -> bool:
    try:
        return httpx2.get(f"{url}/health", timeout=2).status_code == 200
    except httpx2.HTTPError:
        return False


@pytest.fixture(params=SERVERS)
def alice(request: pytest.FixtureRequest, stack: Stack) -> Iterator[Member]:
    """A member at a web process of each kind, beside the suite's own."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    command = [sys.executable, *SERVERS[request.param], str(port)]
    process = subprocess.Popen(command, cwd=BASE_DIR, env=stack.environment())
    try:
        wait_until(lambda: is_up(url), 30)
        yield Member(url, stack.cookie_for("alice@example.org"))
    finally:
        process.terminate()
        process.wait(15)


def check_problem(answer: httpx2.Response, status: int, code: str) -> dict[str, Any]:
    document: dict[str, Any] = answer.json()
    assert (answer.status_code, document["status"], document["code"]) == (status, status, code)
    assert answer.headers["content-type"] == "application/problem+json"
    return document


def test_it_streams_an_import_and_a_chat_turn(alice: Member) -> None:
    conversation = alice.imported()
    with alice.opened(
        "POST", chat_path(conversation), json=said("Please update the draft [[words=40 delay_ms=5]]")
    ) as (
        answer,
        events,
    ):
        assert answer.headers["content-type"] == "text/event-stream"
        assert answer.headers["cache-control"] == "no-cache, no-transform"
        assert answer.headers["x-accel-buffering"] == "no"
        run_id = answer.headers["x-run-id"]
        seen = list(events)
    assert seen[0]["run_id"] == run_id
    assert (seen[-1]["type"], seen[-1]["response"]["project_updated"]) == ("done", True)
    assert text_of(seen).split() == [*"".join(words(40)).split()] * 2
    updated = alice.get(f"/api/conversations/{conversation}/project-draft").json()["project_draft"]["active_version"]
    assert (updated["title"], updated["description"]) == (TITLE, DESCRIPTION)
    assert alice.history(conversation)[1]["content"] == text_of(seen)
    rest = alice.watch(run_id, headers={"Last-Event-ID": seen[4]["event_id"]})
    assert [event["event_id"] for event in rest] == [event["event_id"] for event in seen[5:]]


def test_it_refuses_before_the_first_byte(alice: Member) -> None:
    conversation = alice.imported()
    anonymous = httpx2.post(f"{alice.http.base_url}{chat_path(conversation)}", json=said("Hello"))
    check_problem(anonymous, 401, "not_authenticated")
    assert alice.history(conversation) == []
    with alice.opened("POST", chat_path(conversation), json=said("Hello [[words=300 delay_ms=10]]")) as (
        answer,
        events,
    ):
        while next(events)["type"] != "content":
            pass
        document = check_problem(alice.post(chat_path(conversation), said("Again")), 409, "run_in_progress")
        assert document["run_id"] == answer.headers["x-run-id"]
        assert alice.post(f"/api/runs/{document['run_id']}/cancel").status_code == 202
        assert list(events)[-1]["type"] == "cancelled"
    assert len(alice.history(conversation)) == 2


def test_it_hears_a_client_leave_and_the_run_goes_on(alice: Member) -> None:
    conversation = alice.imported()
    question = said("Hello [[words=40 delay_ms=10]]")
    with alice.opened("POST", chat_path(conversation), json=question) as (answer, events):
        next(events)
    assert text_of(alice.watch(answer.headers["x-run-id"])) == "".join(words(40))


def test_it_answers_many_at_once(alice: Member, stack: Stack) -> None:
    conversation = alice.imported()
    cookie = alice.http.cookies["session_token"]
    members = [Member(str(alice.http.base_url), cookie) for _ in range(12)]
    texts: list[str] = []
    run_id = alice.chat(conversation, "Hello [[words=30]]")[0]["run_id"]
    threads = [
        threading.Thread(target=lambda member=member: texts.append(text_of(member.watch(run_id)))) for member in members
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert texts == ["".join(words(30))] * 12

"""A deploy of any part, or a database that restarts, costs nobody an answer."""

import signal
import threading
import time

import psutil
from django.conf import settings

from config.env import socket_dir
from config.tests.outside import words
from config.tests.stack import Stack, chat_path, parse_events, said, text_of, wait_until
from conversations.models import Run

SLOW = "Hello [[words=150 delay_ms=20]]"
ALL = "".join(words(150))


def test_it_ends_streams_with_a_hint_when_the_web_process_is_told_to_go(stack: Stack) -> None:
    alice = stack.client()
    conversation = alice.imported()
    with alice.http.stream("POST", chat_path(conversation), json=said(SLOW)) as response:
        lines = response.iter_lines()
        seen = [next(lines) for _ in range(40)]
        began = time.monotonic()
        stack.send_signal("web", signal.SIGTERM)
        seen += list(lines)
    assert time.monotonic() - began < 2
    assert [line for line in seen[2:] if line][-1].startswith("retry: ")
    told = list(parse_events(iter(seen)))
    stack.wait_for_exit("web")
    stack.start()
    rest = alice.watch(response.headers["x-run-id"], headers={"Last-Event-ID": told[-1]["event_id"]})
    assert text_of(told + rest) == ALL == alice.history(conversation)[1]["content"]


def test_it_gives_runs_to_the_next_runner_at_once_when_one_is_told_to_go(stack: Stack) -> None:
    alice = stack.client()
    conversation = alice.imported()
    with alice.opened("POST", chat_path(conversation), json=said(SLOW)) as (response, events):
        seen = [next(events) for _ in range(8)]
        stack.send_signal("runner", signal.SIGTERM)
        stack.wait_for_exit("runner")
        assert Run.objects.get(pk=response.headers["x-run-id"]).state == Run.State.QUEUED
        stack.start_runner()
        seen += list(events)
    assert seen[-1]["type"] == "done"
    assert text_of(seen) == ALL == alice.history(conversation)[1]["content"]


def test_it_lets_a_runner_finish_what_it_has_within_its_time(stack: Stack) -> None:
    stack.send_signal("runner", signal.SIGTERM)
    stack.wait_for_exit("runner")
    stack.more_environment = {"RUNNER_DRAIN_SECONDS": "20"}
    stack.start_runner()
    stack.more_environment = {}
    alice = stack.client()
    conversation = alice.imported()
    with alice.opened("POST", chat_path(conversation), json=said(SLOW)) as (_, events):
        seen = [next(events) for _ in range(8)]
        stack.send_signal("runner", signal.SIGTERM)
        seen += list(events)
    assert not any(event["type"] == "reset" for event in seen)
    assert text_of(seen) == ALL
    stack.wait_for_exit("runner")


def test_it_survives_a_crash_of_the_database(stack: Stack) -> None:
    alice = stack.client()
    conversation = alice.imported()
    statuses: list[int] = []
    stop = threading.Event()

    onlooker = stack.client("bob@example.org")

    def look() -> None:
        while not stop.is_set():
            answer = onlooker.get("/api/conversations")
            assert answer.headers["content-type"].endswith("json")
            statuses.append(answer.status_code)

    looking = threading.Thread(target=look)
    with alice.opened("POST", chat_path(conversation), json=said(SLOW)) as (response, events):
        seen = [next(events) for _ in range(8)]
        looking.start()
        time.sleep(0.1)
        postgres().kill()
        seen += list(events)
    wait_until(lambda: statuses[-1:] == [200], 30)
    stop.set()
    looking.join()
    if seen[-1]["type"] != "done":  # the stream may end early; the run does not
        seen = alice.watch(response.headers["x-run-id"])
    assert text_of(seen) == ALL == alice.history(conversation)[1]["content"]
    assert set(statuses) <= {200, 503}
    assert 503 in statuses


def postgres() -> psutil.Process:
    socket = str(socket_dir(settings.DATA_DIR))
    for process in psutil.process_iter(["cmdline"]):
        command = process.info["cmdline"] or [""]
        if command[0].endswith("/postgres") and socket in command:
            return process
    raise LookupError("the database server does not run")


def test_it_says_whether_it_is_ready(stack: Stack) -> None:
    ready = stack.client().get("/health/ready")
    assert (ready.status_code, ready.json()) == (200, {"status": "ready", "database": "ok", "redis": "ok"})
    alice = stack.client()
    postgres().kill()
    wait_until(lambda: alice.get("/health/ready").json()["database"] == "away", 3)
    assert alice.get("/health").status_code == 200
    wait_until(lambda: alice.get("/health/ready").status_code == 200, 30)

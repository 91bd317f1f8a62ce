"""Redis only wakes and fans out: whatever becomes of it, no answer is lost and no stream stays open for ever."""

import signal
import threading
from collections.abc import Iterator

import psutil
import pytest
from django.conf import settings

from config.env import socket_dir
from config.tests.outside import words
from config.tests.stack import Stack, chat_path, said, text_of, wait_until

MESSAGE = "Hello [[words=300 delay_ms=10]]"
ALL = "".join(words(300))


def valkey() -> psutil.Process:
    socket = str(socket_dir(settings.DATA_DIR) / "valkey.sock")
    return next(process for process in psutil.process_iter(["cmdline"]) if _serves(process, socket))


def _serves(process: psutil.Process, socket: str) -> bool:
    command = process.info["cmdline"] or []
    return "valkey-server" in (command[0] if command else "") and any(socket in part for part in command)


@pytest.fixture
def frozen_for_a_while() -> Iterator[list[threading.Timer]]:
    """Timers that thaw the server again, whatever the test does."""
    timers: list[threading.Timer] = []
    yield timers
    for timer in timers:
        timer.join()


def test_it_finishes_a_stream_while_redis_is_frozen(stack: Stack, frozen_for_a_while: list[threading.Timer]) -> None:
    alice = stack.client()
    conversation = alice.imported()
    server = valkey()
    with alice.opened("POST", chat_path(conversation), json=said(MESSAGE)) as (_, events):
        seen = [next(events) for _ in range(8)]
        server.suspend()
        thaw = threading.Timer(5, server.resume)
        frozen_for_a_while.append(thaw)
        thaw.start()
        assert stack.client().get("/api/conversations").status_code == 200
        seen += list(events)
    assert seen[-1]["type"] == "done"
    assert text_of(seen) == ALL == alice.history(conversation)[1]["content"]


def test_it_finishes_a_stream_when_redis_is_killed(stack: Stack) -> None:
    alice = stack.client()
    conversation = alice.imported()
    with alice.opened("POST", chat_path(conversation), json=said(MESSAGE)) as (_, events):
        seen = [next(events) for _ in range(8)]
        valkey().send_signal(signal.SIGKILL)
        seen += list(events)
    assert seen[-1]["type"] == "done"
    assert text_of(seen) == ALL == alice.history(conversation)[1]["content"]
    wait_until(lambda: alice.chat(conversation, "Are you back?")[-1]["type"] == "done")


def test_it_starts_a_run_while_redis_is_frozen(stack: Stack, frozen_for_a_while: list[threading.Timer]) -> None:
    alice = stack.client()
    conversation = alice.imported()
    server = valkey()
    server.suspend()
    thaw = threading.Timer(6, server.resume)
    frozen_for_a_while.append(thaw)
    thaw.start()
    events = alice.chat(conversation, "Hello [[words=20]]")
    assert events[-1]["type"] == "done"
    assert text_of(events) == "".join(words(20)) == alice.history(conversation)[1]["content"]

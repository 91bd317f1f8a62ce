import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import httpx2
import pytest

from config.tests.outside import words
from config.tests.stack import Stack, chat_path, said, text_of

SENDERS, ASKED, SECONDS = 100, 50, 3.0
HEAD = "POST /api/conversations/import-file HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"


@contextmanager
def slow_senders(port: int, opening: bytes, rest: bytes) -> Iterator[list[socket.socket]]:
    """Connections that send `opening` at once and a byte of `rest` each second."""
    with ExitStack() as opened:
        connections = [
            opened.enter_context(socket.create_connection(("127.0.0.1", port), timeout=5)) for _ in range(SENDERS)
        ]
        for connection in connections:
            connection.sendall(opening)
        over = threading.Event()
        sender = threading.Thread(target=_drip, args=(connections, rest, over))
        sender.start()
        try:
            yield connections
        finally:
            over.set()
            sender.join(5)


def _drip(connections: list[socket.socket], rest: bytes, over: threading.Event) -> None:
    for byte in rest:
        if over.wait(1):
            return
        for connection in connections:
            connection.sendall(bytes([byte]))


def opening(stack: Stack, part: str) -> tuple[bytes, bytes]:
    """How a slow sender begins, and what it sends byte by byte: the rest of its headers, or its body."""
    cookie = f"Cookie: session_token={stack.cookie_for('mallory@example.org')}\r\n"
    if part == "headers":
        return (HEAD + "Cookie: ").encode(), cookie.encode()
    return f"{HEAD}{cookie}Content-Length: 1000\r\n\r\n".encode(), b'{"text": "' + b"x" * 100


@pytest.mark.parametrize("part", ["headers", "body"])
def test_it_answers_others_at_once(stack: Stack, part: str) -> None:
    cookie = stack.cookie_for("alice@example.org")
    waits: list[float] = []
    with slow_senders(stack.port, *opening(stack, part)), httpx2.Client(base_url=stack.url, timeout=5) as client:
        began = time.monotonic()
        for number in range(ASKED):
            asked = time.monotonic()
            headers = {"Cookie": f"session_token={cookie}"}
            answer = client.get(("/health", "/api/auth/status")[number % 2], headers=headers)
            waits.append(time.monotonic() - asked)
            assert answer.status_code == 200
            time.sleep(max(0.0, began + SECONDS * (number + 1) / ASKED - time.monotonic()))
    assert answer.json()["authenticated"] is True
    assert max(waits) < 1, sorted(waits)[-5:]


def test_it_goes_on_with_streams(stack: Stack) -> None:
    alice = stack.client()
    conversation = alice.imported()
    heard: list[float] = []
    seen: list[dict[str, Any]] = []
    question = said("Hello [[words=150 delay_ms=15]]")
    with (
        slow_senders(stack.port, *opening(stack, "body")),
        alice.opened("POST", chat_path(conversation), json=question) as (_, events),
    ):
        for event in events:
            heard.append(time.monotonic())
            seen.append(event)
    assert text_of(seen) == "".join(words(150))
    assert seen[-1]["type"] == "done"
    assert max(later - earlier for earlier, later in zip(heard, heard[1:], strict=False)) < 1


def test_it_reads_a_body_that_comes_slowly_but_comes(stack: Stack) -> None:
    cookie = stack.cookie_for("alice@example.org")
    body = b'{"text": ""}'
    head = f"{HEAD}Cookie: session_token={cookie}\r\nConnection: close\r\nContent-Length: {len(body)}\r\n\r\n"
    with socket.create_connection(("127.0.0.1", stack.port), timeout=10) as connection:
        connection.sendall(head.encode())
        for byte in body:
            time.sleep(0.05)
            connection.sendall(bytes([byte]))
        answer = b""
        while piece := connection.recv(65536):
            answer += piece
    assert answer.startswith(b"HTTP/1.1 422 ")
    assert b'"code":"no_messages"' in answer


def test_it_refuses_a_million_members_at_the_door(stack: Stack) -> None:
    body = b"{" + b",".join(b'"%d":1' % number for number in range(1_000_000)) + b"}"
    answer = stack.client().http.patch(
        "/api/conversations/1", content=body, headers={"Content-Type": "application/json"}
    )
    assert (answer.status_code, answer.json()["code"]) == (413, "too_large")

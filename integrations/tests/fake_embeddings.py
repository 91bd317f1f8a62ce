"""A small server that speaks OpenAI's embeddings on 127.0.0.1, as well or as badly as a test tells it to."""

import hashlib
import json
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

Reply = Callable[["Handler", dict[str, Any]], None]


def vector(text: str, dimensions: int = 8) -> list[float]:
    """Each word points somewhere, so that texts which share words are near each other."""
    numbers = [0.001] * dimensions
    for word in text.lower().split():
        digest = hashlib.sha256(word.encode()).digest()
        numbers[digest[0] % dimensions] += 1.0 + digest[1] / 256
    return numbers


def right(dimensions: int = 8, pause: float = 0.0) -> Reply:
    """The answer in full; a smaller size if that is asked for."""

    def reply(handler: "Handler", body: dict[str, Any]) -> None:
        time.sleep(pause)
        size = body.get("dimensions", dimensions)
        rows = [{"index": index, "embedding": vector(text, size)} for index, text in enumerate(body["input"])]
        handler.send_json({"data": rows[::-1], "usage": {"prompt_tokens": len(rows)}})

    return reply


def refused(status: int, code: str = "", **headers: str) -> Reply:
    """An error document; `retry_after="2"` becomes the header."""
    document = {"error": {"message": "sk-secret and the text", "code": code or None}}
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return lambda handler, body: handler.send_json(document, status, named)


def says(document: Any) -> Reply:
    return lambda handler, body: handler.send_json(document)


def hangs(seconds: float = 5.0) -> Reply:
    return lambda handler, body: time.sleep(seconds)


def trickles(seconds: float = 5.0) -> Reply:
    """An answer that goes on and on, so that no single read of it ever takes long."""

    def reply(handler: "Handler", body: dict[str, Any]) -> None:
        handler.send_response(200)
        handler.end_headers()
        for _ in range(int(seconds / 0.05)):
            handler.wfile.write(b" ")
            time.sleep(0.05)

    return reply


def cuts(handler: "Handler", body: dict[str, Any]) -> None:
    handler.send_response(200)
    handler.send_header("Content-Length", "100000")
    handler.end_headers()
    handler.wfile.write(b'{"data": [')
    handler.wfile.flush()


class Handler(BaseHTTPRequestHandler):
    server: "FakeEmbeddings"

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        with self.server.counting():
            self.server.requests.append({"path": self.path, "key": self.headers["Authorization"]} | body)
            try:
                self.server.next_reply()(self, body)
            except ConnectionError:
                self.server.left += 1
        self.close_connection = True

    def send_json(self, document: Any, status: int = 200, headers: dict[str, str] | None = None) -> None:
        content = document if isinstance(document, bytes) else json.dumps(document).encode()
        self.send_response(status)
        for name, value in {"Content-Length": str(len(content)), **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: Any) -> None:
        pass


class FakeEmbeddings(ThreadingHTTPServer):
    """`with FakeEmbeddings() as fake`: point an embedder at `fake.url`, look at `fake.requests`.

    Replies are used up in order; the last one stays. `most_at_once` is how many requests were open at the same time,
    `left` how many clients did not wait for their answer.
    """

    daemon_threads = True

    def __init__(self, *replies: Reply) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server_address[1]}/v1"
        self.requests: list[dict[str, Any]] = []
        self.most_at_once = self.left = self._open = 0
        self._lock = threading.Lock()
        self.replies(*(replies or [right()]))

    def replies(self, *replies: Reply) -> None:
        self._replies = list(replies)

    def next_reply(self) -> Reply:
        with self._lock:
            return self._replies.pop(0) if len(self._replies) > 1 else self._replies[0]

    def counting(self) -> "Counting":
        return Counting(self)

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=self.serve_forever, args=(0.01,), daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.shutdown()
        self.server_close()
        self._thread.join(5)


class Counting:
    """Counts a request for as long as it is open."""

    def __init__(self, server: FakeEmbeddings) -> None:
        self._server = server

    def __enter__(self) -> None:
        with self._server._lock:
            self._server._open += 1
            self._server.most_at_once = max(self._server.most_at_once, self._server._open)

    def __exit__(self, *_: object) -> None:
        with self._server._lock:
            self._server._open -= 1

"""What clients see on the wire, under both servers that we support."""

import hashlib
import http.client
import json
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from typing import Any

import pytest

from config import env, limits

SERVERS = ["daphne", "uvicorn"]
WEBSOCKET = (
    b"GET /anything HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)
ORIGIN = {"Origin": "http://spa.example"}


def start(name: str, application: str = "config.tests.served:application") -> tuple[subprocess.Popen[bytes], int]:
    """A server on a port of its own. The socket listens before the server runs, so nobody has to wait for it."""
    with socket.create_server(("127.0.0.1", 0), backlog=200) as listener:
        command = [sys.executable, "-W", "ignore", "-m", name, application, "--fd", str(listener.fileno())]
        process = subprocess.Popen(
            command,
            cwd=env.BASE_DIR,
            pass_fds=[listener.fileno()],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        return process, listener.getsockname()[1]


def stop(process: subprocess.Popen[bytes]) -> bytes:
    """Ends the server; returns what it printed."""
    process.terminate()
    try:
        return process.communicate(timeout=5)[0]
    except subprocess.TimeoutExpired:
        process.kill()
        return process.communicate()[0]


@pytest.fixture(scope="module", params=SERVERS)
def server(request: pytest.FixtureRequest) -> Iterator[str]:
    process, port = start(request.param)
    yield f"{request.param}:{port}"
    stop(process)


@pytest.fixture
def port(server: str) -> int:
    return int(server.partition(":")[2])


def call(
    port: int, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None
) -> tuple[http.client.HTTPResponse, bytes]:
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=20)) as connection:
        chunked = body is not None and not isinstance(body, str | bytes)
        connection.request(method, path, body, headers or {}, encode_chunked=chunked)
        response = connection.getresponse()
        return response, response.read()


def raw(port: int, request: bytes) -> bytes:
    """Sends bytes as they are and reads until the server hangs up."""
    with socket.create_connection(("127.0.0.1", port), timeout=20) as connection:
        connection.sendall(request)
        answer = b""
        while piece := connection.recv(65536):
            answer += piece
        return answer


def check_problem(response: http.client.HTTPResponse, content: bytes, status: int, code: str) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(content)
    assert response.status == status
    assert response.headers["Content-Type"] == "application/problem+json"
    assert (document["status"], document["code"], document["type"]) == (status, code, f"/problems/{code}")
    assert document["error"] == document["detail"]
    assert document["request_id"] == response.headers["X-Request-Id"]
    return document


def test_it_answers_with_a_request_id_and_cors(port):
    response, content = call(port, "GET", "/api/environ?q=%C3%A9", headers=ORIGIN | {"X-Request-Id": "abc-1"})
    assert response.status == 200
    assert response.headers["X-Request-Id"] == "abc-1"
    assert response.headers["Access-Control-Allow-Origin"] == "http://spa.example"
    assert response.headers["Cache-Control"] == "no-cache"
    assert int(response.headers["Content-Length"]) == len(content)
    assert json.loads(content)["QUERY_STRING"] == "q=%C3%A9"


def test_it_makes_a_request_id_of_its_own_for_a_strange_one(port):
    response, _ = call(port, "GET", "/api/environ", headers={"X-Request-Id": "a b<script>"})
    assert len(response.headers["X-Request-Id"]) == 32


def test_it_takes_a_trailing_slash_without_a_redirect(port):
    response, content = call(port, "GET", "/api/environ/")
    assert response.status == 200
    assert json.loads(content)["PATH_INFO"] == "/api/environ"


def test_it_takes_one_trailing_slash_only(port):
    response, content = call(port, "GET", "/api/environ//")
    check_problem(response, content, 404, "not_found")


def test_it_does_not_trust_daphnes_root_path_header(port):
    response, content = call(port, "GET", "/api/environ", headers={"Daphne-Root-Path": "//evil"})
    document = json.loads(content)
    assert response.status == 200
    assert document["SCRIPT_NAME"] == ""
    assert document["url"] == f"http://127.0.0.1:{port}/here"


def test_it_drops_headers_with_underscores(port):
    _, content = call(port, "GET", "/api/environ", headers={"X_Forwarded_Proto": "https", "X-Plain": "1"})
    document = json.loads(content)
    assert document["HTTP_X_PLAIN"] == "1"
    assert "HTTP_X_FORWARDED_PROTO" not in document


def test_it_reads_a_chunked_body_whole(port):
    pieces = [b"a" * 1000, b"b" * 400_000, b"c"]
    _, content = call(port, "POST", "/api/digest", iter(pieces), {"Transfer-Encoding": "chunked"})
    whole = b"".join(pieces)
    assert json.loads(content) == {"size": len(whole), "sha256": hashlib.sha256(whole).hexdigest()}


def test_it_takes_a_body_of_exactly_the_limit(port):
    response, content = call(port, "POST", "/api/digest", b"x" * limits.JSON_BYTES)
    assert (response.status, json.loads(content)["size"]) == (200, limits.JSON_BYTES)


def test_it_refuses_a_larger_body_and_the_client_that_writes_it_all_first_reads_why(port):
    response, content = call(port, "POST", "/api/digest", b"x" * (8 * 1024 * 1024), ORIGIN)
    check_problem(response, content, 413, "too_large")
    assert response.headers["Access-Control-Allow-Origin"] == "http://spa.example"


def test_it_refuses_a_chunked_body_that_grows_beyond_the_limit(port):
    pieces = (b"x" * 100_000 for _ in range(30))
    response, content = call(port, "POST", "/api/digest", pieces, {"Transfer-Encoding": "chunked"})
    check_problem(response, content, 413, "too_large")


def test_it_answers_before_a_refused_body_is_sent(server, port):
    if server.startswith("daphne"):
        pytest.skip("daphne reads the whole body before it calls an application")
    head = b"POST /api/digest HTTP/1.1\r\nHost: x\r\nContent-Length: 90000000\r\nExpect: 100-continue\r\n\r\n"
    with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
        connection.sendall(head)
        answer = connection.recv(65536)
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert b"\r\nconnection: close\r\n" in answer.lower()


def test_it_refuses_a_body_that_comes_too_slowly(server, port):
    if server.startswith("daphne"):
        pytest.skip("daphne reads the whole body before it calls an application")
    started = time.monotonic()
    answer = raw(port, b"POST /api/quick HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nabc")
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert b'"code":"request_timeout"' in answer
    assert time.monotonic() - started < 5


def test_it_refuses_a_compressed_body(port):
    response, content = call(port, "POST", "/api/digest", b"{}", {"Content-Encoding": "gzip"})
    check_problem(response, content, 415, "unsupported_type")


def test_it_refuses_two_lengths(port):
    lengths = b"Content-Length: 2\r\nContent-Length: 7\r\n"
    answer = raw(port, b"POST /api/digest HTTP/1.1\r\nHost: x\r\n" + lengths + b"Connection: close\r\n\r\n{}")
    assert b" 200 " not in answer.split(b"\r\n")[0]


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b'{"a": 1,}', 400, "malformed"),
        (b"[" * 100_000, 400, "malformed"),
        (b'{"a": "\\u0000"}', 422, "unstorable_text"),
        (b'{"\\ud800": 1}', 422, "unstorable_text"),
    ],
)
def test_it_refuses_json_that_stock_drf_fails_on(port, body, status, code):
    response, content = call(port, "POST", "/api/echo", body, {"Content-Type": "application/json"})
    check_problem(response, content, status, code)


def test_it_takes_a_post_without_a_body_or_a_content_type(port):
    response, content = call(port, "POST", "/api/echo")
    assert (response.status, json.loads(content)) == (200, {"data": {}})


@pytest.mark.parametrize("content_type", ["", "text/plain", "application/jsonp", "application/x-www-form-urlencoded"])
def test_it_refuses_a_body_of_another_content_type(port, content_type):
    response, content = call(port, "POST", "/api/echo", b"{}", {"Content-Type": content_type})
    check_problem(response, content, 415, "unsupported_type")


def test_it_answers_json_whatever_accept_says(port):
    headers = {"Content-Type": "application/json; charset=utf-8", "Accept": "text/html"}
    response, content = call(port, "POST", "/api/echo?format=xml", b'{"a":"\xc3\xa9"}', headers)
    assert response.headers["Content-Type"] == "application/json"
    assert content == '{"data":{"a":"é"}}'.encode()


def test_it_names_the_methods_that_work(port):
    response, content = call(port, "GET", "/api/echo", headers=ORIGIN)
    check_problem(response, content, 405, "method_not_allowed")
    assert response.headers["Allow"] == "POST, OPTIONS"
    assert response.headers["Access-Control-Allow-Origin"] == "http://spa.example"


def test_it_turns_djangos_own_pages_of_refusal_into_problems(port):
    response, content = call(port, "POST", "/api/only-get")
    check_problem(response, content, 405, "method_not_allowed")
    assert response.headers["Allow"] == "GET"
    response, content = call(port, "GET", "/api/environ", headers={"Host": "a,b"})
    check_problem(response, content, 400, "invalid_host")


@pytest.mark.parametrize(
    ("path", "status", "code"), [("/api/fail", 500, "server_error"), ("/api/lost", 503, "database_unavailable")]
)
def test_it_tells_of_a_fault_without_its_words(port, path, status, code):
    response, content = call(port, "GET", path, headers=ORIGIN)
    check_problem(response, content, status, code)
    assert b"secret" not in content
    assert response.headers["Access-Control-Allow-Origin"] == "http://spa.example"


def test_it_sends_a_head_without_a_body(port):
    answer = raw(port, b"HEAD /api/environ HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    head, _, body = answer.partition(b"\r\n\r\n")
    assert b" 200 " in head.split(b"\r\n")[0]
    assert b"content-length: " in head.lower()
    assert body == b""


def test_it_sends_a_file_whole(port):
    response, content = call(port, "GET", "/api/blob")
    assert (response.status, content) == (200, b"0123456789abcdef" * 40960)
    assert "blob" in json.loads(call(port, "GET", "/api/left")[1])["left"]


def test_it_hands_a_stream_over_and_hears_the_client_leave(port):
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=20)) as connection:
        connection.request("GET", "/api/stream", headers=ORIGIN)
        response = connection.getresponse()
        assert response.read1(100) == b": the-run\n\n"
        assert response.headers["X-Run-Id"] == "42"
        assert response.headers["Access-Control-Allow-Origin"] == "http://spa.example"
        assert response.headers["X-Request-Id"]
        assert "X-Draftloom-Stream" not in response.headers
        assert "Content-Length" not in response.headers
        assert "stream" not in json.loads(call(port, "GET", "/api/left")[1])["left"]
    deadline = time.monotonic() + 5
    while "stream" not in json.loads(call(port, "GET", "/api/left")[1])["left"]:
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_it_keeps_answering_while_many_clients_send_a_byte_at_a_time(port):
    with ExitStack() as stack:
        slow = [stack.enter_context(socket.create_connection(("127.0.0.1", port), timeout=5)) for _ in range(100)]
        for connection in slow:
            connection.sendall(b"POST /api/digest HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\nx")
        started = time.monotonic()
        for _ in range(5):
            assert call(port, "GET", "/api/environ")[0].status == 200
            for connection in slow:
                connection.sendall(b"x")
        assert time.monotonic() - started < 3


def test_it_answers_many_requests_at_once(port):
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda index: call(port, "POST", "/api/digest", b"x" * index), range(40)))
    assert [json.loads(content)["size"] for _, content in answers] == list(range(40))


def test_it_refuses_a_websocket(port):
    assert raw(port, WEBSOCKET).startswith(b"HTTP/1.1 403 ")


@pytest.mark.parametrize("name", SERVERS)
def test_it_serves_the_real_application(name):
    process, port = start(name, "config.asgi:application")
    try:
        assert call(port, "GET", "/health")[0].status == 200
        check_problem(*call(port, "GET", "/api/nothing/"), 401, "not_authenticated")
        check_problem(*call(port, "POST", "/api/nothing", b"x" * (limits.JSON_BYTES + 1)), 413, "too_large")
        assert raw(port, WEBSOCKET).startswith(b"HTTP/1.1 403 ")
    finally:
        stop(process)


def test_it_runs_its_callbacks_when_uvicorn_stops():
    process, port = start("uvicorn")
    try:
        assert call(port, "GET", "/api/environ")[0].status == 200
    finally:
        printed = stop(process)
    assert printed.endswith(b"ended")

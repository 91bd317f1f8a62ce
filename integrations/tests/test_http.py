"""The way to all services, over real sockets on this machine."""

import asyncio
import logging
import socket
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest
from aiohttp import web

from integrations import health
from integrations.health import Health, health_of
from integrations.http import Service, ServiceAway
from integrations.tests.loopback import LoopbackServer, cut, trickle

SECRET, WORDS = "key-that-nobody-may-see", "words of a member"
pytestmark = pytest.mark.usefixtures("django_db_setup")  # which starts Redis, too


class Outside:
    """Answers each request with what the next of `plans` says, and with 200 when there is none."""

    def __init__(self) -> None:
        self.plans: list[Callable[[web.Request], Any]] = []
        self.requests: list[tuple[str, str, str]] = []

    async def __call__(self, request: web.Request) -> web.StreamResponse:
        self.requests.append((request.method, request.path, await request.text()))
        if not self.plans:
            return web.json_response({"said": "yes"})
        answer = self.plans.pop(0)(request)
        if asyncio.iscoroutine(answer):
            answer = await answer
        if answer is None:
            cut(request)
            await asyncio.sleep(0)
        return answer or web.Response()


@pytest.fixture
def outside() -> Outside:
    return Outside()


@pytest.fixture
def service(outside: Outside) -> Iterator[Service]:
    with LoopbackServer(outside) as server:
        yield Service("tested", server.url, {"Authorization": SECRET}, seconds=3, backoff_seconds=0.01)


def status(number: int, **headers: str) -> Callable[[web.Request], web.Response]:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return lambda _: web.json_response({"error": WORDS}, status=number, headers=named)


def failure_of(call: Callable[[], Any]) -> ServiceAway:
    with pytest.raises(ServiceAway) as caught:
        call()
    return caught.value


def test_it_posts_json_with_its_headers_and_decodes_the_answer(service: Service, outside: Outside) -> None:
    outside.plans = [lambda request: web.json_response({"key": request.headers["Authorization"]})]
    assert service.call("/search", {"query": WORDS}) == (200, {"key": SECRET})
    assert outside.requests == [("POST", "/search", f'{{"query":"{WORDS}"}}')]


def test_it_gets_when_there_is_no_body(service: Service, outside: Outside) -> None:
    assert service.call("/health").body == {"said": "yes"}
    assert outside.requests[0][:2] == ("GET", "/health")


def test_it_adds_nothing_to_an_address_that_is_complete(service: Service, outside: Outside) -> None:
    replace(service, url=f"{service.url}/graphql").call(body={})
    assert outside.requests[0][1] == "/graphql"


@pytest.mark.parametrize(
    ("number", "code", "retryable", "may_have_happened"),
    [
        (301, "refused", False, False),
        (400, "refused", False, False),
        (401, "unauthorized", False, False),
        (403, "unauthorized", False, False),
        (413, "too_long", False, False),
        (429, "throttled", True, False),
        (500, "server_error", True, True),
        (501, "server_error", False, True),
        (503, "server_error", True, True),
    ],
)
def test_it_tells_what_a_status_means(
    service: Service, outside: Outside, number: int, code: str, retryable: bool, may_have_happened: bool
) -> None:
    outside.plans = [status(number)]
    error = failure_of(lambda: service.call(body={}))
    assert (error.code, error.retryable, error.status) == (code, retryable, number)
    assert error.may_have_happened is may_have_happened


def test_it_hands_over_a_status_that_the_caller_can_read(service: Service, outside: Outside) -> None:
    outside.plans = [status(400)]
    assert service.call(body={}, also={400}) == (400, {"error": WORDS})


@pytest.mark.parametrize("plan", [status(503), status(429), lambda _: None], ids=["503", "429", "cut"])
def test_it_asks_again_only_what_does_no_harm_twice(service: Service, outside: Outside, plan: Any) -> None:
    outside.plans = [plan, plan]
    assert service.call(body={}, is_idempotent=True).status == 200
    assert len(outside.requests) == 3
    outside.plans = [plan]
    failure_of(lambda: service.call(body={}))
    assert len(outside.requests) == 4


def test_it_gives_up_after_three_times(service: Service, outside: Outside) -> None:
    outside.plans = [status(500)] * 5
    assert failure_of(lambda: service.call(is_idempotent=True)).code == "server_error"
    assert len(outside.requests) == 3


def test_it_does_not_ask_again_what_was_refused(service: Service, outside: Outside) -> None:
    outside.plans = [status(422)] * 3
    failure_of(lambda: service.call(is_idempotent=True))
    assert len(outside.requests) == 1


def test_it_waits_as_long_as_it_is_asked_to(service: Service, outside: Outside) -> None:
    outside.plans = [status(429, Retry_After="1")]
    begun = time.monotonic()
    service.call(is_idempotent=True)
    assert 1 <= time.monotonic() - begun < 2


@pytest.mark.parametrize("asked", ["3600", "in a while", "-1", "٣"])
def test_it_does_not_wait_beyond_its_time(service: Service, outside: Outside, asked: str) -> None:
    outside.plans = [lambda _: web.Response(status=429, headers={"Retry-After": asked})] * 3
    begun = time.monotonic()
    assert failure_of(lambda: service.call(is_idempotent=True)).code == "throttled"
    assert time.monotonic() - begun < 2


def test_it_bounds_the_whole_call_however_slowly_bytes_come(service: Service, outside: Outside) -> None:
    outside.plans = [lambda request: trickle(request, 0.02)]
    begun = time.monotonic()
    error = failure_of(lambda: replace(service, seconds=0.3).call())
    assert (error.code, error.may_have_happened) == ("timeout", True)
    assert time.monotonic() - begun < 1


def test_it_bounds_the_silence(service: Service, outside: Outside) -> None:
    outside.plans = [lambda _: asyncio.sleep(5)]
    begun = time.monotonic()
    assert failure_of(lambda: replace(service, read_seconds=0.2).call()).code == "timeout"
    assert time.monotonic() - begun < 1


def test_it_bounds_the_answer(service: Service, outside: Outside) -> None:
    outside.plans = [lambda _: web.json_response("x" * 2_000)]
    assert failure_of(lambda: replace(service, max_bytes=1_000).call()).code == "too_large"


def test_it_bounds_what_an_answer_becomes(service: Service, outside: Outside) -> None:
    def bomb(_: web.Request) -> web.Response:
        response = web.json_response("x" * 1_000_000)
        response.enable_compression(web.ContentCoding.gzip)
        return response

    outside.plans = [bomb]
    assert failure_of(lambda: replace(service, max_bytes=100_000).call()).code == "too_large"


@pytest.mark.parametrize("text", ["<html>", "", "[" * 100_000, '{"a": "\\ud800"}'])
def test_it_calls_what_is_no_json_malformed(service: Service, outside: Outside, text: str) -> None:
    outside.plans = [lambda _: web.Response(text=text)]
    assert failure_of(service.call).code == "malformed"


def test_it_knows_that_nothing_was_sent_where_nobody_listens() -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        error = failure_of(Service("tested", f"http://127.0.0.1:{probe.getsockname()[1]}").call)
    assert (error.code, error.retryable, error.may_have_happened) == ("unreachable", True, False)


def test_it_shows_neither_secrets_nor_words(
    service: Service, outside: Outside, caplog: pytest.LogCaptureFixture
) -> None:
    outside.plans = [status(500)]
    with caplog.at_level(logging.DEBUG, "integrations"):
        error = failure_of(lambda: service.call(body={"text": WORDS}))
    seen = f"{error} {error!r} {vars(error)} {service!r} {caplog.text}"
    assert "server_error" in caplog.text
    assert SECRET not in seen
    assert WORDS not in seen


def test_it_remembers_how_a_service_did(service: Service, outside: Outside) -> None:
    known = replace(service, name="tested-health")
    assert health_of(["tested-health"]) == {"tested-health": Health()}
    outside.plans = [status(503)]
    failure_of(known.call)
    first = health_of(["tested-health"])["tested-health"]
    assert (first.success_at, first.error_code, first.is_reachable) == (None, "server_error", False)
    known.call()
    second = health_of(["tested-health"])["tested-health"]
    assert (second.error_at, second.error_code, second.is_reachable) == (first.error_at, "server_error", True)
    assert known.failed("lied").code == "lied"
    assert health_of(["tested-health"])["tested-health"].error_code == "lied"


def test_it_is_probed_once_a_minute() -> None:
    assert [health.may_probe("tested-probe") for _ in range(3)] == [True, False, False]

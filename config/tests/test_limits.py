"""Limits cut off exactly where they say, and never stop a run that has begun."""

from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from django.test import Client
from pytest_django import Settings

from config import throttle
from config.env import socket_dir
from config.exceptions import TooMany
from config.limits import Rate
from config.redis import client as redis_client
from config.tests.stack import Stack, chat_path, said, wait_until
from conversations.models import Conversation, Run
from drafts.management.commands.seed import make


@pytest.fixture
def conversations(alice: Any) -> list[int]:
    for key in redis_client().scan_iter("rate:*"):
        redis_client().delete(key)
    make(alice, range(1, 8))
    return list(Conversation.objects.order_by("id").values_list("id", flat=True))


def send(member: Client, conversation: int) -> Any:
    body = {"message": "Hello", "llm_provider": "demo", "llm_model": "demo-1"}
    return member.post(chat_path(conversation), body, content_type="application/json")


def test_it_takes_exactly_so_many_sends(alices: Client, conversations: list[int], settings: Settings) -> None:
    settings.LIMIT_SENDS = Rate(5, 60)
    assert [send(alices, conversation).status_code for conversation in conversations] == [200] * 5 + [429] * 2
    refused = send(alices, conversations[5])
    assert refused.json()["code"] == "too_many_requests"
    assert 1 <= int(refused["Retry-After"]) <= 60
    assert Run.objects.count() == 5


def test_it_says_that_an_answer_is_being_written_before_it_counts(
    alices: Client, conversations: list[int], settings: Settings
) -> None:
    settings.LIMIT_SENDS = Rate(1, 60)
    assert [send(alices, conversations[0]).status_code for _ in range(3)] == [200, 409, 409]


def test_it_counts_each_person_alone(
    alices: Client, bobs: Client, conversations: list[int], settings: Settings
) -> None:
    settings.LIMIT_SENDS = Rate(1, 60)
    assert send(alices, conversations[0]).status_code == 200
    assert send(bobs, conversations[1]).status_code == 200
    assert send(bobs, conversations[2]).status_code == 429


def test_it_takes_exactly_so_many_imports(alices: Client, conversations: list[int], settings: Settings) -> None:
    settings.LIMIT_IMPORTS = Rate(2, 3600)
    path, body = "/api/conversations/import-file", {"text": "User: a\n\nAssistant: b"}
    answers = [alices.post(path, body, content_type="application/json").status_code for _ in range(3)]
    assert answers == [200, 200, 429]


def test_it_lets_a_person_have_exactly_so_many_runs_at_once(
    alices: Client, conversations: list[int], settings: Settings
) -> None:
    settings.LIMIT_RUNS_PER_USER = 3
    answers = [send(alices, conversation) for conversation in conversations[:4]]
    assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
    assert answers[3].json()["code"] == "too_many_runs"
    Run.objects.update(state=Run.State.DONE)
    assert send(alices, conversations[3]).status_code == 200


def test_it_counts_in_the_process_while_redis_is_away(settings: Settings) -> None:
    settings.REDIS_URL = f"unix://{socket_dir(settings.DATA_DIR)}/nobody-listens.sock"
    redis_client.cache_clear()
    try:
        for _ in range(3):
            throttle.take("tests", "away", Rate(3, 60))
        with pytest.raises(TooMany):
            throttle.take("tests", "away", Rate(3, 60))
    finally:
        redis_client.cache_clear()


@pytest.fixture
def few_streams(stack: Stack) -> Iterator[Stack]:
    """The stack with a web process that keeps three streams for a person, and four in all."""
    stack.kill("web")
    stack.more_environment = {"LIMIT_STREAMS_PER_USER": "3", "LIMIT_STREAMS_PER_PROCESS": "4"}
    stack.start()
    yield stack
    stack.kill("web")
    stack.more_environment = {}


def test_it_keeps_exactly_so_many_streams_open(few_streams: Stack) -> None:
    alice, bob = few_streams.client(), few_streams.client("bob@example.org")
    events = alice.chat(alice.imported(), "Hello [[words=3]]")
    conversation = events[0]["conversation_id"]
    slow = said("Hello [[words=200 delay_ms=20]]")
    with ExitStack() as open_streams:
        first, _ = open_streams.enter_context(alice.opened("POST", chat_path(conversation), json=slow))
        watch = f"/api/runs/{first.headers['x-run-id']}/events"
        for _ in range(2):
            assert open_streams.enter_context(alice.opened("GET", watch))[0].status_code == 200
        fourth = alice.get(watch)
        assert (fourth.status_code, fourth.json()["code"]) == (429, "too_many_streams")
        assert fourth.headers["retry-after"]
        assert fourth.json()["request_id"] == fourth.headers["x-request-id"] != ""
        assert open_streams.enter_context(bob.opened("GET", watch))[0].status_code == 200
        assert bob.get(watch).status_code == 503
    run_id = first.headers["x-run-id"]
    wait_until(lambda: alice.get(f"/api/runs/{run_id}").json()["state"] == "done")  # the streams are closed by then
    assert alice.watch(run_id)[-1]["type"] == "done"

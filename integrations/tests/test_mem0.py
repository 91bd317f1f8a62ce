"""Mem0, over a real socket."""

import time
from collections.abc import Iterator
from typing import Any

import pytest

from integrations import mem0 as mem0_client
from integrations.http import ServiceAway
from integrations.mem0 import is_configured, search_memories
from integrations.tests.fake_services import FakeMem0
from integrations.tests.loopback import LoopbackServer, trickle

pytestmark = pytest.mark.usefixtures("django_db_setup")  # which starts Redis, too


@pytest.fixture
def mem0(settings: Any) -> Iterator[FakeMem0]:
    fake = FakeMem0()
    with LoopbackServer(fake) as server:
        settings.MEM0_API_URL, settings.MEM0_USER_ID = f"{server.url}/", "the team"
        yield fake


def hit(score: Any, memory: Any = "We like boats.", **more: Any) -> dict[str, Any]:
    return {"id": "1", "memory": memory, "score": score} | more


def test_it_asks_for_the_keywords_in_the_teams_memories(mem0: FakeMem0) -> None:
    search_memories(["boats", "the sea"])
    question = {"query": "boats, the sea", "user_id": "the team", "metadata": {"type": "summary"}}
    assert mem0.requests == [("/search", question)]


def test_it_keeps_the_four_nearest_hits_as_they_are(mem0: FakeMem0) -> None:
    scores = [0.4, 0.9, 0.38, 0.37999, 0.5, 0.39]
    mem0.hits = [hit(score, f"m{score}", hash="h") for score in scores]
    found = search_memories(["boats"])
    assert [row["score"] for row in found] == [0.9, 0.5, 0.4, 0.39]
    assert found[0] == {"id": "1", "memory": "m0.9", "score": 0.9, "hash": "h"}


@pytest.mark.parametrize(
    "wrong", ["text", None, [], {}, hit("0.9"), hit(True), hit(None), hit(0.9, ""), hit(0.9, None), hit(0.9, 7)]
)
def test_it_skips_a_hit_that_is_malformed(mem0: FakeMem0, wrong: Any) -> None:
    mem0.hits = [wrong, hit(0.5, "fine")]
    assert [row["memory"] for row in search_memories(["boats"])] == ["fine"]


@pytest.mark.parametrize("answer", [{}, [], "text", None, {"results": None}, {"results": {"0": hit(1)}}])
def test_it_fails_when_there_is_no_list_of_hits(mem0: FakeMem0, answer: Any) -> None:
    mem0.answers = [(200, answer)]
    with pytest.raises(ServiceAway) as caught:
        search_memories(["boats"])
    assert (caught.value.code, caught.value.retryable) == ("malformed", False)


def test_it_asks_again_when_the_server_was_busy(mem0: FakeMem0) -> None:
    mem0.answers = [(503, {})]
    mem0.hits = [hit(0.5)]
    assert len(search_memories(["boats"])) == 1
    assert len(mem0.requests) == 2


def test_it_waits_for_a_slow_answer_no_longer_than_it_may(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    assert mem0_client.SECONDS == 20
    monkeypatch.setattr(mem0_client, "SECONDS", 0.3)
    with LoopbackServer(lambda request: trickle(request, 0.02)) as server:
        settings.MEM0_API_URL = server.url
        begun = time.monotonic()
        with pytest.raises(ServiceAway) as caught:
            search_memories(["boats"])
    assert time.monotonic() - begun < 5
    assert (caught.value.code, caught.value.retryable) == ("timeout", True)


def test_it_cuts_a_memory_that_is_a_book(mem0: FakeMem0) -> None:
    mem0.hits = [hit(0.5, "x" * 100_000)]
    assert len(search_memories(["boats"])[0]["memory"]) == 4_000


def test_it_is_off_without_an_address(settings: Any) -> None:
    assert not is_configured()
    settings.MEM0_API_URL = "http://127.0.0.1:1"
    assert is_configured()

"""OpenAI's embeddings over a real socket, and all that can go wrong there."""

import time
from collections.abc import Iterator
from typing import Any

import pytest

from integrations.embeddings import openai
from integrations.embeddings.base import DIMENSIONS
from integrations.embeddings.openai import BYTES_PER_INPUT, BYTES_PER_REQUEST, OpenAIEmbedder, batches
from integrations.llm.errors import (
    AuthenticationFailed,
    LLMError,
    NotConfigured,
    ProviderRefused,
    ProviderUnavailable,
    RateLimited,
    UnknownModel,
)
from integrations.tests.fake_embeddings import FakeEmbeddings, cuts, hangs, refused, right, says, trickles

NAME = "openai/text-embedding-3-small"


@pytest.fixture
def fake() -> Iterator[FakeEmbeddings]:
    with FakeEmbeddings() as server:
        yield server


@pytest.fixture(autouse=True)
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(openai, "BACKOFF_SECONDS", 0.01)


def embedder(fake: FakeEmbeddings, name: str = NAME) -> OpenAIEmbedder:
    return OpenAIEmbedder(name, "sk-test", fake.url)


def row(*numbers: Any) -> dict[str, Any]:
    return {"data": [{"index": 0, "embedding": list(numbers)}]}


# ── What it asks ──────────────────────────────────────────────────────────────────────────────────────────────────────


def test_it_asks_as_the_vendor_wants_it(fake: FakeEmbeddings):
    assert embedder(fake).embed(["one", "two"], seconds=5).tokens == 2
    assert fake.requests == [
        {
            "path": "/v1/embeddings",
            "key": "Bearer sk-test",
            "model": "text-embedding-3-small",
            "input": ["one", "two"],
        }
    ]


def test_it_keeps_slashes_in_the_name_of_a_model(fake: FakeEmbeddings):
    embedder(fake, "openai/nomic-ai/nomic-embed-text").embed(["one"], seconds=5)
    assert fake.requests[0]["model"] == "nomic-ai/nomic-embed-text"


def test_it_asks_for_a_shorter_vector_once_it_knows(fake: FakeEmbeddings):
    fake.replies(right(3072))
    large = embedder(fake, "openai/text-embedding-3-large")
    for _ in range(2):
        assert len(large.embed(["one"], seconds=5).vectors[0]) == DIMENSIONS
    assert [request.get("dimensions") for request in fake.requests] == [None, DIMENSIONS, DIMENSIONS]


def test_it_sends_small_requests_side_by_side(fake: FakeEmbeddings):
    fake.replies(right(pause=0.05))
    answer = embedder(fake).embed([f"text {number}" for number in range(1000)], seconds=10)
    assert len(answer.vectors) == answer.tokens == 1000
    assert sorted(len(request["input"]) for request in fake.requests) == [104] + [128] * 7
    assert 2 <= fake.most_at_once <= openai.REQUESTS_AT_ONCE


def test_it_fills_requests_up_to_the_limits():
    assert list(batches([])) == []
    assert [len(batch) for batch in batches(["a"] * 300)] == [128, 128, 44]
    for batch in batches(["é" * 3000] * 100):
        assert sum(len(text.encode()) for text in batch) <= BYTES_PER_REQUEST
    assert [len(batch) for batch in batches(["é" * 3000] * 100)] == [42, 42, 16]


def test_it_cuts_what_is_too_long_for_one_input_between_characters():
    ((cut,),) = batches(["é€" * 5000])
    assert BYTES_PER_INPUT - 4 < len(cut.encode()) <= BYTES_PER_INPUT
    assert cut == ("é€" * 5000)[: len(cut)]


# ── What comes back ───────────────────────────────────────────────────────────────────────────────────────────────────


def test_it_takes_answers_without_an_index_in_their_order(fake: FakeEmbeddings):
    fake.replies(says({"data": [{"embedding": [1, 0]}, {"embedding": [0, 2]}]}))
    assert [vector[:2] for vector in embedder(fake).embed(["one", "two"], seconds=5).vectors] == [[1, 0], [0, 1]]


@pytest.mark.parametrize(
    "document",
    [
        b"<html>",
        b"",
        [],
        {},
        {"data": None},
        {"data": [3]},
        {"data": [{}]},
        row("a"),
        row(None),
        row(),
        row(1, [2]),
        {"data": []},
        {"data": [{"embedding": [1]}, {"embedding": [1]}]},
        b'{"data": [{"embedding": [NaN]}]}',
        b'{"data": [{"embedding": [1e999]}]}',
        b'{"data": [{"embedding": 5}]}',
        {"data": [{"embedding": [1]}], "usage": {"prompt_tokens": "many"}},
    ],
)
def test_it_refuses_an_answer_that_is_no_vectors(fake: FakeEmbeddings, document: Any):
    fake.replies(says(document))
    with pytest.raises(ProviderRefused, match="text-embedding-3-small"):
        embedder(fake).embed(["one"], seconds=5)
    assert len(fake.requests) == 1


def test_it_refuses_a_model_whose_vectors_stay_too_long(fake: FakeEmbeddings):
    fake.replies(says(row(*[1] * 2000)))
    with pytest.raises(ProviderRefused, match="2000 numbers"):
        embedder(fake).embed(["one"], seconds=5)
    assert len(fake.requests) == 2


@pytest.mark.parametrize(
    ("status", "code", "error"),
    [
        (401, "invalid_api_key", AuthenticationFailed),
        (404, "model_not_found", UnknownModel),
        (400, "", ProviderRefused),
        (429, "insufficient_quota", ProviderRefused),
        (307, "", ProviderRefused),
    ],
)
def test_it_does_not_repeat_what_stays_refused(fake: FakeEmbeddings, status: int, code: str, error: type[LLMError]):
    fake.replies(refused(status, code))
    with pytest.raises(error) as caught:
        embedder(fake).embed(["the text"], seconds=5)
    assert len(fake.requests) == 1
    assert "sk-" not in caught.value.message and "the text" not in caught.value.message


@pytest.mark.parametrize("failure", [refused(500), refused(503), refused(429), refused(408), cuts])
def test_it_asks_again_when_that_may_help(fake: FakeEmbeddings, failure: Any):
    fake.replies(failure, failure, right())
    assert len(embedder(fake).embed(["one"], seconds=5).vectors) == 1
    assert len(fake.requests) == 3


def test_it_gives_up_after_the_last_attempt(fake: FakeEmbeddings):
    fake.replies(refused(500))
    with pytest.raises(ProviderUnavailable):
        embedder(fake).embed(["one"], seconds=5)
    assert len(fake.requests) == openai.ATTEMPTS


def test_it_waits_as_long_as_it_is_told(fake: FakeEmbeddings):
    fake.replies(refused(429, retry_after="1"), right())
    began = time.monotonic()
    embedder(fake).embed(["one"], seconds=5)
    assert 1 <= time.monotonic() - began < 3


def test_it_does_not_wait_beyond_its_time(fake: FakeEmbeddings):
    fake.replies(refused(429, retry_after="60"), right())
    began = time.monotonic()
    with pytest.raises(RateLimited):
        embedder(fake).embed(["one"], seconds=5)
    assert time.monotonic() - began < 1


@pytest.mark.parametrize("behaviour", [hangs(), trickles()])
def test_it_ends_in_its_time(fake: FakeEmbeddings, behaviour: Any):
    fake.replies(behaviour)
    began = time.monotonic()
    with pytest.raises(ProviderUnavailable):
        embedder(fake).embed(["one"], seconds=0.4)
    assert time.monotonic() - began < 2


def test_one_failure_of_several_requests_is_a_failure(fake: FakeEmbeddings):
    fake.replies(right(), refused(401), right())
    with pytest.raises(AuthenticationFailed):
        embedder(fake).embed(["one"] * 300, seconds=5)


def test_it_says_when_nobody_listens(fake: FakeEmbeddings):
    gone = OpenAIEmbedder(NAME, "sk-test", "http://127.0.0.1:1/v1")
    with pytest.raises(ProviderUnavailable, match="could not be reached"):
        gone.embed(["one"], seconds=2)


@pytest.mark.parametrize(
    ("key", "address"),
    [("sk-ü", "http://127.0.0.1/v1"), ("sk-1", "127.0.0.1/v1"), ("sk-1", "http://[/v1"), ("s\nk", "http://127.0.0.1")],
)
def test_it_says_when_its_settings_are_mistyped(key: str, address: str):
    with pytest.raises(NotConfigured, match="mistyped"):
        OpenAIEmbedder(NAME, key, address).embed(["one"], seconds=2)

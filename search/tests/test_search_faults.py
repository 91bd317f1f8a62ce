"""What search does without its embedder, its cache, its database; and how much it asks of that."""

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from pgvector import HalfVector

from accounts.models import User
from config.env import socket_dir
from config.redis import client as redis_client
from config.tests.making import make_conversation
from conftest import make_user, signed_in
from conversations.filters import visible_conversations
from conversations.models import Conversation
from integrations.tests.fake_embeddings import FakeEmbeddings, hangs, refused, right
from search import embedding, query_vectors
from search.filters import Filters
from search.query import parse
from search.ranking import Page, explain, prepare
from search.tests.found import ask, hits
from search.tests.index import index_all

SOURCES = ("attachment", "draft_chat", "imported_chat", "project_draft")


@pytest.fixture
def conversation(alice: User) -> Conversation:
    made = make_conversation(alice)
    index_all()
    return made


@pytest.fixture
def remote(vendor: FakeEmbeddings, settings: Any) -> FakeEmbeddings:
    """An embedder that is asked over a socket; a new one for each test, so that nothing is kept of another's."""
    settings.EMBEDDING_MODEL = f"openai/{uuid.uuid4()}"
    query_vectors.remember_model("")
    return vendor


def matched(client: Client, typed: str) -> set[str]:
    return {kind for hit in hits(client, typed) for kind in hit["matched_by"]}


# ── The embedder ──────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.django_db
def test_without_an_embedder_it_finds_words_and_titles(
    remote: FakeEmbeddings, conversation: Conversation, alices: Client
):
    assert "meaning" in matched(alices, "a lamp")
    remote.replies(refused(503))
    body = ask(alices, "the lamp")
    assert body["degraded"]
    assert [hit["matched_by"] for hit in body["results"]] == [["words"]]
    assert matched(alices, "lighthouse") == {"title", "words"}
    remote.replies(right())
    assert not ask(alices, "the lamp")["degraded"]


@pytest.mark.django_db
def test_an_embedder_that_is_silent_holds_nobody_for_long(
    remote: FakeEmbeddings, conversation: Conversation, alices: Client
):
    remote.replies(hangs(8))
    body = ask(alices, "lamp")
    assert body["degraded"] and body["total_count"] == 1
    assert body["stats"]["execution_time_ms"] < 1000 * (embedding.QUERY_SECONDS + 1)


@pytest.mark.django_db
@pytest.mark.parametrize(
    "typed",
    ["https://example.org/Alighthouse", "bd766a74-2b5d-445d-acd9-42220008f907", "https://linear.app/x", '""'],
)
def test_links_and_ids_are_not_embedded(remote: FakeEmbeddings, conversation: Conversation, alices: Client, typed: str):
    remote.requests.clear()
    assert not ask(alices, typed)["degraded"]
    assert remote.requests == []


@pytest.mark.django_db
def test_a_query_is_embedded_once(remote: FakeEmbeddings, conversation: Conversation, alices: Client, bobs: Client):
    remote.requests.clear()
    first = hits(alices, "a lamp of brass")
    for client in (alices, bobs):
        for sort_by in ("score", "title"):
            assert hits(client, " a lamp  of brass ", sort_by=sort_by) == first or sort_by == "title"
    assert [request["input"] for request in remote.requests] == [["a lamp of brass"]]
    hits(alices, "a lamp of tin")
    assert len(remote.requests) == 2


@pytest.mark.django_db
def test_what_is_kept_of_a_query_is_the_vector_that_was_given(remote: FakeEmbeddings):
    given = [query_vectors.vector_of("lamp", model="openai/m") for _ in range(2)]
    assert given[0] == given[1] is not None
    assert HalfVector.from_text(str(given[0])).to_list()[8:] == [0.0] * 1528
    (key,) = redis_client().keys("search:vector:*")[:1]
    assert 0 < redis_client().ttl(key) <= query_vectors.KEPT_SECONDS


@pytest.fixture
def without_redis(settings: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr("config.redis._silent_until", 0.0)  # afterwards it is again what it was
    settings.REDIS_URL = f"unix://{socket_dir(settings.DATA_DIR)}/nobody-listens.sock"
    redis_client.cache_clear()
    yield
    redis_client.cache_clear()


@pytest.mark.django_db
def test_it_does_without_redis(remote: FakeEmbeddings, conversation: Conversation, alices: Client, without_redis: None):
    remote.requests.clear()
    for _ in range(2):
        assert "meaning" in matched(alices, "a lamp")
    assert len(remote.requests) == 2


@pytest.mark.django_db
def test_it_compares_with_the_model_that_is_active(
    remote: FakeEmbeddings, conversation: Conversation, alices: Client, settings: Any
):
    hits(alices, "lamp")
    embedding.build("openai/next")
    index_all()
    remote.requests.clear()
    hits(alices, "tall tower")
    assert embedding.switch_if_built()
    assert "meaning" in matched(alices, "a lamp of next")
    assert [request["model"] for request in remote.requests][-1] == "next"
    assert query_vectors.assumed_model() == "openai/next"


# ── The database ──────────────────────────────────────────────────────────────────────────────────────────────────────


@contextmanager
def locked(table: str) -> Iterator[None]:
    """Somebody else has locked a table, so that whoever reads it waits."""
    database = connection.settings_dict
    address = {"host": database["HOST"], "port": database["PORT"], "user": database["USER"], "dbname": database["NAME"]}
    with psycopg.connect(**address) as other:
        other.execute(f"LOCK TABLE {table}")
        yield


def test_a_search_that_takes_too_long_is_given_up(committed: None):
    client = signed_in(make_user("alice@example.org"))
    with locked("projects"):
        response = client.get("/api/search", {"q": "lamp"})
    body = response.json()
    assert (response.status_code, body["code"]) == (503, "search_timeout")
    assert (body["results"], body["total_count"], body["has_more"]) == ([], 0, False)
    assert response["Retry-After"]
    assert client.get("/api/search", {"q": "lamp"}).status_code == 200


@pytest.mark.django_db
def test_it_asks_the_database_once(conversation: Conversation, alices: Client):
    hits(alices, "warm up")
    with CaptureQueriesContext(
        connection,
    ) as of_nothing:
        alices.get("/api/auth/me")
    for typed in ("lamp", '"a lamp" of glass', "https://example.org/x", "lighthuose"):
        with CaptureQueriesContext(connection) as captured:
            ask(alices, typed, status="in_progress", has_files="false", limit=100)
        assert len(captured) == len(of_nothing) + 1, typed


@pytest.mark.django_db
def test_settings_of_a_search_are_its_own():
    sql, _ = prepare(parse("lamp"), None, Conversation.objects.all(), [], Page())
    settings = sql[: sql.index(" WITH ")]
    assert [part.split()[:2] for part in settings.split(";") if part.strip()] == [["SET", "LOCAL"]] * 5


def plan(user: User, sources: tuple[str, ...] = (), typed: str = "lamp") -> list[str]:
    """How PostgreSQL would search if there were too much to read everything."""
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off; SET LOCAL enable_sort = off; SET LOCAL enable_bitmapscan = off")
    vector = query_vectors.vector_of("lamp", model="offline/wordllama-256")
    visible = visible_conversations(user, Filters(status="in_progress"))
    return explain(*prepare(parse(typed), vector, visible, sources, Page()))


def vector_scans(lines: list[str]) -> list[str]:
    return [line for line in lines if "Index Scan using" in line and "embedding_idx" in line]


@pytest.mark.django_db
def test_it_walks_the_index_of_vectors_of_each_source(conversation: Conversation, alice: User):
    scans = vector_scans(plan(alice))
    assert len(scans) == len(SOURCES)
    assert all(any(f"search_chunks_{source}_embedding_idx" in line for line in scans) for source in SOURCES)


@pytest.mark.django_db
@pytest.mark.parametrize("source", SOURCES)
def test_it_reads_the_partition_of_the_source_that_is_asked_for(conversation: Conversation, alice: User, source: str):
    lines = plan(alice, (source,))
    assert len(vector_scans(lines)) == 1
    until_the_page = lines[: next(number for number, line in enumerate(lines) if "CTE ranked" in line)]
    others = [f"search_chunks_{other}" for other in SOURCES if other != source]
    assert [line for line in until_the_page if any(other in line for other in others)] == []


@pytest.mark.django_db
def test_it_looks_for_titles_by_their_indexes(conversation: Conversation):
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off; SET LOCAL enable_indexscan = off")
    lines = explain(*prepare(parse("lamp"), None, Conversation.objects.all(), [], Page()))
    for index in ("conversations_title_words", "idx_conversations_title_trgm"):
        assert any(f"Bitmap Index Scan on {index}" in line for line in lines)

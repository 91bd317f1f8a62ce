"""`manage.py reindex`, called as an operator calls it."""

import signal
import subprocess
import sys
import time
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.core.management.base import OutputWrapper

from accounts.models import User
from config.env import BASE_DIR
from config.tests.making import make_conversation, make_draft
from config.tests.stack import Stack, wait_until
from conftest import make_user
from drafts.management.commands.seed import make as seed
from integrations.tests.fake_embeddings import FakeEmbeddings, refused, right
from search import embedding
from search.management.progress import ProgressBar
from search.models import EmbeddingModel, OutboxEntry, SearchChunk
from search.tests.index import attach, held, index_all, make_due, rows, run, texts, wanted


def reindex(*arguments: str) -> str:
    out = StringIO()
    call_command("reindex", *arguments, stdout=out)
    return out.getvalue()


def damage() -> None:
    """An index as no trigger would leave it: something is missing, something is wrong, something is too much."""
    run("DELETE FROM search_chunks WHERE text = 'With a lamp.'")
    run("UPDATE search_chunks SET text = 'Build a pier.', content_hash = 'x' WHERE text = 'Build a lighthouse.'")
    run("UPDATE project_drafts SET active_version_id = NULL")
    run("DELETE FROM search_outbox")


@pytest.mark.django_db
def test_it_makes_the_index_right(alice: User):
    make_draft(make_conversation(alice))
    index_all()
    damage()
    assert held() != wanted()
    assert "The index is right: 2 sources." in reindex()
    assert held() == wanted()
    assert not OutboxEntry.objects.exists()


@pytest.mark.django_db
def test_it_changes_nothing_in_a_dry_run(alice: User):
    make_draft(make_conversation(alice))
    index_all()
    damage()
    run("UPDATE search_chunks SET embedding = NULL WHERE source_type = 'imported_chat'")
    before = held()
    assert "2 chunks would be added, 2 deleted; 0 have no vector" in reindex("--dry-run")
    assert held() == before
    assert not OutboxEntry.objects.exists()
    assert "0 chunks would be added, 0 deleted" in (reindex() and reindex("--dry-run"))
    run("UPDATE search_chunks SET embedding = NULL")
    assert "2 have no vector" in reindex("--dry-run")


@pytest.mark.django_db
def test_a_dry_run_tells_what_another_model_needs(alice: User, vendor: FakeEmbeddings):
    make_conversation(alice)
    index_all()
    assert "2 chunks would be added, 0 deleted" in reindex("--dry-run", "--model", "openai/new")
    assert EmbeddingModel.objects.count() == 1
    assert vendor.requests == []


@pytest.mark.django_db
def test_it_keeps_to_one_conversation_or_source(alice: User):
    first, second = make_conversation(alice), make_conversation(alice, "Another")
    attach(first, "Tide tables")
    index_all()
    run("DELETE FROM search_chunks")
    assert "2 sources" in reindex("--conversation", str(first.pk))
    assert set(SearchChunk.objects.values_list("conversation_id", flat=True)) == {first.pk}
    run("DELETE FROM search_chunks")
    reindex("--source-type", "attachment")
    assert texts() == ["Tide tables"]
    assert "0 sources" in reindex("--conversation", str(second.pk), "--source-type", "attachment")


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--conversation", "999"], "no conversation 999"),
        (["--model", "openai/new"], "OPENAI_API_KEY"),
        (["--model", "acme"], "knows no embedding model"),
        (["--model", "offline", "--source-type", "attachment"], "leave --conversation"),
    ],
)
def test_it_says_what_it_cannot_do(arguments: list[str], words: str):
    with pytest.raises(CommandError, match=words):
        reindex(*arguments)


@pytest.mark.django_db
def test_it_goes_on_with_what_an_earlier_call_left(alice: User):
    for number in range(5):
        make_conversation(alice, f"Title {number}")
    index_all()
    run("INSERT INTO search_outbox (conversation_id, source_type, is_reindex) "
        "SELECT id, 'imported_chat', true FROM conversations LIMIT 2")  # fmt: skip
    assert "Going on with 2 sources" in (out := reindex())
    assert "The index is right: 2 sources." in out


@pytest.mark.django_db
def test_it_does_not_pass_over_what_has_just_changed(alice: User):
    make_conversation(alice)
    assert "The index is right: 1 sources." in reindex()
    assert held() == wanted() != []


def test_it_says_when_the_model_does_not_answer(committed: None, vendor: FakeEmbeddings, settings: Any):
    settings.EMBEDDING_MODEL = "openai/new"
    make_conversation(make_user("alice@example.org"))
    vendor.replies(refused(401))
    with pytest.raises(CommandError, match="1 sources could not be finished"):
        reindex()
    assert len(vendor.requests) == 2
    assert len(texts()) == 2
    vendor.replies(right())
    run("UPDATE search_outbox SET is_reindex = true, due_at = now() + interval '5 minutes', attempts = 9")
    assert "The index is right: 1 sources." in reindex()


# ── Another model ─────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.django_db
def test_it_changes_the_model(alice: User, vendor: FakeEmbeddings):
    make_draft(make_conversation(alice))
    index_all()
    assert "Search uses openai/new" in reindex("--model", "openai/new")
    assert embedding.active_model().name == "openai/new"
    assert rows("SELECT count(DISTINCT embedding_model_id), count(embedding) FROM search_chunks") == [(1, 3)]
    assert "Search uses offline/wordllama-256" in reindex("--model", "offline")
    assert held() == wanted()


@pytest.mark.django_db
def test_the_model_that_is_used_already_ends_the_building_of_another(alice: User, vendor: FakeEmbeddings):
    make_conversation(alice)
    index_all()
    embedding.build("openai/new")
    reindex("--model", "offline")
    assert not EmbeddingModel.objects.filter(state="building").exists()


# ── While others work ─────────────────────────────────────────────────────────────────────────────────────────────────


def start(stack: Stack, *arguments: str) -> subprocess.Popen[bytes]:
    command = [sys.executable, "manage.py", "reindex", *arguments]
    return subprocess.Popen(command, cwd=BASE_DIR, env=stack.environment(), stdout=subprocess.PIPE)


def test_it_goes_on_after_a_kill(stack: Stack):
    seed(make_user("alice@example.org"), range(200))
    run("DELETE FROM search_outbox")
    process = start(stack)
    wait_until(lambda: SearchChunk.objects.count() > 100 and OutboxEntry.objects.count() < 400, 30)
    process.send_signal(signal.SIGKILL)
    process.wait(10)
    left = OutboxEntry.objects.count()
    assert 0 < left < 400
    make_due()  # the lease of what it had in hand
    again = start(stack)
    out, _ = again.communicate(timeout=60)
    assert again.returncode == 0
    assert f"Going on with {left:,} sources".encode() in out
    assert held() == wanted()
    assert len(held()) == 600


# ── The bar ───────────────────────────────────────────────────────────────────────────────────────────────────────────


class Terminal(StringIO):
    def isatty(self) -> bool:
        return True


def test_the_bar_stays_on_one_line_of_a_terminal():
    out = Terminal()
    bar = ProgressBar(OutputWrapper(out), "sources")
    bar.show(0, 200)
    time.sleep(0.01)
    bar.show(100, 200)
    bar.show(200, 200)
    bar.end()
    *drawn, rest = out.getvalue().split("\r")[1:]
    assert drawn[0].startswith("[" + " " * 30 + "] 0 of 200 sources")
    assert drawn[1].startswith("[" + "#" * 15 + " " * 15 + "] 100 of 200 sources") and "left" in drawn[1]
    assert rest.startswith("[" + "#" * 30 + "] 200 of 200 sources") and "left" not in rest
    assert out.getvalue().count("\n") == 1


def test_the_bar_writes_few_lines_into_a_file():
    out = StringIO()
    bar = ProgressBar(OutputWrapper(out), "sources")
    for done in range(100):
        bar.show(done, 100)
    bar.show(100, 100)
    bar.end()
    assert [line.split("]")[1].split(",")[0] for line in out.getvalue().splitlines()] == [
        " 0 of 100 sources",
        " 100 of 100 sources",
    ]

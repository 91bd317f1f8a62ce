"""A chat that is too long for its model, read by the external summariser, in real processes."""

from collections.abc import Iterator
from typing import Any

import pytest

from config.tests.stack import Stack, wait_until
from conversations import summary_jobs
from conversations.models import ImportedSummary, Run, SummaryJob
from drafts.services import PLACEHOLDER_TITLE
from drafts.tests.steps import LONG, SMALL, configured, import_text, states
from integrations.tests.fake_services import FakeSummarizer
from integrations.tests.loopback import LoopbackServer


@pytest.fixture(scope="module")
def server(_processes: Stack) -> Iterator[tuple[FakeSummarizer, str]]:
    """A summariser that the runner knows as long as these tests take."""
    fake = FakeSummarizer()
    with LoopbackServer(fake) as at, configured(_processes, METACOGNITION_API_URL=at.url):
        yield fake, at.url


@pytest.fixture
def summarizer(stack: Stack, server: tuple[FakeSummarizer, str], settings: Any) -> FakeSummarizer:
    """Also configured here, where the tests take a worker's part."""
    fake, settings.METACOGNITION_API_URL = server
    fake.pace = 10_000
    return fake


def take_steps() -> None:
    SummaryJob.objects.update(next_check_at="2020-01-01T00:00:00Z")
    while job := summary_jobs.claim():
        summary_jobs.advance(job)


def test_it_ends_with_the_placeholder_and_writes_the_draft_when_the_service_has_read(
    stack: Stack, summarizer: FakeSummarizer
) -> None:
    alice = stack.client()
    events = import_text(alice, LONG, **SMALL)
    assert states(events) == ["importing", "summarizing"]
    version = events[-1]["project_draft"]["active_version"]
    assert (version["title"], version["version_number"]) == (PLACEHOLDER_TITLE, 1)
    assert stack.outside.requests == []
    conversation = events[-1]["conversation"]["id"]
    assert alice.get(f"/api/conversations/{conversation}/imported_chat_summary").status_code == 404
    take_steps()
    assert alice.get(f"/api/conversations/{conversation}/imported_chat_summary").json() == {
        "summary": "Summary of 2 messages"
    }
    wait_until(lambda: alice.versions(conversation)[0]["title"] == "Made up")
    assert alice.versions(conversation)[0]["version_number"] == 1
    assert "Summary of 2 messages" in stack.outside.requests[-1]["messages"][-1]["content"]


def test_it_leaves_a_draft_alone_that_a_person_wrote_while_it_waited(stack: Stack, summarizer: FakeSummarizer) -> None:
    alice = stack.client()
    conversation = import_text(alice, LONG, **SMALL)[-1]["conversation"]["id"]
    alice.patch(f"/api/conversations/{conversation}/project-draft", {"title": "By hand", "description": "Mine"})
    take_steps()
    wait_until(lambda: Run.objects.filter(kind="generate", state="done").exists())
    assert alice.versions(conversation)[0]["title"] == "By hand"
    assert stack.outside.requests == []


def test_it_writes_the_draft_from_a_summary_of_ours_when_the_service_takes_too_long(
    stack: Stack, summarizer: FakeSummarizer
) -> None:
    alice = stack.client()
    summarizer.pace = 0
    conversation = import_text(alice, LONG, **SMALL)[-1]["conversation"]["id"]
    take_steps()
    SummaryJob.objects.update(deadline="2020-01-01T00:00:00Z")
    take_steps()
    wait_until(lambda: ImportedSummary.objects.exists())
    wait_until(lambda: not Run.objects.active().exists())
    take_steps()
    wait_until(lambda: alice.versions(conversation)[0]["title"] == "Made up")
    assert ImportedSummary.objects.get().external_id is None
    assert "<summary>" in stack.outside.requests[-1]["messages"][-1]["content"]
    assert SummaryJob.objects.get().state == "timed_out"

"""A long chat that the external summariser reads while the workers that tell it are killed, in real processes."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.db import transaction

from chat.models import ChatMessage, ChatSummary, FileAttachment
from chat.summarising import note_growth
from config.tests.making import make_conversation, make_draft
from config.tests.stack import Stack, wait_until
from conftest import make_user
from conversations.models import Run, SummaryJob
from conversations.tasks import advance_summaries
from drafts.models import ProjectDraft
from integrations.tests.fake_services import FakeSummarizer
from integrations.tests.loopback import LoopbackServer

MESSAGES, LATER = 3_000, 10
LONG_AGO = "2020-01-01T00:00:00Z"
Told = list[dict[str, str]]


class Workers:
    """Workers that are there for as long as they are needed, on the queue of the test's own database."""

    def __init__(self, stack: Stack, capfd: pytest.CaptureFixture[str]) -> None:
        self._stack, self._capfd = stack, capfd
        self._usual, self._said = stack.more_environment, ""

    def die_at(self, point: str) -> None:
        """Has the task done by a worker whose process kills itself at `point`; then the rest of it is killed, too.

        The lease of a killed worker's step, 150 seconds, is set back, as if they had passed.
        """
        before = self._log().count(f"Fail-point {point}")
        self._start(FAILPOINTS=f"{point}=1")
        wait_until(lambda: self._log().count(f"Fail-point {point}") > before, 30)
        self.stop()
        job = SummaryJob.objects.get()
        assert job.lease_until is not None
        SummaryJob.objects.update(lease_until=LONG_AGO, next_check_at=LONG_AGO)

    def finish(self) -> SummaryJob:
        """Has the task done by a worker that lives."""
        self._start()
        wait_until(lambda: SummaryJob.objects.get().state == SummaryJob.State.DONE, 30)
        self.stop()
        return SummaryJob.objects.get()

    def stop(self) -> None:
        if self._stack.is_running("worker"):
            self._stack.kill("worker")
        self._stack.more_environment = self._usual

    def _start(self, **variables: str) -> None:
        self._stack.more_environment = self._usual | variables
        self._stack.start_worker()
        advance_summaries.delay()

    def _log(self) -> str:
        self._said += self._capfd.readouterr().err
        return self._said


@pytest.fixture
def service(stack: Stack, settings: Any) -> Iterator[FakeSummarizer]:
    """Configured here, where the chat grows, and for the workers."""
    fake, usual = FakeSummarizer(), stack.more_environment
    with LoopbackServer(fake) as server:
        settings.METACOGNITION_API_URL = server.url
        stack.more_environment = usual | {"METACOGNITION_API_URL": server.url}
        yield fake
        stack.more_environment = usual


@pytest.fixture
def workers(stack: Stack, service: FakeSummarizer, capfd: pytest.CaptureFixture[str]) -> Iterator[Workers]:
    workers = Workers(stack, capfd)
    yield workers
    workers.stop()


@pytest.fixture
def draft(stack: Stack, service: FakeSummarizer) -> ProjectDraft:
    """With all but the last ten messages, and a file that has text."""
    draft = make_draft(make_conversation(make_user("alice@example.org")))
    say(draft, MESSAGES - LATER)
    FileAttachment.objects.create(
        conversation=draft.conversation,
        chat_message=ChatMessage.objects.earliest("pk"),
        filename="plan.txt",
        file_size=1,
        file_type="text/plain",
        s3_key="plan.txt",
        extracted_text="Words",
        extraction=FileAttachment.Extraction.READY,
        uploaded_by_user=draft.created_by_user,
    )
    tell(draft)
    return draft


def say(draft: ProjectDraft, count: int) -> None:
    said = ChatMessage.objects.filter(project_draft=draft).count()
    roles = (ChatMessage.Role.ASSISTANT, ChatMessage.Role.USER)
    ChatMessage.objects.bulk_create(
        ChatMessage(
            project_draft=draft,
            role=roles[number % 2],
            content=f"Message {number}",
            sequence_number=number,
            sent_by_user=draft.created_by_user,
        )
        for number in range(said + 1, said + count + 1)
    )


def tell(draft: ProjectDraft) -> None:
    """What storing an answer does."""
    with transaction.atomic():
        note_growth(draft.conversation)


def all_said() -> Told:
    rows = ChatMessage.objects.order_by("sequence_number").values_list("role", "content")
    return [{"role": role, "content": content} for role, content in rows]


def test_it_brings_the_summary_of_three_thousand_messages_once_though_a_worker_dies_at_every_step(
    draft: ProjectDraft, service: FakeSummarizer, workers: Workers
) -> None:
    workers.die_at("before_summary_call")
    assert service.requests == []
    workers.die_at("after_summary_call")
    assert list(service.conversations.values()) == [all_said()]
    workers.die_at("before_summary_stored")
    assert (ChatSummary.objects.count(), SummaryJob.objects.get().external_id) == (0, None)
    workers.die_at("after_summary_document")
    assert (len(service.documents), service.links) == (1, [])
    job = workers.finish()
    assert (job.told, len(service.links)) == (MESSAGES - LATER, 1)

    say(draft, LATER)
    tell(draft)
    workers.die_at("after_summary_call")  # the service was told the newest, and nobody here knows that
    assert SummaryJob.objects.get().told == MESSAGES - LATER
    job = workers.finish()
    assert (job.told, job.failures, job.error_code) == (MESSAGES, 0, "")
    assert service.conversations[job.external_id or 0] == all_said()
    assert len(all_said()) == MESSAGES
    summary = ChatSummary.objects.get()
    assert (summary.summary, summary.external_id) == (f"Summary of {MESSAGES} messages", job.external_id)
    assert summary.latest_message_id == ChatMessage.objects.latest("sequence_number").pk
    assert [number for number, _ in service.links] == [job.external_id]
    assert not Run.objects.filter(kind=Run.Kind.SUMMARY).exists()

"""What the external summariser is told and asked, a step at a time, over a real socket."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone

from accounts.models import User
from chat.models import ChatMessage, ChatSummary, FileAttachment
from chat.summarising import note_growth
from config.tests.making import CHAT, make_conversation, make_draft, make_run, make_turn
from conversations import deletion, services, summaries, summary_jobs
from conversations.models import Conversation, ImportedSummary, Run, SummaryJob
from conversations.tasks import advance_summaries
from drafts.models import ProjectDraft
from integrations.importers.detect import read_text
from integrations.tests.fake_services import FakeSummarizer
from integrations.tests.loopback import LoopbackServer

State = SummaryJob.State
IMPORTED, OF_CHAT = SummaryJob.Source.IMPORTED, SummaryJob.Source.CHAT
TEXT = "User: Build a lighthouse.\n\nAssistant: With a lamp."


@pytest.fixture
def service(settings: Any) -> Iterator[FakeSummarizer]:
    fake = FakeSummarizer()
    with LoopbackServer(fake) as server:
        settings.METACOGNITION_API_URL, settings.METACOGNITION_AUTH_TOKEN = server.url, "secret"
        yield fake


@pytest.fixture
def conversation(alice: User, service: FakeSummarizer) -> Conversation:
    return services.create_from_chat(user=alice, chat=read_text(TEXT))


def job_of(source: str = IMPORTED) -> SummaryJob:
    return SummaryJob.objects.get(source=source)


def make_due() -> None:
    SummaryJob.objects.update(next_check_at=timezone.now() - timedelta(seconds=1))


def step(times: int = 1) -> SummaryJob:
    """Takes steps of the job that there is, each as soon as may be."""
    for _ in range(times):
        make_due()
        job = summary_jobs.claim()
        assert job is not None
        summary_jobs.advance(job)
    return SummaryJob.objects.get()


def summary() -> str | None:
    return ImportedSummary.objects.values_list("summary", flat=True).first()


def runs() -> list[tuple[str, dict[str, Any]]]:
    return list(Run.objects.values_list("kind", "payload"))


def test_it_tells_the_service_of_every_import_and_keeps_what_it_says(
    conversation: Conversation, service: FakeSummarizer
) -> None:
    assert step().state == State.DONE
    assert service.conversations == {1: CHAT}
    row = ImportedSummary.objects.get()
    assert (row.summary, row.external_id, row.is_manual) == ("Summary of 2 messages", 1, False)
    assert summary_jobs.claim() is None
    assert runs() == []


def test_it_keeps_no_summary_of_a_part_and_asks_again_after_five_seconds(
    conversation: Conversation, service: FakeSummarizer
) -> None:
    service.pace = 1
    job = step()
    assert (job.state, job.told, job.external_id, job.lease_until) == (State.POLLING, 2, 1, None)
    assert timedelta(seconds=4) < job.next_check_at - timezone.now() <= timedelta(seconds=5)
    assert summary() is None
    assert summary_jobs.claim() is None
    assert step().state == State.DONE
    assert summary() == "Summary of 2 messages"
    assert service.requests[-1][1] == {"summary_id": 1, "index_of_first_new_message": 0, "new_messages": []}


def test_it_goes_on_where_the_service_is_after_a_worker_died_before_it_could_note_it(
    conversation: Conversation, service: FakeSummarizer
) -> None:
    service.pace = 0
    step()
    SummaryJob.objects.update(state=State.SENDING, told=0)  # as if the first step had not been stored
    service.pace = 10
    assert step().state == State.DONE
    assert service.conversations == {1: CHAT}
    assert [body["index_of_first_new_message"] for _, body in service.requests] == [0, 0, 0]
    assert service.requests[-1][1]["new_messages"] == []


def test_it_sends_again_what_the_service_has_lost(conversation: Conversation, service: FakeSummarizer) -> None:
    service.pace = 0
    step()
    service.answers = [(400, {"status": "error", "message": "Expected index 1 but got 0"})]
    service.conversations[1].pop()
    service.pace = 10
    assert step().state == State.DONE
    assert service.conversations == {1: CHAT}


@pytest.mark.parametrize(
    ("answers", "code"),
    [
        ([(400, {"message": "Expected index 99 but got 0"})], "malformed"),
        ([(200, {"status": "success", "summary_id": 1, "latest_processed_message_idx": 7})], "malformed"),
        ([(200, "words")], "malformed"),
        ([(401, {})], "unauthorized"),
        ([(404, {})], "refused"),
        ([(400, {"status": "error", "message": "no"})], "refused"),
    ],
)
def test_it_leaves_the_summary_to_a_model_when_the_service_makes_no_sense(
    conversation: Conversation, service: FakeSummarizer, answers: list[Any], code: str
) -> None:
    service.answers = answers
    job = step()
    assert (job.state, job.error_code) == (State.FAILED, code)
    assert runs() == [("summary", {"source": "imported"})]
    assert summary() is None
    assert summary_jobs.claim() is None


def test_it_waits_twice_as_long_after_each_failure(conversation: Conversation, service: FakeSummarizer) -> None:
    service.is_cut = True
    pauses = [round((step().next_check_at - timezone.now()).total_seconds()) for _ in range(8)]
    assert pauses == [5, 10, 20, 40, 80, 160, 300, 300]
    job = job_of()
    assert (job.state, job.failures, job.error_code) == (State.SENDING, 8, "interrupted")
    service.is_cut = False
    assert step().state == State.DONE
    assert (job_of().failures, job_of().error_code) == (0, "")


def test_it_waits_as_long_as_it_is_asked_to(conversation: Conversation, service: FakeSummarizer) -> None:
    service.headers_of_answers = {"Retry-After": "60"}
    service.answers = [(503, {})]
    assert round((step().next_check_at - timezone.now()).total_seconds()) == 60


def test_it_gives_the_service_a_hundred_minutes(conversation: Conversation, service: FakeSummarizer) -> None:
    left = job_of().deadline - timezone.now()
    assert timedelta(minutes=99) < left <= timedelta(minutes=100)
    service.pace = 0
    assert step(3).state == State.POLLING
    SummaryJob.objects.update(deadline=timezone.now())
    job = step()
    assert (job.state, job.error_code) == (State.TIMED_OUT, "timed_out")
    assert runs() == [("summary", {"source": "imported"})]
    assert len(service.requests) == 3


def test_it_stops_when_the_service_is_switched_off(conversation: Conversation, settings: Any) -> None:
    settings.METACOGNITION_API_URL = ""
    assert step().error_code == "not_configured"
    assert runs() == [("summary", {"source": "imported"})]


def test_it_stops_for_a_conversation_that_is_deleted(
    alice: User, conversation: Conversation, service: FakeSummarizer
) -> None:
    make_due()
    job = summary_jobs.claim()
    assert job is not None
    services.delete(user=alice, conversation_id=conversation.pk)
    summary_jobs.advance(job)
    assert service.requests == []
    assert (job_of().state, summary(), runs()) == (State.SENDING, None, [])


@pytest.mark.parametrize("source", [IMPORTED, OF_CHAT])
def test_it_goes_on_with_a_conversation_that_is_restored(
    alice: User, conversation: Conversation, service: FakeSummarizer, source: str
) -> None:
    SummaryJob.objects.update(source=source)
    services.delete(user=alice, conversation_id=conversation.pk)
    make_due()
    assert summary_jobs.claim() is None
    deletion.restore(user=alice, conversation_id=conversation.pk)
    job = summary_jobs.claim()
    assert job is not None
    assert job.source == source


def test_it_stores_nothing_of_a_step_that_another_worker_has_taken(
    conversation: Conversation, service: FakeSummarizer
) -> None:
    make_due()
    slow = summary_jobs.claim()
    assert slow is not None
    assert summary_jobs.claim() is None  # it is held
    SummaryJob.objects.update(lease_until=timezone.now() - timedelta(seconds=1))
    quick = summary_jobs.claim()
    assert quick is not None
    assert quick.fence == slow.fence + 1
    summary_jobs.advance(slow)
    assert (summary(), job_of().state) == (None, State.SENDING)
    summary_jobs.advance(quick)
    assert (summary(), job_of().state) == ("Summary of 2 messages", State.DONE)


def test_it_never_replaces_what_a_person_wrote(
    alice: User, conversation: Conversation, service: FakeSummarizer
) -> None:
    make_due()
    job = summary_jobs.claim()
    assert job is not None
    services.write_summary(user=alice, conversation_id=conversation.pk, summary="By hand")
    summary_jobs.advance(job)
    assert (summary(), job_of().state) == ("By hand", State.SUPERSEDED)
    services.replace_chat(conversation=conversation, chat=read_text(f"{TEXT}\n\nUser: More."))
    assert (summary(), job_of().state) == ("By hand", State.SUPERSEDED)


def test_it_asks_anew_when_the_chat_is_imported_again(conversation: Conversation, service: FakeSummarizer) -> None:
    step()
    services.replace_chat(conversation=conversation, chat=read_text(f"{TEXT}\n\nUser: More."))
    assert summary() is None
    assert step().state == State.DONE
    assert summary() == "Summary of 3 messages"
    assert len(service.conversations) == 2


WAITING = {"llm_provider": "openai", "llm_model": "gpt-4o", "fills_placeholder": True}


def wait_for_draft(conversation: Conversation) -> None:
    run = {"kind": "generate", "user_id": conversation.imported_by_user_id, "payload": WAITING}
    SummaryJob.objects.update(then=run)


def test_it_has_the_waiting_draft_written_once_there_is_a_summary(conversation: Conversation) -> None:
    wait_for_draft(conversation)
    assert step().then is not None
    assert runs() == []
    assert step().then is None
    assert runs() == [("generate", WAITING)]
    assert summary_jobs.claim() is None


def test_it_lets_the_waiting_draft_wait_while_the_conversation_is_worked_on(
    alice: User, conversation: Conversation
) -> None:
    wait_for_draft(conversation)
    importing = make_run(alice, conversation, kind=Run.Kind.IMPORT, state=Run.State.RUNNING)
    assert step(3).then is not None
    importing.delete()
    assert step().then is None


@pytest.mark.parametrize("outcome", [Run.State.DONE, Run.State.FAILED])
def test_it_has_the_waiting_draft_written_after_our_own_summary_whatever_came_of_that(
    conversation: Conversation, outcome: str
) -> None:
    wait_for_draft(conversation)
    SummaryJob.objects.update(deadline=timezone.now())
    assert step(2).then is not None  # the summary run is not over
    Run.objects.filter(kind=Run.Kind.SUMMARY).update(state=outcome)
    assert step().then is None
    assert ("generate", WAITING) in runs()


def test_it_starts_no_waiting_run_on_a_locked_conversation(conversation: Conversation) -> None:
    wait_for_draft(conversation)
    Conversation.objects.update(is_locked=True)
    assert step(2).then is None
    assert runs() == []


def test_it_keeps_the_waiting_draft_when_the_chat_is_imported_again(conversation: Conversation) -> None:
    wait_for_draft(conversation)
    services.replace_chat(conversation=conversation, chat=read_text(f"{TEXT}\n\nUser: More."))
    assert job_of().then is not None


def test_it_takes_all_steps_that_are_due_in_one_task(alice: User, service: FakeSummarizer) -> None:
    for number in range(3):
        services.create_from_chat(user=alice, chat=read_text(f"{TEXT} {number}"))
    make_due()
    assert advance_summaries() == 3
    assert ImportedSummary.objects.count() == 3


def test_it_is_told_nothing_without_a_service(alice: User) -> None:
    services.create_from_chat(user=alice, chat=read_text(TEXT))
    assert SummaryJob.objects.count() == 0


# The chat about a draft


def talk(draft: ProjectDraft, turns: int) -> None:
    start = ChatMessage.objects.count() // 2
    for number in range(start, start + turns):
        make_turn(draft, f"Question {number}", f"Answer {number}")
    note_growth(draft.conversation)


@pytest.fixture
def draft(alice: User, service: FakeSummarizer) -> ProjectDraft:
    return make_draft(make_conversation(alice))


def covered() -> tuple[str, int]:
    """The rolling summary, and the sequence number of the last message that it covers."""
    row = ChatSummary.objects.get()
    return row.summary, ChatMessage.objects.get(pk=row.latest_message_id).sequence_number


def test_it_tells_the_service_of_a_chat_from_twenty_messages_on(draft: ProjectDraft, service: FakeSummarizer) -> None:
    talk(draft, 9)
    assert SummaryJob.objects.count() == 0
    talk(draft, 1)
    assert step().state == State.DONE
    assert len(service.conversations[1]) == 20
    assert covered() == ("Summary of 20 messages", 20)


def test_it_tells_the_service_only_what_is_new_and_ten_messages_at_a_time(
    draft: ProjectDraft, service: FakeSummarizer
) -> None:
    talk(draft, 10)
    step()
    talk(draft, 4)
    assert job_of(OF_CHAT).state == State.DONE
    talk(draft, 1)
    assert step().state == State.DONE
    body = service.requests[-1][1]
    assert (body["summary_id"], body["index_of_first_new_message"], len(body["new_messages"])) == (1, 20, 10)
    assert body["new_messages"][0] == {"role": "user", "content": "Question 10"}
    assert covered() == ("Summary of 30 messages", 30)


def test_it_keeps_a_summary_of_the_part_that_was_read(draft: ProjectDraft, service: FakeSummarizer) -> None:
    service.pace = 8
    talk(draft, 10)
    assert step().state == State.POLLING
    assert covered() == ("Summary of 8 messages", 8)
    assert step(2).state == State.DONE
    assert covered() == ("Summary of 20 messages", 20)


def attach(draft: ProjectDraft, name: str, text: str | None, file_type: str = "application/pdf") -> None:
    FileAttachment.objects.create(
        conversation=draft.conversation,
        chat_message=ChatMessage.objects.latest("pk"),
        filename=name,
        file_size=1,
        file_type=file_type,
        s3_key=name,
        extracted_text=text,
        uploaded_by_user=draft.created_by_user,
    )


def test_it_sends_files_that_have_text_once(draft: ProjectDraft, service: FakeSummarizer) -> None:
    talk(draft, 1)
    attach(draft, "plan.pdf", "Words")
    attach(draft, "photo.png", "A lighthouse", "image/png")
    attach(draft, "data.csv", "1,2", "text/csv")
    attach(draft, "not read yet.pdf", None)
    note_growth(draft.conversation)
    assert step(5).state == State.DONE
    told = {(body["description"], body["document_type"], body["content"]) for body in service.documents.values()}
    expected = {("plan.pdf", "pdf", "Words"), ("photo.png", "image", "A lighthouse"), ("data.csv", "text", "1,2")}
    assert told == expected
    assert len(service.links) == 3
    note_growth(draft.conversation)
    assert job_of(OF_CHAT).state == State.DONE


def test_it_has_a_chat_summarised_by_a_model_when_the_service_fails(
    draft: ProjectDraft, service: FakeSummarizer
) -> None:
    service.answers = [(401, {})]
    talk(draft, 10)
    assert step().state == State.FAILED
    assert runs()[-1] == ("summary", {"source": "chat"})
    source = summaries.source_of("chat")
    portion = source.portion(draft.conversation_id)
    assert portion.covered == 10
    assert "Answer 4" in portion.text
    assert "Question 5" not in portion.text  # the ten newest stay as they are


def test_it_never_goes_back_behind_a_newer_summary_of_a_chat(draft: ProjectDraft) -> None:
    talk(draft, 10)
    source = summaries.source_of("chat")
    for count in (12, 6):
        source.store(draft.conversation, f"of {count}", covered=count, external_id=None, basis=None)
    assert covered() == ("of 12", 12)


def test_it_reads_a_chat_from_where_the_summary_before_ended(draft: ProjectDraft) -> None:
    talk(draft, 15)
    source = summaries.source_of("chat")
    source.store(draft.conversation, "How it began", covered=10, external_id=None, basis=None)
    portion = source.portion(draft.conversation_id)
    assert portion.covered == 20
    assert portion.text.startswith("Summary of the conversation before: How it began\n\nUser: Question 5")
    assert portion.text.endswith("Assistant: Answer 9")


def test_it_queues_one_summary_of_ours_at_a_time(alice: User, settings: Any) -> None:
    draft = make_draft(make_conversation(alice))
    talk(draft, 9)
    assert Run.objects.filter(kind=Run.Kind.SUMMARY).count() == 0
    talk(draft, 1)
    talk(draft, 1)
    assert Run.objects.filter(kind=Run.Kind.SUMMARY).count() == 1
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM summary_jobs")
        assert cursor.fetchone() == (0,)

"""Files are read once each, whoever dies, and it can be seen how far that has come."""

import io
import time
from datetime import timedelta
from typing import Any

import pytest
from django.db.models.functions import Now
from django.test import Client
from PIL import Image
from pytest_django import Settings

import config.redis
from accounts.models import User
from chat import extraction, files, tasks
from chat.models import FileAttachment
from config.exceptions import NotFound
from config.limits import EXTRACTION_TRIES, Rate
from config.tests.api_routes import check_refused
from config.tests.making import make_conversation
from config.tests.stack import Member, Stack, wait_until
from conversations import deletion, services
from conversations.models import Conversation
from integrations.extraction import child
from integrations.extraction.base import Extraction
from integrations.storage import file_storage
from integrations.tests.fixtures.files import deflated, encrypted_pdf, image, pdf, pdf_with, shown
from llmconfig.models import LLMCall

State = FileAttachment.Extraction
UNREACHABLE = "http://127.0.0.1:9"


@pytest.fixture
def conversation(alice: User) -> Conversation:
    return make_conversation(alice)


def uploaded(conversation: Conversation, data: bytes, name: str = "notes.txt") -> FileAttachment:
    user = conversation.imported_by_user
    return files.upload(user=user, conversation_id=conversation.pk, file=io.BytesIO(data), size=len(data), name=name)


def read(file: FileAttachment) -> FileAttachment:
    extraction.extract(file_id=file.pk)
    file.refresh_from_db()
    return file


def begun(file: FileAttachment, *, ago: timedelta, tries: int = 1) -> None:
    """As if a worker had taken the file so long ago, and was not heard of since."""
    rows = FileAttachment.objects.filter(pk=file.pk)
    rows.update(extraction_started_at=Now() - ago, extraction_tries=tries, created_at=Now() - ago)


LONG_AGO = timedelta(hours=1)


# ── What is stored ────────────────────────────────────────────────────────────────────────────────────────────────────


def test_it_stores_what_was_read(conversation: Conversation, file_place: str) -> None:
    file = read(uploaded(conversation, pdf("Lamps", "Towers"), "plan.pdf"))
    assert (file.extraction, file.extraction_error, file.extraction_tries) == (State.READY, "", 1)
    assert file.extracted_text == "[page 1]\nLamps\n\n[page 2]\nTowers"
    assert (file.page_count, file.text_truncated, file.summary_text) == (2, False, None)


def test_it_keeps_a_small_copy_of_an_image(conversation: Conversation, file_place: str) -> None:
    file = read(uploaded(conversation, image("JPEG", (900, 300)), "tower.jpg"))
    with file_storage().open(file.thumbnail_key) as stored, Image.open(stored) as small:
        assert small.size == (256, 85)
    assert file.extraction == State.NO_TEXT


def test_it_tells_how_far_it_is_and_why(alices: Client, conversation: Conversation, folder: Any) -> None:
    address = f"/api/conversations/{conversation.pk}/files"
    rows = [uploaded(conversation, encrypted_pdf("x", password="y"), "secret.pdf"), uploaded(conversation, b"Hello")]
    before = alices.get(address).json()["files"]
    assert [(row["status"], row["status_detail"]) for row in before] == [("pending", None)] * 2
    for row in rows:
        extraction.extract(file_id=row.pk)
    secret, note = alices.get(address).json()["files"]
    assert secret["status"] == "failed" and "password" in secret["status_detail"]
    assert (note["status"], note["status_detail"]) == ("ready", None)


def test_it_says_which_texts_are_worth_a_summary(conversation: Conversation, folder: Any) -> None:
    long, short = uploaded(conversation, b"word " * 2000), uploaded(conversation, b"word")
    assert extraction.extract(file_id=long.pk)
    assert not extraction.extract(file_id=short.pk)


# ── Once ──────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_it_reads_a_file_once(conversation: Conversation, folder: Any) -> None:
    file = read(uploaded(conversation, b"word " * 2000))
    FileAttachment.objects.filter(pk=file.pk).update(extracted_text="As it was read first")
    assert not extraction.extract(file_id=file.pk)
    assert read(file).extracted_text == "As it was read first"
    assert not extraction.extract(file_id=file.pk + 1000)


def test_it_leaves_a_file_alone_that_somebody_is_reading(conversation: Conversation, folder: Any) -> None:
    file = uploaded(conversation, b"Hello")
    begun(file, ago=timedelta(seconds=60))
    assert read(file).extraction == State.PENDING
    begun(file, ago=LONG_AGO)
    assert (read(file).extraction, file.extraction_tries) == (State.READY, 2)


def test_whoever_was_given_up_on_stores_nothing(conversation: Conversation, folder: Any) -> None:
    file = uploaded(conversation, b"Hello")
    first = extraction._claim(file.pk)
    begun(file, ago=LONG_AGO)
    second = extraction._claim(file.pk)
    assert first and second
    assert not extraction._settle(first, Extraction("ready", "by the first"))
    assert extraction._settle(second, Extraction("ready", "by the second"))
    assert not extraction._settle(second, Extraction("ready", "once more"))
    file.refresh_from_db()
    assert file.extracted_text == "by the second"


# ── When something is away ────────────────────────────────────────────────────────────────────────────────────────────


def test_a_file_goes_on_waiting_while_the_storage_is_away(
    conversation: Conversation, bucket: Any, settings: Settings
) -> None:
    file = uploaded(conversation, b"Hello")
    there, settings.AWS_S3_ENDPOINT_URL = settings.AWS_S3_ENDPOINT_URL, UNREACHABLE
    for _ in range(EXTRACTION_TRIES + 1):
        assert read(file).extraction == State.PENDING
    assert (file.extraction_tries, file.extraction_started_at) == (0, None)
    settings.AWS_S3_ENDPOINT_URL = there
    assert read(file).extracted_text == "Hello"


def test_it_says_that_a_file_is_lost(conversation: Conversation, file_place: str) -> None:
    file = uploaded(conversation, b"Hello")
    file_storage().delete(file.s3_key)
    assert read(file).extraction == State.FAILED
    assert file.extraction_error.endswith("Upload it again.")


def test_it_leaves_files_of_a_deleted_conversation_alone_until_it_is_restored(
    conversation: Conversation, folder: Any, alice: User
) -> None:
    file, claimed = uploaded(conversation, b"Hello"), uploaded(conversation, image("JPEG", (900, 300)), "tower.jpg")
    rows = FileAttachment.objects.order_by("pk")
    rows.update(created_at=Now() - LONG_AGO, extraction_tries=EXTRACTION_TRIES - 1)
    taken = extraction._claim(claimed.pk)
    assert taken is not None
    services.delete(user=alice, conversation_id=conversation.pk)
    assert not extraction._settle(taken, Extraction("ready", text="word " * 2000))
    with pytest.raises(NotFound):
        files.store_thumbnail(file=claimed, content=b"small")
    rows.update(extraction_started_at=None)
    assert (read(file).extraction_tries, extraction.sweep()) == (EXTRACTION_TRIES - 1, [])
    assert {(row.extraction, row.extracted_text, row.thumbnail_key) for row in rows} == {(State.PENDING, None, "")}
    deletion.restore(user=alice, conversation_id=conversation.pk)
    assert extraction.sweep() == [file.pk]  # the other one was begun too often
    assert read(file).extraction == State.READY


def test_it_summarises_no_file_of_a_deleted_conversation(
    conversation: Conversation, folder: Any, alice: User, settings: Any
) -> None:
    file = read(uploaded(conversation, b"word " * 2000))
    services.delete(user=alice, conversation_id=conversation.pk)
    extraction.summarise(file_id=file.pk)
    assert not LLMCall.objects.exists()


def test_a_conversation_that_is_deleted_meanwhile_is_no_error(conversation: Conversation, folder: Any) -> None:
    file = uploaded(conversation, image(), "tower.png")
    claimed = extraction._claim(file.pk)
    assert claimed
    found = child.extract(io.BytesIO(image()), "image/png")
    conversation.delete()
    assert extraction._read(claimed).state == "failed"
    assert not extraction._settle(claimed, found)


# ── The sweeper ───────────────────────────────────────────────────────────────────────────────────────────────────────


def test_it_finds_the_files_that_nobody_reads(conversation: Conversation, folder: Any) -> None:
    fresh, unheard, at_work, lost, done = (uploaded(conversation, b"%d" % number) for number in range(5))
    FileAttachment.objects.filter(pk=unheard.pk).update(created_at=Now() - LONG_AGO)
    begun(at_work, ago=timedelta(seconds=100))
    begun(lost, ago=LONG_AGO, tries=2)
    begun(read(done), ago=LONG_AGO)
    assert extraction.sweep() == [unheard.pk, lost.pk]
    assert read(fresh).extraction == read(lost).extraction == State.READY


def test_it_gives_up_a_file_that_was_begun_too_often(conversation: Conversation, folder: Any) -> None:
    file = uploaded(conversation, b"Hello")
    begun(file, ago=LONG_AGO, tries=EXTRACTION_TRIES)
    assert read(file).extraction == State.PENDING
    assert extraction.sweep() == []
    file.refresh_from_db()
    assert (file.extraction, file.extraction_error) == (State.FAILED, extraction.GIVEN_UP)


# ── Once more ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def ask_again(client: Client, file: FileAttachment) -> Any:
    return client.post(f"/api/conversations/files/{file.pk}/extract")


def test_a_member_has_a_file_read_once_more(alices: Client, conversation: Conversation, folder: Any) -> None:
    file = read(uploaded(conversation, b"%PDF-1.7 damaged", "plan.pdf"))
    assert file.extraction == State.FAILED
    answer = ask_again(alices, file)
    assert (answer.status_code, answer.json()["file"]["status"]) == (202, "pending")
    assert answer.json()["file"]["status_detail"] is None
    assert (read(file).extraction, file.extraction_tries) == (State.FAILED, 1)


def test_asking_again_does_not_disturb_who_is_reading(alices: Client, conversation: Conversation, folder: Any) -> None:
    file = uploaded(conversation, b"Hello")
    claimed = extraction._claim(file.pk)
    assert claimed
    assert ask_again(alices, file).status_code == 202
    assert extraction._settle(claimed, Extraction("ready", "Hello"))


def test_asking_again_counts_as_an_upload(
    alices: Client, conversation: Conversation, folder: Any, settings: Settings
) -> None:
    file = read(uploaded(conversation, b"Hello"))
    settings.LIMIT_UPLOADS = Rate(1, 3600)
    assert check_refused(ask_again(alices, file), 429)["code"] == "too_many_requests"
    file.refresh_from_db()
    assert file.extraction == State.READY


# ── With a worker ─────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_worker_reads_what_was_uploaded_and_what_another_one_died_over(stack: Stack) -> None:
    alice = stack.client()
    conversation = alice.imported()
    stack.start_worker()
    slow = pdf_with([deflated((shown("x") + b"\n") * 60_000)])
    heavy, note = (sent(alice, conversation, *file) for file in (("slow.pdf", slow), ("note.txt", b"Hello")))
    wait_until(lambda: row(heavy).extraction_started_at, 30)
    stack.kill("worker")
    assert row(heavy).extraction == State.PENDING
    begun(row(heavy), ago=LONG_AGO)
    stack.start_worker()
    tasks.sweep_extractions()
    wait_until(lambda: row(heavy).extraction != State.PENDING and row(note).extraction != State.PENDING, 40)
    assert row(heavy).extraction_tries == 2
    assert row(note).extracted_text == "Hello"


def test_an_upload_does_not_need_redis(
    conversation: Conversation, folder: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture,
    django_capture_on_commit_callbacks: Any,
) -> None:  # fmt: skip
    monkeypatch.setattr(config.redis, "_silent_until", time.monotonic() + 60)
    with django_capture_on_commit_callbacks(execute=True):
        file = uploaded(conversation, b"Hello")
    assert file.extraction == State.PENDING
    assert f"chat.tasks.extract_file of file {file.pk} was not queued" in caplog.text


def sent(member: Member, conversation: int, name: str, data: bytes) -> int:
    answer = member.http.post(f"/api/conversations/{conversation}/files", files={"file": (name, data)})
    assert answer.status_code == 200, answer.text
    return int(answer.json()["file"]["id"])


def row(pk: int) -> FileAttachment:
    return FileAttachment.objects.get(pk=pk)

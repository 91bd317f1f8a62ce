"""What models say of files: an image is described, a long text is summarised, and neither has to work out."""

import io
from collections.abc import Iterator
from typing import Any

import pytest

from chat import descriptions, extraction, files
from chat.models import FileAttachment
from config.tests.making import make_conversation
from config.tests.outside import Outside, words
from config.tests.stack import empty_database
from conftest import make_user
from conversations.models import Conversation
from integrations.file_types import PICTURES
from integrations.tests.fixtures.files import image
from llmconfig.models import DefaultModel, LLMCall, Task

State = FileAttachment.Extraction
SAID = "".join(words(5)).strip()


@pytest.fixture(scope="module")
def outside() -> Iterator[Outside]:
    with Outside() as started:
        yield started


@pytest.fixture
def conversation(
    outside: Outside, folder: Any, settings: Any, django_db_setup: None, django_db_blocker: Any
) -> Iterator[Conversation]:
    """With a model to ask, in a database in which other threads see what the test writes."""
    settings.OPENAI_API_KEY, settings.OPENAI_BASE_URL = "k", outside.openai_url
    outside.begin_anew()
    with django_db_blocker.unblock():
        yield make_conversation(make_user("alice@example.org"))
        empty_database()
        LLMCall.objects.all().delete()
        DefaultModel.objects.all().delete()


def read(conversation: Conversation, name: str, data: bytes) -> FileAttachment:
    user = conversation.imported_by_user
    file = files.upload(user=user, conversation_id=conversation.pk, file=io.BytesIO(data), size=len(data), name=name)
    return read_again(file)


def read_again(file: FileAttachment) -> FileAttachment:
    """As a worker does it."""
    if extraction.extract(file_id=file.pk):
        extraction.summarise(file_id=file.pk)
    file.refresh_from_db()
    return file


# ── Images ────────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("kind", PICTURES)
def test_an_image_is_described(conversation: Conversation, outside: Outside, kind: str) -> None:
    extension = kind.partition("/")[2]
    file = read(conversation, f"tower.{extension}", image(extension.upper(), (60, 40)))
    assert (file.extraction, file.extraction_error) == (State.READY, "")
    assert file.extracted_text == f"An image of 60 × 40 pixels.\n\n{SAID}"
    system, question = outside.requests[0]["messages"]
    assert system["content"].startswith("You describe an image")
    name, picture = question["content"]
    assert f"tower.{extension}" in name["text"]
    assert picture["image_url"]["url"].startswith(f"data:{kind};base64,")


def test_the_call_is_kept(conversation: Conversation) -> None:
    read(conversation, "tower.png", image())
    call = LLMCall.objects.get()
    assert (call.task, call.conversation_id, call.prompt_version) == (Task.IMAGE_CAPTION, conversation.pk, 0)
    assert call.user_id == conversation.imported_by_user_id


def test_an_image_that_the_model_does_not_describe_can_be_read_again(
    conversation: Conversation, outside: Outside
) -> None:
    outside.refuse_everything = True
    file = read(conversation, "tower.png", image())
    outside.refuse_everything = False
    assert (file.extraction, file.extracted_text) == (State.NO_TEXT, "An image of 60 × 40 pixels.")
    assert file.extraction_error.startswith("The model that describes images did not answer.")
    extraction.extract_again(user=conversation.imported_by_user, file_id=file.pk)
    assert read_again(file).extraction == State.READY


def test_a_model_that_does_not_answer_is_not_waited_for(
    conversation: Conversation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(descriptions, "IMAGE_SECONDS", 0.5)
    assert read(conversation, "[[hang]].png", image()).extraction == State.NO_TEXT


def test_an_empty_description_is_none(conversation: Conversation) -> None:
    file = read(conversation, "[[empty]].png", image())
    assert file.extraction == State.NO_TEXT


def test_without_a_model_that_takes_images_it_says_so(
    conversation: Conversation, outside: Outside, settings: Any
) -> None:
    settings.OPENAI_API_KEY = ""
    file = read(conversation, "tower.png", image())
    assert file.extraction == State.NO_TEXT
    assert file.extraction_error.startswith("No model here describes images")
    assert outside.requests == []


# ── Long texts ────────────────────────────────────────────────────────────────────────────────────────────────────────

LONG = b"A sentence about lamps. " * 1000


def test_a_long_text_is_summarised(conversation: Conversation, outside: Outside) -> None:
    file = read(conversation, "lamps.txt", LONG)
    assert (file.extraction, file.summary_text) == (State.READY, SAID)
    (request,) = outside.requests
    assert request["messages"][0]["content"].startswith("You summarise documents")
    assert request["messages"][1]["content"].endswith("</document>")
    assert LLMCall.objects.get().task == Task.DOCUMENT_SUMMARY


def test_one_that_exceeds_the_window_is_summarised_in_pieces(conversation: Conversation, outside: Outside) -> None:
    DefaultModel.objects.create(prompt_type=Task.DOCUMENT_SUMMARY, llm_provider="openai", llm_model="gpt-4")
    file = read(conversation, "lamps.txt", LONG * 3)
    assert file.summary_text == SAID
    assert len(outside.requests) == LLMCall.objects.count() >= 4
    assert outside.requests[-1]["messages"][1]["content"].count("<summary>") == len(outside.requests) - 1


def test_a_short_text_is_its_own_summary(conversation: Conversation, outside: Outside) -> None:
    assert read(conversation, "lamps.txt", b"About lamps.").summary_text is None
    assert outside.requests == []


def test_a_text_stays_ready_without_a_summary(conversation: Conversation, outside: Outside) -> None:
    outside.refuse_everything = True
    file = read(conversation, "lamps.txt", LONG)
    outside.refuse_everything = False
    assert (file.extraction, file.summary_text, file.extraction_error) == (State.READY, None, "")


def test_the_demo_summarises_nothing(conversation: Conversation, settings: Any) -> None:
    settings.OPENAI_API_KEY = ""
    assert read(conversation, "lamps.txt", LONG).summary_text is None


def test_a_summary_is_made_once(conversation: Conversation, outside: Outside) -> None:
    file = read(conversation, "lamps.txt", LONG)
    extraction.summarise(file_id=file.pk)
    extraction.summarise(file_id=file.pk + 1)
    assert len(outside.requests) == 1

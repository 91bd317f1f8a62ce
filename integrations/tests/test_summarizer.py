"""The summariser's protocol, over a real socket."""

from collections.abc import Iterator
from typing import Any

import pytest

from integrations.http import ServiceAway
from integrations.summarizer import (
    IndexMismatch,
    State,
    is_configured,
    link_document,
    manage_conversation,
    upload_document,
)
from integrations.tests.fake_services import FakeSummarizer
from integrations.tests.loopback import LoopbackServer

CHAT = [{"role": "user", "content": "One"}, {"role": "assistant", "content": "Two"}]
pytestmark = pytest.mark.usefixtures("django_db_setup")  # which starts Redis, too


@pytest.fixture
def service(settings: Any) -> Iterator[FakeSummarizer]:
    fake = FakeSummarizer()
    with LoopbackServer(fake) as server:
        settings.METACOGNITION_API_URL, settings.METACOGNITION_AUTH_TOKEN = server.url, "secret"
        yield fake


def refused(*arguments: Any) -> ServiceAway:
    with pytest.raises(ServiceAway) as caught:
        manage_conversation(*arguments)
    return caught.value


def test_it_begins_a_conversation_with_all_messages_and_the_token(service: FakeSummarizer) -> None:
    assert manage_conversation(None, 0, CHAT) == State(1, "Summary of 2 messages", 2)
    question = {"summary_id": None, "index_of_first_new_message": 0, "new_messages": CHAT}
    assert service.requests == [("/manage_conversation", question)]
    assert service.headers == ["Bearer secret"]


def test_it_shows_no_token_when_there_is_none(service: FakeSummarizer, settings: Any) -> None:
    settings.METACOGNITION_AUTH_TOKEN = ""
    manage_conversation(None, 0, CHAT)
    assert service.headers == [""]


def test_it_asks_without_messages(service: FakeSummarizer) -> None:
    service.pace = 0
    assert manage_conversation(None, 0, CHAT) == State(1, "", 0)
    service.pace = 1
    assert manage_conversation(1, 0, []) == State(1, "Summary of 1 messages", 1)


def test_it_says_which_message_the_service_expects(service: FakeSummarizer) -> None:
    manage_conversation(None, 0, CHAT)
    error = refused(1, 0, CHAT)
    assert isinstance(error, IndexMismatch)
    assert (error.expected, error.code) == (2, "index_mismatch")


def success(**fields: Any) -> dict[str, Any]:
    return {"status": "success", "summary_id": 1, "latest_summary": "S", "latest_processed_message_idx": 1} | fields


@pytest.mark.parametrize(
    "answer",
    [
        success(summary_id="1"),
        success(summary_id=None),
        success(summary_id=True),
        success(summary_id=2),  # another conversation than was asked about
        success(latest_summary=["S"]),
        success(latest_processed_message_idx="1"),
        success(latest_processed_message_idx=-2),
        success(latest_processed_message_idx=1.5),
        [],
        None,
        {},
    ],
)
def test_it_refuses_an_answer_that_makes_no_sense(service: FakeSummarizer, answer: Any) -> None:
    service.answers = [(200, answer)]
    error = refused(1, 0, [])
    assert (error.code, error.retryable) == ("malformed", False)


@pytest.mark.parametrize("status", [200, 400, 409, 422])
def test_it_is_refused_for_good_by_an_error_of_another_kind(service: FakeSummarizer, status: int) -> None:
    service.answers = [(status, {"status": "error", "message": "Expected more, got less"})]
    error = refused(1, 0, [])
    assert (error.code, error.retryable) == ("refused", False)


def test_it_begins_no_conversation_twice_when_the_answer_is_lost(service: FakeSummarizer) -> None:
    service.is_cut = True
    assert refused(None, 0, CHAT).retryable
    assert len(service.requests) == 1


def test_it_asks_again_about_a_conversation_that_exists(service: FakeSummarizer) -> None:
    manage_conversation(None, 0, CHAT)
    service.answers = [(503, {})]
    assert manage_conversation(1, 0, []).processed == 2


def test_it_uploads_and_links_a_document(service: FakeSummarizer) -> None:
    number = upload_document(content="Words", filename="plan.pdf", document_type="pdf")
    link_document(7, number)
    assert service.documents == {1: {"content": "Words", "description": "plan.pdf", "document_type": "pdf"}}
    assert service.links == [(7, 1)]


@pytest.mark.parametrize("answer", [{}, [], {"document_id": "1"}, {"document_id": 0}])
def test_it_refuses_a_document_without_a_number(service: FakeSummarizer, answer: Any) -> None:
    service.answers = [(200, answer)]
    with pytest.raises(ServiceAway, match="malformed"):
        upload_document(content="Words", filename="plan.pdf", document_type="pdf")


def test_it_is_off_without_an_address(settings: Any) -> None:
    assert not is_configured()
    settings.METACOGNITION_API_URL = "http://127.0.0.1:1"
    assert is_configured()

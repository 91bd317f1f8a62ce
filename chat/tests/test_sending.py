import json
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.test import Client

from accounts.models import User
from chat.models import ChatMessage, FileAttachment
from config.tests.api_routes import check_refused
from config.tests.making import make_conversation, make_draft, make_turn
from config.tests.stack import Stack, chat_path, said
from conversations.models import Conversation, Run
from drafts.models import ProjectDraft

BODY = {"message": "Make it taller", "llm_provider": "demo", "llm_model": "demo-1"}
SENDERS = 16


@pytest.fixture
def conversation(alice: User) -> Conversation:
    return make_draft(make_conversation(alice)).conversation


def send(client: Client, conversation: Conversation, **fields: Any) -> Any:
    body = json.dumps(BODY | fields)
    return client.post(chat_path(conversation.pk), body, content_type="application/json")


def attach(conversation: Conversation, key: str, message: ChatMessage | None = None) -> FileAttachment:
    return FileAttachment.objects.create(
        chat_message=message,
        conversation=conversation,
        filename="f.png",
        file_size=1,
        file_type="image/png",
        s3_key=key,
        uploaded_by_user=conversation.imported_by_user,
    )


# ── What is stored before the first byte ──────────────────────────────────────────────────────────────────────────────


def test_it_stores_the_message_and_its_run_and_names_the_run(alice: User, bobs: Client, bob: User,
                                                             conversation: Conversation) -> None:  # fmt: skip
    answer = send(bobs, conversation)
    run = Run.objects.get()
    message = ChatMessage.objects.get()
    assert (answer.status_code, answer["X-Run-Id"]) == (200, str(run.id))
    assert answer["Content-Type"] == "text/event-stream"
    assert (run.kind, run.state, run.user, run.conversation) == ("chat_turn", "queued", bob, conversation)
    assert run.payload["llm_provider"] == "demo" and run.payload["llm_model"] == "demo-1"
    assert (message.content, message.role, message.sequence_number) == ("Make it taller", "user", 1)
    assert (message.run, message.sent_by_user) == (run, bob)


def test_it_keeps_the_text_as_it_was_sent(alices: Client, conversation: Conversation) -> None:
    text = "  \tfirst\r\nsecond\u2028третий 🗼\u0301 \x01\x7f " + "x" * 99_950
    assert send(alices, conversation, message=text).status_code == 200
    assert ChatMessage.objects.get().content == text


def test_it_makes_the_draft_if_there_is_none(alice: User, alices: Client) -> None:
    conversation = make_conversation(alice, "Without a draft")
    assert send(alices, conversation).status_code == 200
    draft = ProjectDraft.objects.get(conversation=conversation)
    assert draft.active_version is not None
    assert draft.active_version.title == "Generating..."


def test_it_goes_on_counting_after_earlier_messages(alices: Client, conversation: Conversation) -> None:
    make_turn(conversation.project_draft, "A question", "An answer")
    send(alices, conversation)
    assert list(ChatMessage.objects.values_list("sequence_number", flat=True)) == [1, 2, 3]


@pytest.mark.parametrize(
    ("fields", "status", "code"),
    [
        ({"message": ""}, 422, "validation_error"),
        ({"message": " \n\t\u3000\u2003"}, 422, "validation_error"),
        ({"message": "x" * 100_001}, 422, "validation_error"),
        ({"message": ["Hello"]}, 422, "validation_error"),
        ({"llm_model": "demo-2"}, 422, "unknown_model"),
        ({"llm_provider": "openai", "llm_model": "gpt-4o"}, 422, "provider_not_configured"),
        ({"attachment_ids": [1]}, 404, "attachments_not_found"),
        ({"attachment_ids": ["1"]}, 422, "validation_error"),
        ({"attachment_ids": [0, -1, 2**63 - 1]}, 404, "attachments_not_found"),
        ({"attachment_ids": [2**63]}, 422, "validation_error"),
        ({"attachment_ids": list(range(1, 12))}, 422, "validation_error"),
        ({"attachment_ids": 1}, 422, "validation_error"),
        ({"attachment_ids": None}, 422, "validation_error"),
    ],
)
def test_a_refusal_stores_nothing(
    alices: Client, conversation: Conversation, fields: dict[str, Any], status: int, code: str
) -> None:
    assert check_refused(send(alices, conversation, **fields), status)["code"] == code
    assert not ChatMessage.objects.exists() and not Run.objects.exists()
    conversation.project_draft.refresh_from_db()
    assert conversation.project_draft.last_sequence_number == 0


@pytest.mark.parametrize("state", [Run.State.QUEUED, Run.State.RUNNING])
def test_it_names_the_run_that_is_in_the_way(alices: Client, conversation: Conversation, state: str) -> None:
    run = make_turn(conversation.project_draft, "Before", state=state)
    document = check_refused(send(alices, conversation), 409)
    assert (document["code"], document["run_id"]) == ("run_in_progress", str(run.id))
    assert ChatMessage.objects.count() == 1


# ── Files ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_it_links_files_to_the_message(alices: Client, conversation: Conversation) -> None:
    first, second, _ = (attach(conversation, key) for key in "abc")
    assert send(alices, conversation, attachment_ids=[second.pk, first.pk, first.pk]).status_code == 200
    message = ChatMessage.objects.get()
    assert set(message.attachments.all()) == {first, second}


def test_it_takes_no_file_of_another_conversation(alice: User, alices: Client, conversation: Conversation) -> None:
    mine, theirs = attach(conversation, "a"), attach(make_conversation(alice, "Another"), "b")
    document = check_refused(send(alices, conversation, attachment_ids=[mine.pk, theirs.pk]), 404)
    assert (document["code"], document["ids"]) == ("attachments_not_found", [theirs.pk])
    assert not ChatMessage.objects.exists()
    assert not FileAttachment.objects.exclude(chat_message=None).exists()


def test_it_takes_no_file_that_was_sent_before(alices: Client, conversation: Conversation) -> None:
    make_turn(conversation.project_draft, "Look")
    sent = attach(conversation, "a", ChatMessage.objects.get())
    Run.objects.update(state=Run.State.DONE)
    document = check_refused(send(alices, conversation, attachment_ids=[sent.pk]), 404)
    assert (document["code"], document["ids"]) == ("attachments_not_found", [sent.pk])
    assert document["error"].startswith("File attachments not found")
    assert ChatMessage.objects.get().attachments.get() == sent


def test_it_takes_ten_files_and_not_one_more(alices: Client, conversation: Conversation) -> None:
    ids = [attach(conversation, f"{number}").pk for number in range(11)]
    check_refused(send(alices, conversation, attachment_ids=ids), 422)
    assert send(alices, conversation, attachment_ids=ids[:10]).status_code == 200
    assert ChatMessage.objects.get().attachments.count() == 10


# ── Coming back ───────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_send_that_names_the_last_event_stores_nothing(alices: Client, conversation: Conversation) -> None:
    run = make_turn(conversation.project_draft, "Before", state=Run.State.RUNNING)
    headers = {"Last-Event-ID": f"{run.id}:7"}
    answer = alices.post(chat_path(conversation.pk), "{}", content_type="application/json", headers=headers)
    assert (answer.status_code, answer["X-Run-Id"]) == (200, str(run.id))
    assert ChatMessage.objects.count() == 1


def test_an_event_of_another_conversation_is_no_reason_to_attach(
    alice: User, alices: Client, conversation: Conversation
) -> None:
    other = make_turn(make_draft(make_conversation(alice, "Another")), "There", state=Run.State.RUNNING)
    headers = {"Last-Event-ID": f"{other.id}:7"}
    body = json.dumps(BODY)
    answer = alices.post(chat_path(conversation.pk), body, content_type="application/json", headers=headers)
    assert answer["X-Run-Id"] != str(other.id)
    assert ChatMessage.objects.filter(project_draft__conversation=conversation).count() == 1


# ── At once ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_of_many_that_send_at_once_one_gets_an_answer(stack: Stack) -> None:
    conversation = stack.client().imported()
    members = [stack.client(f"person{number}@example.org") for number in range(SENDERS)]
    barrier = threading.Barrier(SENDERS)

    def send_with_others(number: int) -> tuple[int, str, str]:
        barrier.wait(10)
        message = f"From {number} [[words=60 delay_ms=15]]"
        with members[number].http.stream("POST", chat_path(conversation), json=said(message)) as answer:
            if answer.status_code == 200:
                return 200, answer.headers["x-run-id"], answer.read().decode()
            document = json.loads(answer.read())
            return answer.status_code, document["run_id"], document["code"]

    with ThreadPoolExecutor(SENDERS) as pool:
        answers = list(pool.map(send_with_others, range(SENDERS)))
    assert Counter(status for status, _, _ in answers) == {200: 1, 409: SENDERS - 1}
    assert {code for status, _, code in answers if status == 409} == {"run_in_progress"}
    assert len({run_id for _, run_id, _ in answers}) == 1
    assert [text.count("event: done\n") for status, _, text in answers if status == 200] == [1]
    winner = next(number for number, answer in enumerate(answers) if answer[0] == 200)
    question, reply = members[0].history(conversation)
    assert question["content"].startswith(f"From {winner} ")
    assert reply["role"] == "assistant"

import re
from datetime import UTC, datetime
from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction
from django.test import Client
from django.test.utils import CaptureQueriesContext

from accounts.models import User
from chat import services
from chat.models import ChatMessage, FileAttachment
from config.tests.api_routes import check_refused
from config.tests.making import make_conversation, make_draft, make_run, make_turn
from conversations.models import Run
from drafts.models import ProjectDraft

TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}\+00:00")


@pytest.fixture
def draft(alice: User) -> ProjectDraft:
    return make_draft(make_conversation(alice))


def history(client: Client, draft: ProjectDraft) -> list[dict[str, Any]]:
    answer = client.get(f"/api/conversations/{draft.conversation_id}/project-draft/chat")
    assert answer.status_code == 200
    body = answer.json()
    assert list(body) == ["chat_messages", "next"]
    assert body["next"] is None
    messages: list[dict[str, Any]] = body["chat_messages"]
    return messages


def attach(message: ChatMessage, name: str) -> FileAttachment:
    return FileAttachment.objects.create(
        chat_message=message,
        conversation=message.project_draft.conversation,
        filename=name,
        file_size=12,
        file_type="image/png",
        s3_key=f"key of {name}",
        uploaded_by_user=message.sent_by_user,
    )


def test_it_is_an_empty_list_before_anybody_spoke(alice: User, alices: Client, draft: ProjectDraft) -> None:
    assert history(alices, draft) == []
    without_draft = make_conversation(alice, "Another")
    assert alices.get(f"/api/conversations/{without_draft.pk}/project-draft/chat").json() == {
        "chat_messages": [],
        "next": None,
    }


def test_it_shows_every_field_of_a_message(alice: User, alices: Client, draft: ProjectDraft) -> None:
    run = make_turn(draft, "A question", "An answer", usage={"input_tokens": 1})
    question, answer = history(alices, draft)
    assert TIME.fullmatch(question.pop("created_at")) and TIME.fullmatch(answer.pop("created_at"))
    ids = list(ChatMessage.objects.values_list("pk", flat=True))
    common = {
        "sent_by_user_id": alice.pk,
        "sent_by_user_name": "alice",
        "sent_by_user_email": "alice@example.org",
        "attachments": [],
        "run": {"id": str(run.id), "state": "done", "error_code": None},
        "fallback_from": "",
    }
    assert question == common | {
        "usage": None,
        "id": ids[0],
        "role": "user",
        "content": "A question",
        "sequence_number": 1,
        "model": "",
        "prompt_version": None,
    }
    assert answer == common | {
        "usage": {"input_tokens": 1},
        "id": ids[1],
        "role": "assistant",
        "content": "An answer",
        "sequence_number": 2,
        "model": "demo/demo-1",
        "prompt_version": 0,
    }


def test_it_shows_the_files_of_a_message(alices: Client, draft: ProjectDraft) -> None:
    make_turn(draft, "Look", "I see")
    attachment = attach(ChatMessage.objects.get(role="user"), "Маяк.png")
    question, answer = history(alices, draft)
    (shown,) = question["attachments"]
    assert TIME.fullmatch(shown.pop("created_at"))
    assert shown == {
        "id": attachment.pk,
        "filename": "Маяк.png",
        "file_size": 12,
        "file_type": "image/png",
        "s3_key": "key of Маяк.png",
        "conversation_id": draft.conversation_id,
        "chat_message_id": question["id"],
        "uploaded_by_user_id": draft.conversation.imported_by_user_id,
        "status": "pending",
        "status_detail": None,
        "page_count": None,
        "thumbnail_url": None,
    }
    assert answer["attachments"] == []


@pytest.mark.parametrize(("state", "code"), [(Run.State.CANCELLED, ""), (Run.State.FAILED, "provider_interrupted")])
def test_it_says_of_a_partial_answer_why_it_ended(alices: Client, draft: ProjectDraft, state: str, code: str) -> None:
    make_turn(draft, "A question", "Half an ans", state=state, error_code=code)
    answer = history(alices, draft)[1]
    assert answer["content"] == "Half an ans"
    assert (answer["run"]["state"], answer["run"]["error_code"]) == (state, code or None)


def test_it_keeps_the_messages_of_a_run_that_was_cleared_away(alices: Client, draft: ProjectDraft) -> None:
    make_turn(draft, "A question", "An answer")
    Run.objects.all().delete()
    assert [(message["content"], message["run"]) for message in history(alices, draft)] == [
        ("A question", None),
        ("An answer", None),
    ]


def test_it_is_in_the_order_of_the_numbers(alices: Client, draft: ProjectDraft) -> None:
    for number in range(1, 12):
        make_turn(draft, f"Question {number}", f"Answer {number}")
    ChatMessage.objects.filter(sequence_number=3).update(created_at=datetime(2020, 1, 1, tzinfo=UTC))
    messages = history(alices, draft)
    assert [message["sequence_number"] for message in messages] == list(range(1, 23))
    assert [message["role"] for message in messages] == ["user", "assistant"] * 11


@pytest.mark.parametrize("turns", [1, 25])
def test_it_takes_as_many_queries_for_a_long_chat_as_for_a_short_one(
    alices: Client, draft: ProjectDraft, turns: int
) -> None:
    for number in range(turns):
        make_turn(draft, f"Question {number}", "Answer")
    for message in ChatMessage.objects.filter(role="user"):
        attach(message, f"file {message.pk}")
    with CaptureQueriesContext(connection) as queries:
        assert len(history(alices, draft)) == 2 * turns
    assert len(queries) <= 5, [query["sql"][:100] for query in queries]


def test_it_holds_only_messages_of_its_own_conversation(alice: User, alices: Client, draft: ProjectDraft) -> None:
    other = make_draft(make_conversation(alice, "Another"))
    make_turn(draft, "Here", "Yes")
    make_turn(other, "There", "No")
    assert [message["content"] for message in history(alices, draft)] == ["Here", "Yes"]
    assert [message["sequence_number"] for message in history(alices, other)] == [1, 2]


def test_it_is_404_for_a_conversation_that_is_not_there(alices: Client) -> None:
    assert check_refused(alices.get("/api/conversations/9/project-draft/chat"), 404)["code"] == "conversation_not_found"


@pytest.mark.parametrize(
    ("fields", "constraint"),
    [
        ({"role": "system", "sequence_number": 3}, "chat_messages_role_check"),
        ({"role": "user", "sequence_number": 1}, "unique_sequence_per_project"),
    ],
)
def test_the_database_refuses_messages_that_cannot_be(
    alice: User, draft: ProjectDraft, fields: dict[str, Any], constraint: str
) -> None:
    make_turn(draft, "A question", "An answer")
    with pytest.raises(IntegrityError, match=constraint), transaction.atomic():
        ChatMessage.objects.create(project_draft=draft, content="text", sent_by_user=alice, **fields)


def test_the_database_takes_one_answer_of_a_run(alice: User, draft: ProjectDraft) -> None:
    run = make_run(alice, draft.conversation)
    services.append(draft=draft, role="assistant", content="One", user=alice, run=run)
    with pytest.raises(IntegrityError, match="chat_messages_run_role_key"), transaction.atomic():
        services.append(draft=draft, role="assistant", content="Two", user=alice, run=run)
    assert ChatMessage.objects.get().content == "One"

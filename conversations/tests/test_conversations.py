import json
import re
from datetime import UTC, datetime
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from accounts.models import User
from chat.models import ChatMessage, FileAttachment
from config.tests.api_routes import check_refused
from config.tests.making import CHAT, make_conversation, make_draft, make_run
from conversations.models import Conversation, ImportedSummary, Run
from drafts.models import DraftVersion

TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}\+00:00")


@pytest.fixture
def lighthouse(alice: User) -> Conversation:
    return make_conversation(alice)


def url(conversation: Conversation, rest: str = "") -> str:
    return f"/api/conversations/{conversation.pk}{rest}"


def patch(client: Client, path: str, body: Any) -> Any:
    return client.patch(path, json.dumps(body), content_type="application/json")


def attach(conversation: Conversation, file_type: str) -> None:
    FileAttachment.objects.create(
        conversation=conversation,
        filename="f",
        file_size=1,
        file_type=file_type,
        s3_key=f"key of {file_type}",
        uploaded_by_user=conversation.imported_by_user,
    )


# ── Reading ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_it_shows_every_field_of_a_conversation(alice: User, alices: Client, lighthouse: Conversation) -> None:
    shown = alices.get(url(lighthouse)).json()
    times = {name: shown.pop(name) for name in ("import_date", "created_at", "updated_at")}
    assert all(TIME.fullmatch(time) for time in times.values()), times
    assert shown == {
        "id": lighthouse.pk,
        "url": "https://example.org/A lighthouse",
        "title": "A lighthouse",
        "is_locked": False,
        "has_images": False,
        "has_pdfs": False,
        "user_id": alice.pk,
        "user_name": "alice",
        "user_email": "alice@example.org",
        "imported_chat": CHAT,
        "source": "chatgpt",
        "import_report": {},
    }
    assert type(shown["id"]) is type(shown["user_id"]) is int


def test_it_writes_times_with_microseconds_also_when_there_are_none(alice: User, alices: Client) -> None:
    noon = datetime(2026, 3, 1, 12, tzinfo=UTC)
    conversation = make_conversation(alice, import_date=noon, updated_at=noon)
    assert alices.get(url(conversation)).json()["import_date"] == "2026-03-01T12:00:00.000000+00:00"
    listed = alices.get("/api/conversations").json()["conversations"][0]
    assert listed["updated_at"] == "2026-03-01T12:00:00.000000+00:00"


def test_it_says_null_for_a_chat_without_messages(alice: User, alices: Client) -> None:
    assert alices.get(url(make_conversation(alice, imported_chat=[]))).json()["imported_chat"] is None


@pytest.mark.parametrize(
    ("file_type", "images", "pdfs"),
    [("image/png", True, False), ("application/pdf", False, True), ("text/plain", False, False)],
)
def test_it_says_which_files_there_are(
    alices: Client, lighthouse: Conversation, file_type: str, images: bool, pdfs: bool
) -> None:
    attach(lighthouse, file_type)
    shown = alices.get(url(lighthouse)).json()
    assert (shown["has_images"], shown["has_pdfs"]) == (images, pdfs)


def test_it_writes_other_alphabets_as_they_are(alice: User, alices: Client) -> None:
    content = alices.get(url(make_conversation(alice, title="Маяк 灯台 🗼"))).content
    assert "Маяк 灯台 🗼".encode() in content


def test_it_reads_a_conversation_in_few_queries(alices: Client, lighthouse: Conversation) -> None:
    with CaptureQueriesContext(connection) as queries:
        alices.get(url(lighthouse))
    assert len(queries) <= 4


@pytest.mark.parametrize("rest", ["", "/runs", "/project-draft", "/project-draft/versions", "/project-draft/chat"])
def test_it_takes_the_slashed_path_too(alices: Client, lighthouse: Conversation, rest: str) -> None:
    make_draft(lighthouse)
    bare, slashed = alices.get(url(lighthouse, rest)), alices.get(url(lighthouse, rest) + "/")
    assert bare.status_code == slashed.status_code == 200
    assert bare.json() == slashed.json()


@pytest.mark.parametrize("rest", ["", "/runs", "/project-draft", "/project-draft/versions", "/project-draft/chat"])
def test_it_lets_no_answer_be_reused_without_asking(alices: Client, lighthouse: Conversation, rest: str) -> None:
    make_draft(lighthouse)
    assert alices.get(url(lighthouse, rest))["Cache-Control"] == "no-cache"


def test_it_lists_the_runs_of_a_conversation_the_newest_first(
    alice: User, bob: User, alices: Client, lighthouse: Conversation
) -> None:
    old = make_run(alice, lighthouse, error_code="empty_output", state="failed", finished_at=datetime.now(UTC))
    new = make_run(bob, lighthouse, state="running", partial="So far", event_seq=7)
    make_run(alice, make_conversation(alice, "Another"))
    newest, oldest = alices.get(url(lighthouse, "/runs")).json()["runs"]
    assert TIME.fullmatch(newest.pop("created_at"))
    assert newest == {
        "id": str(new.id),
        "kind": "chat_turn",
        "conversation_id": lighthouse.pk,
        "state": "running",
        "error_code": None,
        "partial": "So far",
        "usage": None,
        "finished_at": None,
        "approval": None,
        "last_event_id": f"{new.id}:7",
    }
    assert (oldest["id"], oldest["error_code"]) == (str(old.id), "empty_output")
    assert TIME.fullmatch(oldest["finished_at"])
    active = alices.get(url(lighthouse, "/runs?state=active")).json()["runs"]
    assert [run["id"] for run in active] == [str(new.id)]


# ── Title and summary ─────────────────────────────────────────────────────────────────────────────────────────────────


def test_it_changes_the_title_and_nothing_else(alices: Client, lighthouse: Conversation) -> None:
    before = alices.get(url(lighthouse)).json()
    answer = patch(alices, url(lighthouse), {"title": " Two lamps "})
    assert answer.status_code == 200
    after = answer.json()["conversation"]
    assert after == alices.get(url(lighthouse)).json()
    assert after["updated_at"] > before["updated_at"]
    assert after == before | {"title": " Two lamps ", "updated_at": after["updated_at"]}


def test_it_takes_a_title_of_500_characters(alices: Client, lighthouse: Conversation) -> None:
    answer = patch(alices, url(lighthouse), {"title": "ü" * 500})
    assert answer.json()["conversation"]["title"] == "ü" * 500


@pytest.mark.parametrize(
    "body", [{"title": ""}, {"title": "x" * 501}, {"title": 5}, {"title": None}, {"title": ["x"]}, {}, [], "title"]
)
def test_it_refuses_another_title(alices: Client, lighthouse: Conversation, body: Any) -> None:
    document = check_refused(patch(alices, url(lighthouse), body), 422)
    assert document["code"] == "validation_error"
    if isinstance(body, dict):
        assert document["errors"][0]["field"] == "title"
    assert Conversation.objects.get().title == "A lighthouse"


def test_it_says_404_while_there_is_no_summary(alices: Client, lighthouse: Conversation) -> None:
    check_refused(alices.get(url(lighthouse, "/imported_chat_summary")), 404)
    ImportedSummary.objects.create(conversation=lighthouse, summary="")
    check_refused(alices.get(url(lighthouse, "/imported_chat_summary")), 404)


def test_it_writes_the_first_summary_and_the_next(alices: Client, lighthouse: Conversation) -> None:
    for text in ("In short.", "  In other words. "):
        answer = patch(alices, url(lighthouse, "/summary"), {"summary": text})
        assert (answer.status_code, answer.json()) == (200, {"summary": text})
        assert alices.get(url(lighthouse, "/imported_chat_summary")).json() == {"summary": text}
    assert ImportedSummary.objects.count() == 1


def test_it_keeps_the_summarisers_number_when_a_person_writes(alices: Client, lighthouse: Conversation) -> None:
    ImportedSummary.objects.create(conversation=lighthouse, summary="By a machine", external_id=7)
    patch(alices, url(lighthouse, "/summary"), {"summary": "By a person"})
    assert list(ImportedSummary.objects.values_list("external_id", "summary")) == [(7, "By a person")]


@pytest.mark.parametrize("body", [{"summary": ""}, {"summary": "x" * 200_001}, {"summary": 1}, {}])
def test_it_refuses_another_summary(alices: Client, lighthouse: Conversation, body: Any) -> None:
    check_refused(patch(alices, url(lighthouse, "/summary"), body), 422)
    assert not ImportedSummary.objects.exists()


# ── Locked ────────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("method", "rest", "body"),
    [
        ("patch", "", {"title": "T"}),
        ("patch", "/summary", {"summary": "S"}),
        ("delete", "", {}),
        ("patch", "/project-draft", {"title": "T", "description": "D"}),
        ("post", "/project-draft/versions/{version}/activate", {}),
        ("post", "/project-draft/generate", {}),
        ("post", "/project-draft/chat/stream", {"message": "M", "llm_provider": "demo", "llm_model": "demo-1"}),
    ],
)
def test_it_refuses_every_write_once_it_is_locked(
    olivias: Client, alice: User, method: str, rest: str, body: dict[str, str]
) -> None:
    conversation = make_conversation(alice, is_locked=True)
    first = make_draft(conversation, "One", "Two").versions.earliest("version_number")
    before = olivias.get(url(conversation)).json()
    path = url(conversation, rest.format(version=first.pk))
    answer = olivias.generic(method.upper(), path, json.dumps(body), content_type="application/json")
    assert check_refused(answer, 409)["code"] == "conversation_locked"
    assert olivias.get(url(conversation)).json() == before
    assert (DraftVersion.objects.count(), Run.objects.count(), ChatMessage.objects.count()) == (2, 0, 0)

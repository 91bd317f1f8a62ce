import json
import re
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.db import IntegrityError, transaction
from django.test import Client

from accounts.models import User
from config.tests.api_routes import check_refused
from config.tests.making import make_conversation, make_draft, make_run
from config.tests.stack import Stack
from conversations.models import Conversation, Run
from drafts import services
from drafts.models import DraftVersion, ProjectDraft

THREADS, EDITS = 16, 50


@pytest.fixture
def draft(alice: User) -> ProjectDraft:
    return make_draft(make_conversation(alice), "First", "Second")


def url(draft: ProjectDraft, rest: str = "") -> str:
    return f"/api/conversations/{draft.conversation_id}/project-draft{rest}"


def edit(client: Client, draft: ProjectDraft, **body: Any) -> Any:
    return client.patch(url(draft), json.dumps(body), content_type="application/json")


def numbers(draft: ProjectDraft) -> list[int]:
    return list(
        DraftVersion.objects.filter(project_draft=draft).values_list("version_number", flat=True).order_by("pk")
    )


# ── Reading ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_it_shows_every_field_of_a_draft(alices: Client, draft: ProjectDraft) -> None:
    body = alices.get(url(draft)).json()
    assert list(body) == ["project_draft"]
    shown = body["project_draft"]
    version = shown["active_version"]
    for thing, name in ((shown, "created_at"), (shown, "updated_at"), (version, "created_at")):
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}\+00:00", thing.pop(name))
    assert shown == {
        "project_draft_id": draft.pk,
        "conversation_id": draft.conversation_id,
        "active_version": {
            "version_id": draft.active_version_id,
            "title": "Second",
            "description": "About Second",
            "is_manual_edit": False,
            "version_number": 2,
            "created_by_user_id": draft.created_by_user_id,
            "created_by_user_name": "alice",
            "created_by_user_email": "alice@example.org",
            "run_id": None,
            "model": "",
            "prompt_version": None,
            "restored_from": None,
        },
    }


def test_it_says_404_while_there_is_no_draft(alice: User, alices: Client) -> None:
    path = f"/api/conversations/{make_conversation(alice).pk}/project-draft"
    for answer in (
        alices.get(path),
        alices.get(f"{path}/versions"),
        alices.patch(path, {"title": "T", "description": "D"}, "application/json"),
        alices.post(f"{path}/versions/1/activate"),
    ):
        assert check_refused(answer, 404)["code"] == "draft_not_found"
    assert not ProjectDraft.objects.exists()


def test_it_lists_versions_the_newest_first(alices: Client, draft: ProjectDraft) -> None:
    edit(alices, draft, title="Third", description="About it")
    versions = alices.get(url(draft, "/versions")).json()["versions"]
    assert [(version["version_number"], version["title"], version["is_manual_edit"]) for version in versions] == [
        (3, "Third", True),
        (2, "Second", False),
        (1, "First", False),
    ]
    assert versions[0] == alices.get(url(draft)).json()["project_draft"]["active_version"]


# ── Editing ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_an_edit_is_a_new_active_version_by_its_author(bob: User, bobs: Client, draft: ProjectDraft) -> None:
    answer = edit(bobs, draft, title=" Т" * 40, description="  Two\r\nlines\t", user_prompt="ignored")
    shown = answer.json()["project_draft"]
    assert answer.status_code == 200
    assert shown == bobs.get(url(draft)).json()["project_draft"]
    version = shown["active_version"]
    assert (version["title"], version["description"]) == (" Т" * 40, "  Two\r\nlines\t")
    assert (version["version_number"], version["is_manual_edit"]) == (3, True)
    assert DraftVersion.objects.get(pk=version["version_id"]).created_by_user == bob
    assert shown["updated_at"] > shown["created_at"]


def test_the_same_text_again_makes_no_version(alices: Client, draft: ProjectDraft) -> None:
    before = alices.get(url(draft)).json()
    answer = edit(alices, draft, title="Second", description="About Second")
    assert (answer.status_code, answer.json()) == (200, before)
    assert numbers(draft) == [1, 2]


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"title": ""}, "title"),
        ({"title": "x" * 81}, "title"),
        ({"title": 5}, "title"),
        ({"title": None}, "title"),
        ({"description": ""}, "description"),
        ({"description": "x" * 200_001}, "description"),
        ({"description": ["x"]}, "description"),
    ],
)
def test_it_refuses_another_text(alices: Client, draft: ProjectDraft, change: dict[str, Any], field: str) -> None:
    document = check_refused(edit(alices, draft, **{"title": "T", "description": "D"} | change), 422)
    assert [error["field"] for error in document["errors"]] == [field]
    assert numbers(draft) == [1, 2]


def test_it_takes_texts_of_the_greatest_length(alices: Client, draft: ProjectDraft) -> None:
    answer = edit(alices, draft, title="🗼" * 80, description="é" * 200_000)
    assert answer.json()["project_draft"]["active_version"]["description"] == "é" * 200_000


def test_an_edit_leaves_the_conversation_where_it_is(alices: Client, draft: ProjectDraft) -> None:
    before = Conversation.objects.get()
    edit(alices, draft, title="T", description="D")
    assert Conversation.objects.get().updated_at == before.updated_at


# ── Bringing back ─────────────────────────────────────────────────────────────────────────────────────────────────────


def test_it_brings_a_version_back_as_a_new_one(alices: Client, draft: ProjectDraft) -> None:
    edit(alices, draft, title="Third", description="By hand")
    for title, is_manual in (("First", False), ("Third", True)):
        chosen = DraftVersion.objects.filter(project_draft=draft, title=title).earliest("pk")
        answer = alices.post(url(draft, f"/versions/{chosen.pk}/activate"))
        version = answer.json()["project_draft"]["active_version"]
        assert (version["title"], version["description"]) == (title, chosen.description)
        assert version["is_manual_edit"] is is_manual
        assert version["version_id"] != chosen.pk
    assert numbers(draft) == [1, 2, 3, 4, 5]


def test_bringing_back_the_active_version_changes_nothing(alices: Client, draft: ProjectDraft) -> None:
    assert alices.post(url(draft, f"/versions/{draft.active_version_id}/activate")).status_code == 200
    assert numbers(draft) == [1, 2]


def test_it_brings_back_no_version_of_another_draft(alice: User, alices: Client, draft: ProjectDraft) -> None:
    other = make_draft(make_conversation(alice, "Another"), "Theirs")
    answer = alices.post(url(draft, f"/versions/{other.active_version_id}/activate"))
    assert check_refused(answer, 404)["code"] == "version_not_found"
    assert (numbers(draft), numbers(other)) == ([1, 2], [1])


# ── What runs write ───────────────────────────────────────────────────────────────────────────────────────────────────


def placeholder(alice: User) -> tuple[ProjectDraft, Run]:
    conversation = make_conversation(alice)
    draft = services.get_or_make_draft(conversation=conversation, user=alice)
    return draft, make_run(alice, conversation, kind=Run.Kind.GENERATE)


def generate(draft: ProjectDraft, run: Run, title: str, base: int | None) -> DraftVersion:
    return services.store_generated(
        draft=draft,
        run=run,
        title=title,
        description="D",
        base_version_id=base,
        user=draft.created_by_user,
        author=services.Author("demo/demo-1", 3),
    )


def test_a_generated_draft_fills_an_untouched_placeholder_in_place(alice: User) -> None:
    draft, run = placeholder(alice)
    version = generate(draft, run, "Written", None)
    assert (version.version_number, version.pk, numbers(draft)) == (1, draft.active_version_id, [1])
    assert DraftVersion.objects.get().title == "Written"


def test_a_generated_draft_never_covers_a_newer_edit(alice: User) -> None:
    draft, run = placeholder(alice)
    base = draft.active_version_id
    services.edit(user=alice, conversation_id=draft.conversation_id, title="By hand", description="D")
    version = generate(draft, run, "Written", base)
    draft.refresh_from_db()
    assert (version.version_number, draft.active_version.title) == (3, "By hand")  # type: ignore[union-attr]


def test_a_generated_draft_never_covers_what_a_chat_has_changed_meanwhile(alice: User, draft: ProjectDraft) -> None:
    run, base = make_run(alice, draft.conversation, kind=Run.Kind.GENERATE), draft.active_version_id
    services.add_version(draft=draft, title="By a chat", description="D", user=alice, run=make_run(alice))
    version = generate(draft, run, "Written", base)
    draft.refresh_from_db()
    assert (version.version_number, draft.active_version.title) == (4, "By a chat")  # type: ignore[union-attr]


def test_a_generated_draft_never_covers_a_version_that_was_brought_back_meanwhile(alice: User) -> None:
    draft = make_draft(make_conversation(alice), "First", "Second")
    first = draft.versions.earliest("version_number")
    services.activate(user=alice, conversation_id=draft.conversation_id, version_id=first.pk)
    run = make_run(alice, draft.conversation, kind=Run.Kind.GENERATE)
    generate(draft, run, "Written", draft.active_version_id)
    draft.refresh_from_db()
    assert draft.active_version.title == "First"  # type: ignore[union-attr]


def test_a_generated_draft_takes_the_place_of_the_version_it_began_from(alice: User) -> None:
    draft = make_draft(make_conversation(alice))
    services.edit(user=alice, conversation_id=draft.conversation_id, title="By hand", description="D")
    draft.refresh_from_db()
    run = make_run(alice, draft.conversation, kind=Run.Kind.GENERATE)
    version = generate(draft, run, "Written", draft.active_version_id)
    draft.refresh_from_db()
    assert (draft.active_version, version.version_number) == (version, 3)


def test_a_failure_is_told_only_in_an_untouched_placeholder(alice: User) -> None:
    untouched, run = placeholder(alice)
    services.store_failure(draft=untouched, run=run, reason="No model answered.")
    version = DraftVersion.objects.get(project_draft=untouched)
    assert (version.title, version.description) == ("Failed to Generate Project Draft", "No model answered.")
    written = make_draft(make_conversation(alice, "Another"))
    services.store_failure(draft=written, run=run, reason="No model answered.")
    assert DraftVersion.objects.get(project_draft=written).title == "First"


def test_a_tool_call_that_is_repeated_takes_effect_once(alice: User, draft: ProjectDraft) -> None:
    run = make_run(alice, draft.conversation, state=Run.State.RUNNING)
    texts: dict[str, Any] = {"title": "By a tool", "description": "D", "user": alice}
    first = services.add_version(draft=draft, run=run, tool_call="0.0", **texts)
    services.edit(user=alice, conversation_id=draft.conversation_id, title="Meanwhile", description="D")
    assert services.add_version(draft=draft, run=run, tool_call="0.0", **texts) == first
    assert numbers(draft) == [1, 2, 3, 4]
    with pytest.raises(IntegrityError, match="draft_versions_tool_call_key"), transaction.atomic():
        DraftVersion.objects.create(
            project_draft=draft, version_number=9, created_by_user=alice, run=run, tool_call="0.0"
        )


# ── At once ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_edits_at_once_are_numbered_without_gaps(stack: Stack) -> None:
    member = stack.client()
    conversation = member.imported()
    path = f"/api/conversations/{conversation}/project-draft"
    members = [stack.client(f"person{thread}@example.org") for thread in range(THREADS)]

    def edit_often(thread: int) -> list[int]:
        bodies = [{"title": f"Thread {thread} edit {number}", "description": "D"} for number in range(EDITS)]
        return [members[thread].patch(path, body).status_code for body in bodies]

    with ThreadPoolExecutor(THREADS) as pool:
        statuses = sum(pool.map(edit_often, range(THREADS)), [])
    assert statuses == [200] * (THREADS * EDITS)
    versions = member.versions(conversation)
    assert [version["version_number"] for version in versions] == list(range(THREADS * EDITS + 1, 0, -1))
    edits = {f"Thread {thread} edit {number}" for thread in range(THREADS) for number in range(EDITS)}
    assert {version["title"] for version in versions[:-1]} == edits
    assert member.get(path).json()["project_draft"]["active_version"] == versions[0]

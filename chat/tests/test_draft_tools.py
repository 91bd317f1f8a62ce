"""The tools that change the draft, called as a runner calls them."""

from typing import Any

import pytest

from chat.tool import ToolResult
from chat.tools import execute_tool, tools_offered
from config.limits import DESCRIPTION_CHARACTERS
from config.tests.making import make_conversation, make_draft, make_turn
from conversations.models import Conversation, Run
from drafts import services
from drafts.models import DraftVersion, ProjectDraft
from drafts.services import Author

EDIT, UPDATE = "edit_project_draft", "update_project_draft"
AUTHOR = Author("openai/gpt-4o", 3)
SWAP = {"old": "Lamp", "new": "Tower"}


@pytest.fixture
def draft(alice: Any) -> ProjectDraft:
    return make_draft(make_conversation(alice), "Lamp")


@pytest.fixture
def run(draft: ProjectDraft) -> Run:
    return make_turn(draft, "edit the draft", state=Run.State.RUNNING, fence=1)


def call(run: Run, draft: ProjectDraft, arguments: dict[str, Any], key: str = "0.0", name: str = EDIT) -> ToolResult:
    """As by a model that has seen the version that was active when `draft` was loaded."""
    result = execute_tool(run, draft, name, arguments, key, draft.active_version_id, AUTHOR)
    assert result is not None
    return result


def edits(*pairs: dict[str, str], **more: Any) -> dict[str, Any]:
    return {"edits": list(pairs), "title": ""} | more


def now(draft: ProjectDraft) -> DraftVersion:
    version = ProjectDraft.objects.select_related("active_version").get(pk=draft.pk).active_version
    assert version is not None
    return version


def by_hand(draft: ProjectDraft, title: str = "By hand", description: str = "Mine") -> None:
    owner = draft.created_by_user
    services.edit(user=owner, conversation_id=draft.conversation_id, title=title, description=description)


def test_it_makes_a_version_that_says_who_wrote_it(run: Run, draft: ProjectDraft) -> None:
    assert call(run, draft, edits(SWAP)) == ToolResult("succeeded", "The draft is now version 2, titled “Lamp”.")
    version = now(draft)
    assert (version.title, version.description, version.version_number) == ("Lamp", "About Tower", 2)
    assert (version.run_id, version.tool_call, version.model, version.prompt_version) == (run.pk, "0.0", *AUTHOR)
    assert version.is_manual_edit is False


@pytest.mark.parametrize(
    ("arguments", "title", "description"),
    [
        (edits(title="  A tower "), "A tower", "About Lamp"),
        (edits(SWAP, title="A tower"), "A tower", "About Tower"),
        ({"edits": [SWAP]}, "Lamp", "About Tower"),
        ({"edits": [SWAP], "title": None}, "Lamp", "About Tower"),
        (edits({"old": "About Lamp", "new": "  # About\n"}), "Lamp", "  # About\n"),
    ],
)
def test_it_changes_what_it_is_told_to(
    run: Run, draft: ProjectDraft, arguments: dict[str, Any], title: str, description: str
) -> None:
    assert call(run, draft, arguments).status == "succeeded"
    assert (now(draft).title, now(draft).description) == (title, description)


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ({}, "`edits` must be a list"),
        (edits(), "changes nothing"),
        (edits(title="Lamp"), "changes nothing"),
        (edits(SWAP, {"old": "Tower", "new": "Lamp"}), "changes nothing"),
        (edits(SWAP, SWAP), "Edit 2: `old` does not occur"),
        (edits({"old": "About Lamp", "new": " \n"}), "empty description"),
        (edits(SWAP, title="x" * 81), "has 81 characters; at most 80"),
        (edits(SWAP, title=["x"]), "`title` must be text"),
        (edits({"old": "Lamp", "new": "x" * DESCRIPTION_CHARACTERS}), "would have 200006 characters"),
    ],
)
def test_it_writes_all_or_nothing(run: Run, draft: ProjectDraft, arguments: dict[str, Any], reason: str) -> None:
    result = call(run, draft, arguments)
    assert (result.status, reason in result.text) == ("rejected", True), result.text
    assert result.text.endswith(" Nothing was written.")
    assert draft.versions.count() == 1


def test_it_can_mend_its_call_and_edit_its_own_version_further(run: Run, draft: ProjectDraft) -> None:
    assert call(run, draft, edits({"old": "lamp", "new": "Tower"})).status == "rejected"
    assert call(run, draft, edits(SWAP), "1.0").status == "succeeded"
    assert call(run, draft, edits({"old": "Tower", "new": "Beacon"}), "2.0").status == "succeeded"
    assert now(draft).description == "About Beacon"


@pytest.mark.parametrize("name", [EDIT, UPDATE])
def test_it_never_writes_over_what_a_person_wrote_meanwhile(run: Run, draft: ProjectDraft, name: str) -> None:
    by_hand(draft, description="About Lamp, by hand")
    arguments = edits(SWAP) if name == EDIT else {"title": "T", "description": "D"}
    result = call(run, draft, arguments, name=name)
    assert (result.status, result.base_version_id) == ("rejected", now(draft).pk)
    assert "<title>By hand</title>\n<description>About Lamp, by hand</description>" in result.text
    assert now(draft).version_number == 2
    again = execute_tool(run, draft, name, arguments, "1.0", result.base_version_id, AUTHOR)
    assert again is not None and again.status == "succeeded"
    assert now(draft).description == ("About Tower, by hand" if name == EDIT else "D")


@pytest.mark.parametrize("name", [EDIT, UPDATE])
def test_a_call_that_is_repeated_takes_effect_once_whatever_was_written_since(
    run: Run, draft: ProjectDraft, name: str
) -> None:
    arguments = edits(SWAP) if name == EDIT else {"title": "T", "description": "D"}
    first = call(run, draft, arguments, name=name)
    assert call(run, draft, arguments, name=name) == first  # the piece is there no more
    by_hand(draft)
    assert call(run, draft, arguments, name=name) == first
    Conversation.objects.filter(pk=draft.conversation_id).update(is_locked=True)
    assert call(run, draft, arguments, name=name) == first
    assert [version.title for version in draft.versions.order_by("-pk")][0] == "By hand"
    assert draft.versions.count() == 3


def test_it_fails_on_a_locked_conversation(run: Run, draft: ProjectDraft) -> None:
    Conversation.objects.filter(pk=draft.conversation_id).update(is_locked=True)
    result = call(run, draft, edits(SWAP))
    assert (result.status, "locked" in result.text) == ("failed", True)
    assert draft.versions.count() == 1


def test_it_has_nothing_to_edit_where_there_is_no_version(run: Run, draft: ProjectDraft) -> None:
    ProjectDraft.objects.filter(pk=draft.pk).update(active_version=None)
    result = call(run, draft, edits(SWAP))
    assert (result.status, "update_project_draft" in result.text) == ("rejected", True)


def test_both_are_offered_and_say_when_to_use_which() -> None:
    offered = tools_offered()
    assert list(offered)[:2] == [UPDATE, EDIT]
    assert EDIT in offered[UPDATE].description
    assert {tool.status for tool in (offered[UPDATE], offered[EDIT])} == {"updating_project_draft"}

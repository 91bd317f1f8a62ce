"""The tool that creates a Linear project, called as a runner calls it."""

from typing import Any

import pytest

from chat import project_tool
from chat.context import load_turn
from chat.tool import ToolInput, ToolResult
from chat.tools import execute_tool, tools_offered
from config.tests.making import make_conversation, make_draft, make_turn
from conversations.models import Run
from drafts import project_creation
from drafts.models import LinearProjectRequest, Project, ProjectDraft
from drafts.services import A_PERSON, PLACEHOLDER_TITLE, add_version
from integrations.tests.fake_linear import FakeLinear
from llmconfig.models import LLMModel

NAME, KEY = "create_linear_project", "0.0"


@pytest.fixture
def draft(alice: Any) -> ProjectDraft:
    return make_draft(make_conversation(alice), "A lighthouse")


@pytest.fixture
def run(draft: ProjectDraft) -> Run:
    return make_turn(draft, "create the project", state=Run.State.RUNNING, fence=1)


def call(run: Run, draft: ProjectDraft, key: str = KEY, name: str = NAME) -> ToolResult | None:
    return execute_tool(run, draft, name, {}, key, draft.active_version_id, A_PERSON)


def decide(run: Run, draft: ProjectDraft, approve: bool = True, key: str = KEY) -> None:
    shown = draft.active_version_id
    run.step = {"decision": {"approve": approve, "key": key, "draft_version_id": shown, "user_id": run.user_id}}
    run.save()


def begin(run: Run, draft: ProjectDraft) -> None:
    """The wish is committed, and there the runner dies."""
    assert callable(
        project_tool.create_linear_project(ToolInput(run, draft, KEY, {}, draft.active_version_id, A_PERSON))
    )


def check_one(fake: FakeLinear, draft: ProjectDraft) -> Project:
    project = Project.objects.get()
    assert list(fake.projects) == [project.linear_project_id]
    draft.conversation.refresh_from_db()
    assert draft.conversation.is_locked
    return project


def test_it_is_offered_only_when_linear_is_connected(run: Run, fake_linear: FakeLinear, settings: Any) -> None:
    model = LLMModel.objects.get(provider="openai", model_id="gpt-4o")
    assert NAME in {tool.name for tool in load_turn(run, model).request.tools}
    settings.LINEAR_ACCESS_KEY = ""
    assert NAME not in {tool.name for tool in load_turn(run, model).request.tools}
    assert "update_project_draft" in tools_offered()


def test_it_is_no_tool_where_linear_is_not_connected(run: Run, draft: ProjectDraft) -> None:
    result = call(run, draft)
    assert result is not None
    assert (result.status, "There is no tool of this name" in result.text) == ("rejected", True)


def test_it_waits_for_a_person(run: Run, draft: ProjectDraft, fake_linear: FakeLinear) -> None:
    assert call(run, draft) is None
    assert fake_linear.operations == []
    assert not LinearProjectRequest.objects.exists()


def test_it_creates_what_is_stored_once_a_person_has_allowed_it(
    run: Run, draft: ProjectDraft, fake_linear: FakeLinear
) -> None:
    decide(run, draft)
    result = call(run, draft)
    project = check_one(fake_linear, draft)
    assert result == ("succeeded", f"The project “A lighthouse” was created: {project.linear_url}", None)
    assert fake_linear.inputs[0]["content"] == "About A lighthouse"
    asked = LinearProjectRequest.objects.get()
    assert (asked.run_id, asked.tool_call, asked.draft_version_id) == (run.pk, KEY, draft.active_version_id)


def test_it_does_nothing_when_a_person_has_refused(run: Run, draft: ProjectDraft, fake_linear: FakeLinear) -> None:
    decide(run, draft, approve=False)
    result = call(run, draft)
    assert result is not None
    assert result.status == "rejected"
    assert fake_linear.operations == []


def test_it_takes_no_approval_of_another_version(run: Run, draft: ProjectDraft, fake_linear: FakeLinear) -> None:
    decide(run, draft)
    add_version(draft=draft, title="Changed", description="Since", user=draft.created_by_user)
    assert call(run, draft) is None
    assert fake_linear.operations == []


def test_it_takes_no_approval_of_another_call(run: Run, draft: ProjectDraft, fake_linear: FakeLinear) -> None:
    decide(run, draft, key="0.1")
    assert call(run, draft) is None
    assert fake_linear.operations == []


def test_it_asks_nobody_where_that_is_switched_off(
    run: Run, draft: ProjectDraft, fake_linear: FakeLinear, settings: Any
) -> None:
    settings.TOOL_APPROVAL = "auto"
    result = call(run, draft)
    assert result is not None
    assert result.status == "succeeded"
    check_one(fake_linear, draft)


@pytest.mark.parametrize("text", [PLACEHOLDER_TITLE, "Failed to Generate Project Draft"])
def test_it_makes_no_project_of_a_draft_that_is_none(
    alice: Any, fake_linear: FakeLinear, settings: Any, text: str
) -> None:
    settings.TOOL_APPROVAL = "auto"
    draft = make_draft(make_conversation(alice), text)
    result = call(make_turn(draft, "create the project", state=Run.State.RUNNING, fence=1), draft)
    assert result is not None
    assert result.status == "rejected"
    assert fake_linear.operations == []


def test_it_tells_the_model_when_linear_fails(run: Run, draft: ProjectDraft, fake_linear: FakeLinear) -> None:
    decide(run, draft)
    fake_linear.faults = ["refused"]
    result = call(run, draft)
    assert result is not None
    assert (result.status, "Nothing was created" in result.text) == ("failed", True)
    draft.conversation.refresh_from_db()
    assert not draft.conversation.is_locked


def test_it_tells_the_model_when_there_is_a_project(
    run: Run, draft: ProjectDraft, fake_linear: FakeLinear, alice: Any
) -> None:
    decide(run, draft)
    project_creation.create_project(
        user=alice, conversation_id=draft.conversation_id, title="By the button", description="D"
    )
    result = call(run, draft)
    assert result is not None
    assert (result.status, "locked" in result.text) == ("failed", True)
    assert check_one(fake_linear, draft).title == "By the button"


def test_it_goes_on_when_its_runner_died_before_linear_was_told(
    run: Run, draft: ProjectDraft, fake_linear: FakeLinear
) -> None:
    decide(run, draft)
    begin(run, draft)
    result = call(run, draft)
    assert result is not None
    assert result.status == "succeeded"
    check_one(fake_linear, draft)


def test_it_goes_on_when_its_runner_died_after_linear_was_told(
    run: Run, draft: ProjectDraft, fake_linear: FakeLinear
) -> None:
    decide(run, draft)
    begin(run, draft)
    project_creation._create(LinearProjectRequest.objects.get())  # and there the runner dies
    result = call(run, draft)
    assert result is not None
    assert result.status == "succeeded"
    check_one(fake_linear, draft)
    assert fake_linear.duplicates == 1


def test_it_goes_on_though_the_draft_was_edited_after_it_had_begun(
    run: Run, draft: ProjectDraft, fake_linear: FakeLinear
) -> None:
    decide(run, draft)
    begin(run, draft)
    add_version(draft=draft, title="Changed", description="Since", user=draft.created_by_user)
    result = call(run, draft)
    assert result is not None
    assert result.status == "succeeded"
    assert check_one(fake_linear, draft).title == "A lighthouse"  # what was approved


def test_it_says_the_same_when_its_runner_died_after_all_was_done(
    run: Run, draft: ProjectDraft, fake_linear: FakeLinear
) -> None:
    decide(run, draft)
    first = call(run, draft)
    assert call(run, draft) == first
    assert fake_linear.operations.count("CreateProject") == 1


def test_it_changes_nothing_more_once_the_conversation_is_locked(
    run: Run, draft: ProjectDraft, fake_linear: FakeLinear
) -> None:
    decide(run, draft)
    call(run, draft)
    arguments = {"title": "Sneaked in", "description": "After the lock"}
    draft.refresh_from_db()
    result = execute_tool(run, draft, "update_project_draft", arguments, "0.1", draft.active_version_id, A_PERSON)
    assert result is not None
    assert (result.status, "locked" in result.text) == ("failed", True)
    draft.refresh_from_db()
    assert draft.last_version_number == 1

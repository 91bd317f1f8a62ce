"""The tool that turns the draft into a project in Linear."""

from functools import partial

from accounts.models import User
from chat.events import ConversationLocked
from chat.tool import Errand, Tool, ToolInput, ToolResult
from config.exceptions import DraftloomError
from drafts import project_creation, projects
from drafts.models import Project
from drafts.services import FAILED_TITLE, PLACEHOLDER_TITLE, lock_draft


def create_linear_project(call: ToolInput) -> ToolResult | Errand:
    if done := projects.project_of_call(call.run, call.key):
        return _told(done)
    version = lock_draft(call.draft).active_version
    if version is None or version.title in (PLACEHOLDER_TITLE, FAILED_TITLE):
        return ToolResult("rejected", "There is no draft yet that could become a project.")
    try:
        asked = projects.ask_for(
            user=User.objects.get(pk=call.run.user_id),
            conversation_id=call.draft.conversation_id,
            title=version.title,
            description=version.description,
            run=call.run,
            tool_call=call.key,
        )
    except DraftloomError as error:
        return ToolResult("failed", error.detail)
    return partial(_carry_out, asked.pk)


def _carry_out(request_id: int) -> ToolResult:
    try:
        return _told(project_creation.carry_out(request_id))
    except DraftloomError as error:
        return ToolResult("failed", error.detail)


def _told(project: Project) -> ToolResult:
    return ToolResult("succeeded", f"The project “{project.title}” was created: {project.linear_url}")


CREATE_LINEAR_PROJECT = Tool(
    name="create_linear_project",
    description=(
        "Creates a project in Linear from the draft as it is stored, and locks this conversation for good. Call it "
        "only when the member has clearly asked for it or agreed to it in this chat: it can't be undone."
    ),
    schema={"type": "object", "properties": {}, "required": [], "additionalProperties": False},
    status="creating_linear_project",
    handler=create_linear_project,
    needs_approval=True,
    ends_turn=True,
    event=ConversationLocked.of,
)

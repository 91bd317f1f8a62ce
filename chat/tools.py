"""What a model may do beside answering: a tool checks its arguments, calls a service, and says what came of it."""

from typing import Any

import orjson
from django.conf import settings
from django.db import transaction

from accounts.models import User
from chat.project_tool import CREATE_LINEAR_PROJECT
from chat.tool import Errand, Tool, ToolInput, ToolResult
from config.exceptions import DraftloomError
from config.limits import DESCRIPTION_CHARACTERS, DRAFT_TITLE_CHARACTERS
from config.text import clean_text
from conversations.models import Run
from conversations.runs import lifecycle
from conversations.services import lock_for_write
from drafts.models import DraftVersion, LinearProjectRequest, ProjectDraft
from drafts.services import Author, add_version, is_placeholder, lock_draft
from integrations import linear


def update_project_draft(call: ToolInput) -> ToolResult:
    title, description = call.arguments.get("title"), call.arguments.get("description")
    if not (isinstance(title, str) and isinstance(description, str) and title.strip() and description.strip()):
        return ToolResult("rejected", "Both `title` and `description` must be given, as text that is not empty.")
    title, description = clean_text(title).strip(), clean_text(description).strip()
    if len(title) > DRAFT_TITLE_CHARACTERS:
        return ToolResult("rejected", f"The title has {len(title)} characters; at most {DRAFT_TITLE_CHARACTERS} fit.")
    if len(description) > DESCRIPTION_CHARACTERS:
        return ToolResult("rejected", f"The description is longer than {DESCRIPTION_CHARACTERS} characters.")
    user = User.objects.get(pk=call.run.user_id)
    try:
        lock_for_write(user=user, conversation_id=call.draft.conversation_id)
    except DraftloomError as error:
        return ToolResult("failed", error.detail)
    if stale := _changed_meanwhile(call):
        return stale
    version = add_version(
        draft=call.draft,
        title=title,
        description=description,
        user=user,
        run=call.run,
        tool_call=call.key,
        author=call.author,
    )
    return ToolResult("succeeded", f"The draft is now version {version.version_number}, titled “{version.title}”.")


def _changed_meanwhile(call: ToolInput) -> ToolResult | None:
    """What to tell a model that would write over somebody else's newer version; None if it would not."""
    active = lock_draft(call.draft).active_version
    if active is None or is_placeholder(active):
        return None
    if active.pk == call.base_version_id or active.run_id == call.run.pk:
        return None
    if DraftVersion.objects.filter(run=call.run, tool_call=call.key).exists():
        return None  # the call took effect before the other change; this is its repetition
    text = (
        "Somebody has changed the draft meanwhile, so nothing was written. Make your change to this version and call "
        f"again.\n<title>{active.title}</title>\n<description>{active.description}</description>"
    )
    return ToolResult("rejected", text, active.pk)


UPDATE_PROJECT_DRAFT = Tool(
    name="update_project_draft",
    description=(
        "Replaces the project draft's title and description. Call it whenever the member asks for a change "
        "to the draft or a concrete improvement was agreed on. Give the whole new text: Markdown in the "
        f"description, at most {DRAFT_TITLE_CHARACTERS} characters in the title."
    ),
    schema={
        "type": "object",
        "properties": {"title": {"type": "string"}, "description": {"type": "string"}},
        "required": ["title", "description"],
        "additionalProperties": False,
    },
    status="updating_project_draft",
    handler=update_project_draft,
)

TOOLS: dict[str, Tool] = {tool.name: tool for tool in (UPDATE_PROJECT_DRAFT, CREATE_LINEAR_PROJECT)}


def tools_offered() -> dict[str, Tool]:
    """What a model may call here, by name."""
    off = set() if linear.is_configured() else {CREATE_LINEAR_PROJECT.name}
    return {name: tool for name, tool in TOOLS.items() if name not in off}


def execute_tool(
    run: Run,
    draft: ProjectDraft,
    name: str,
    arguments: dict[str, Any] | None,
    key: str,
    base_version_id: int | None,
    author: Author,
) -> ToolResult | None:
    """One call, by the run's present owner only; None if a person has to allow it first.

    `key` is the call's round and position. Raises `LostRun`.
    """
    result = _begin(run, draft, name, arguments, key, base_version_id, author)
    return result() if callable(result) else result


@transaction.atomic
def _begin(
    run: Run,
    draft: ProjectDraft,
    name: str,
    arguments: dict[str, Any] | None,
    key: str,
    base_version_id: int | None,
    author: Author,
) -> ToolResult | Errand | None:
    """All of a call that takes place here, in one transaction, and what is left to do outside."""
    if int(key.partition(".")[2]) >= settings.TOOL_CALLS_PER_ROUND:
        return ToolResult("rejected", f"At most {settings.TOOL_CALLS_PER_ROUND} tools may be called at once.")
    tool = tools_offered().get(name)
    if tool is None:
        return ToolResult("rejected", f"There is no tool of this name; there are: {', '.join(tools_offered())}.")
    if arguments is None:
        return ToolResult("rejected", "The arguments are not one valid JSON object. Send them again.")
    row = lifecycle.lock_run(run)
    if tool.needs_approval and settings.TOOL_APPROVAL == "required":
        if (is_allowed := decision_on(row, draft, key)) is None:
            return None
        if not is_allowed:
            return ToolResult("rejected", "The member did not allow this. Do not try it again unless they ask for it.")
    return tool.handler(ToolInput(row, draft, key, arguments, base_version_id, author))


def decision_on(row: Run, draft: ProjectDraft, key: str) -> bool | None:
    """What a person decided about this call on the draft as it is now; None if nobody has.

    What the call itself has made of the draft, before its runner died, does not count.
    """
    decision = row.step.get("decision")
    if not decision or decision["key"] != key:
        return None
    if not decision["approve"]:
        return False
    is_as_shown = lock_draft(draft).active_version_id == decision["draft_version_id"]
    return True if is_as_shown or _has_begun(row, key) else None


def _has_begun(row: Run, key: str) -> bool:
    return any(
        made.filter(run=row, tool_call=key).exists() for made in (DraftVersion.objects, LinearProjectRequest.objects)
    )


def parse_arguments(text: str) -> dict[str, Any] | None:
    """The arguments of a call, strictly: None unless `text` is one JSON object."""
    try:
        value = orjson.loads(text or "{}")
    except orjson.JSONDecodeError:
        return None
    return value if isinstance(value, dict) else None

"""The tools there are, and how a call of one is made: once, and if need be with a person's approval."""

from typing import Any

import orjson
from django.conf import settings
from django.db import transaction

from chat.draft_tools import EDIT_PROJECT_DRAFT, UPDATE_PROJECT_DRAFT
from chat.project_tool import CREATE_LINEAR_PROJECT
from chat.tool import Errand, Tool, ToolInput, ToolResult
from conversations.models import Run
from conversations.runs import lifecycle
from drafts.models import DraftVersion, LinearProjectRequest, ProjectDraft
from drafts.services import Author, lock_draft, version_read
from integrations import linear

TOOLS: dict[str, Tool] = {tool.name: tool for tool in (UPDATE_PROJECT_DRAFT, EDIT_PROJECT_DRAFT, CREATE_LINEAR_PROJECT)}


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
    is_as_shown = version_read(lock_draft(draft)) == decision["draft_version_id"]
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

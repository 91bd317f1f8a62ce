"""The tools that change the draft: one gives the whole new text, the other replaces pieces of it."""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

from accounts.models import User
from chat.edits import Unfit, apply_edits, parse_edits
from chat.tool import Tool, ToolInput, ToolResult
from config.exceptions import DraftloomError
from config.limits import DESCRIPTION_CHARACTERS, DRAFT_EDITS, DRAFT_TITLE_CHARACTERS
from config.text import clean_text
from conversations.services import lock_for_write
from drafts.models import DraftVersion
from drafts.services import add_version, is_placeholder, lock_draft


class Text(NamedTuple):
    title: str
    description: str


def update_project_draft(call: ToolInput) -> ToolResult:
    return _change(call, partial(_whole, call.arguments.get("title"), call.arguments.get("description")))


def edit_project_draft(call: ToolInput) -> ToolResult:
    return _change(call, partial(_edited, call.arguments.get("title"), call.arguments.get("edits")))


def _change(call: ToolInput, written: Callable[[DraftVersion | None], Text]) -> ToolResult:
    """Makes of the active version what `written` says, which may raise `Unfit`, unless the call has done so before."""
    if done := DraftVersion.objects.filter(run=call.run, tool_call=call.key).first():
        return _told(done)
    user = User.objects.get(pk=call.run.user_id)
    try:
        lock_for_write(user=user, conversation_id=call.draft.conversation_id)
    except DraftloomError as error:
        return ToolResult("failed", error.detail)
    active = lock_draft(call.draft).active_version
    if stale := _changed_meanwhile(call, active):
        return stale
    try:
        title, description = written(active)
    except Unfit as error:
        return ToolResult("rejected", f"{error} Nothing was written.")
    version = add_version(
        draft=call.draft,
        title=title,
        description=description,
        user=user,
        run=call.run,
        tool_call=call.key,
        author=call.author,
    )
    return _told(version)


def _told(version: DraftVersion) -> ToolResult:
    return ToolResult("succeeded", f"The draft is now version {version.version_number}, titled “{version.title}”.")


def _changed_meanwhile(call: ToolInput, active: DraftVersion | None) -> ToolResult | None:
    """What to tell a model that would write over somebody else's newer version; None if it would not."""
    if active is None or is_placeholder(active):
        return None
    if active.pk == call.base_version_id or active.run_id == call.run.pk:
        return None
    text = (
        "Somebody has changed the draft meanwhile, so nothing was written. Make your change to this version and call "
        f"again.\n<title>{active.title}</title>\n<description>{active.description}</description>"
    )
    return ToolResult("rejected", text, active.pk)


def _whole(title: Any, description: Any, active: DraftVersion | None) -> Text:
    if not (isinstance(title, str) and isinstance(description, str) and title.strip() and description.strip()):
        raise Unfit("Both `title` and `description` must be given, as text that is not empty.")
    return _fitting(title, clean_text(description).strip())


def _edited(title: Any, edits: Any, active: DraftVersion | None) -> Text:
    """The active version with the edits made; with its own title if `title` is empty or absent."""
    if active is None:
        raise Unfit("There is no draft yet that could be edited. Give the whole text with `update_project_draft`.")
    if not isinstance(title, str | None):
        raise Unfit("`title` must be text; leave it empty to keep the title.")
    text = _fitting((title or "").strip() or active.title, apply_edits(active.description, parse_edits(edits)))
    if not text.description.strip():
        raise Unfit("These edits would leave an empty description.")
    if text == (active.title, active.description):
        raise Unfit("This changes nothing: give at least one edit, or another title.")
    return text


def _fitting(title: str, description: str) -> Text:
    """Raises `Unfit` for more than a draft may hold."""
    title = clean_text(title).strip()
    if len(title) > DRAFT_TITLE_CHARACTERS:
        raise Unfit(f"The title has {len(title)} characters; at most {DRAFT_TITLE_CHARACTERS} fit.")
    if len(description) > DESCRIPTION_CHARACTERS:
        raise Unfit(f"The description would have {len(description)} characters; at most {DESCRIPTION_CHARACTERS} fit.")
    return Text(title, description)


UPDATE_PROJECT_DRAFT = Tool(
    name="update_project_draft",
    description=(
        "Replaces the project draft's title and description. Call it for changes to much of the draft that the member "
        "asks for or that were agreed on; for small ones call `edit_project_draft`. Give the whole new text: Markdown "
        f"in the description, at most {DRAFT_TITLE_CHARACTERS} characters in the title."
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

EDIT_PROJECT_DRAFT = Tool(
    name="edit_project_draft",
    description=(
        "Changes pieces of the project draft and leaves the rest as it is. Call it for small changes that the member "
        "asks for or that were agreed on. Each edit replaces a piece of the description, `old`, by another, `new`; "
        "they are made in order, all or none. To add something, repeat in `new` what it stands beside."
    ),
    schema={
        "type": "object",
        "properties": {
            "edits": {
                "type": "array",
                "description": f"At most {DRAFT_EDITS}; none to change the title alone.",
                "items": {
                    "type": "object",
                    "properties": {
                        "old": {
                            "type": "string",
                            "description": "Copied exactly from the description; so long that it occurs there once.",
                        },
                        "new": {"type": "string", "description": "What stands there instead; empty to remove it."},
                    },
                    "required": ["old", "new"],
                    "additionalProperties": False,
                },
            },
            "title": {"type": "string", "description": "A new title; empty to keep the one there is."},
        },
        "required": ["edits", "title"],  # with all of them, OpenAI's strict mode takes the schema
        "additionalProperties": False,
    },
    status="updating_project_draft",
    handler=edit_project_draft,
)

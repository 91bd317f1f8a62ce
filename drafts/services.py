"""Drafts and their versions."""

from typing import NamedTuple

from django.db import transaction
from django.db.models import QuerySet

from accounts.models import User
from accounts.principals import Principal
from config.exceptions import Conflict, NotFound
from config.limits import DRAFT_TITLE_CHARACTERS
from config.preconditions import Precondition, no_precondition
from conversations.models import Conversation, Run
from conversations.services import lock_for_write, require_visible
from drafts.models import DraftVersion, ProjectDraft

PLACEHOLDER_TITLE = "Generating..."
PLACEHOLDER_TEXT = "The draft is being written."
FAILED_TITLE = "Failed to Generate Project Draft"


class Author(NamedTuple):
    """The model that wrote something, as `provider/model`, told by which version of its task's prompt."""

    model: str = ""
    prompt_version: int | None = None


A_PERSON = Author()


def get_draft(*, user: Principal, conversation_id: int) -> ProjectDraft:
    """The draft with its active version. Raises `NotFound` for what is missing or not this user's to see."""
    require_visible(user=user, conversation_id=conversation_id)
    drafts = ProjectDraft.objects.select_related("active_version__created_by_user")
    draft = drafts.filter(conversation_id=conversation_id).first()
    if draft is None:
        raise NotFound("This conversation has no project draft yet.", code="draft_not_found")
    return draft


def versions_of(*, user: Principal, conversation_id: int) -> QuerySet[DraftVersion]:
    """All versions, the newest first."""
    draft = get_draft(user=user, conversation_id=conversation_id)
    versions = DraftVersion.objects.filter(project_draft=draft).select_related("created_by_user")
    return versions.order_by("-version_number")


@transaction.atomic
def edit(
    *,
    user: User,
    conversation_id: int,
    title: str,
    description: str,
    precondition: Precondition[ProjectDraft] = no_precondition,
) -> ProjectDraft:
    """A person's edit: a new active version, unless nothing changed. Returns the draft as this has left it."""
    lock_for_write(user=user, conversation_id=conversation_id)
    draft = get_draft(user=user, conversation_id=conversation_id)
    precondition(draft)
    add_version(draft=draft, title=title, description=description, user=user, is_manual_edit=True)
    return get_draft(user=user, conversation_id=conversation_id)


@transaction.atomic
def activate(
    *, user: User, conversation_id: int, version_id: int, precondition: Precondition[ProjectDraft] = no_precondition
) -> ProjectDraft:
    """Brings an earlier version back, as a new one. Raises `NotFound` for a version of another draft.

    Returns the draft as this has left it.
    """
    lock_for_write(user=user, conversation_id=conversation_id)
    draft = get_draft(user=user, conversation_id=conversation_id)
    chosen = DraftVersion.objects.filter(project_draft=draft, pk=version_id).first()
    if chosen is None:
        raise NotFound("This draft has no such version.", code="version_not_found")
    precondition(draft)
    add_version(
        draft=draft,
        title=chosen.title,
        description=chosen.description,
        user=user,
        is_manual_edit=chosen.is_manual_edit,
        author=Author(chosen.model, chosen.prompt_version),
        restored_from=chosen.version_number,
    )
    return get_draft(user=user, conversation_id=conversation_id)


@transaction.atomic
def add_version(
    *,
    draft: ProjectDraft,
    title: str,
    description: str,
    user: User,
    is_manual_edit: bool = False,
    run: Run | None = None,
    tool_call: str = "",
    author: Author = A_PERSON,
    restored_from: int | None = None,
    activate: bool = True,
) -> DraftVersion:
    """Adds a version, numbered by the draft's counter, and makes it the active one.

    Returns what is there already if the text is the active version's, or if `tool_call` of `run` took effect before.
    """
    row = lock_draft(draft)
    active = row.active_version
    if active and (active.title, active.description) == (title, description):
        return active
    if tool_call and (earlier := DraftVersion.objects.filter(run=run, tool_call=tool_call).first()):
        return earlier
    row.last_version_number += 1
    version = DraftVersion.objects.create(
        project_draft=row,
        title=title,
        description=description,
        is_manual_edit=is_manual_edit,
        version_number=row.last_version_number,
        created_by_user=user,
        run=run,
        tool_call=tool_call,
        model=author.model,
        prompt_version=author.prompt_version,
        restored_from=restored_from,
    )
    if activate:
        row.active_version = version
    row.save(update_fields=["last_version_number", "active_version", "updated_at"])
    return version


def lock_draft(draft: ProjectDraft) -> ProjectDraft:
    """The draft's row, locked, with its counters as they are now. After the conversation's and the run's lock."""
    rows = ProjectDraft.objects.select_for_update(no_key=True, of=("self",)).select_related("active_version")
    return rows.get(pk=draft.pk)


def get_or_make_draft(*, conversation: Conversation, user: User) -> ProjectDraft:
    """The conversation's draft, made with a placeholder as version 1 if there is none."""
    draft, created = ProjectDraft.objects.select_related("active_version").get_or_create(
        conversation=conversation, defaults={"created_by_user": user}
    )
    if created:
        draft.active_version = add_version(
            draft=draft, title=PLACEHOLDER_TITLE, description=PLACEHOLDER_TEXT, user=user
        )
    return draft


@transaction.atomic
def store_generated(
    *,
    draft: ProjectDraft,
    run: Run,
    title: str,
    description: str,
    base_version_id: int | None,
    user: User,
    author: Author,
) -> DraftVersion:
    """Stores what a model wrote from the chat.

    A placeholder that nobody has touched is filled in place. Otherwise it becomes a new version; that is the active
    one unless somebody has changed the draft since `base_version_id`, where the model began: by hand, or by a chat.
    Raises `Conflict` (`conversation_locked`) if it has become a project meanwhile.
    """
    if _is_locked(draft):
        raise Conflict("This conversation has become a project and is locked.", code="conversation_locked")
    row = lock_draft(draft)
    active = row.active_version
    if active and is_placeholder(active):
        return _fill(active, title=title, description=description, run=run, author=author)
    edited_since = active is not None and active.pk != base_version_id
    return add_version(
        draft=draft,
        title=title,
        description=description,
        user=user,
        run=run,
        author=author,
        activate=not edited_since,
    )


@transaction.atomic
def store_failure(*, draft: ProjectDraft, run: Run, reason: str) -> None:
    """Says in the place of an untouched placeholder that generating failed; a draft that has text keeps it."""
    active = lock_draft(draft).active_version
    if active and is_placeholder(active) and not _is_locked(draft):
        _fill(active, title=FAILED_TITLE, description=reason, run=run)


def has_text(*, conversation_id: int) -> bool:
    """Whether the conversation has a draft that is more than a placeholder."""
    draft = ProjectDraft.objects.select_related("active_version").filter(conversation_id=conversation_id).first()
    return draft is not None and draft.active_version is not None and not is_placeholder(draft.active_version)


def _is_locked(draft: ProjectDraft) -> bool:
    """For the end of a run, which holds the conversation's row already."""
    return Conversation.objects.filter(pk=draft.conversation_id, is_locked=True).exists()


def version_read(draft: ProjectDraft) -> int | None:
    """The version that whoever reads the draft has read; None for a placeholder, which is filled in place later."""
    version = draft.active_version
    return None if version is None or is_placeholder(version) else version.pk


def is_placeholder(version: DraftVersion) -> bool:
    """Whether this is the text that stands there until a draft is written, and nobody has touched it."""
    return version.version_number == 1 and version.title == PLACEHOLDER_TITLE and not version.is_manual_edit


def _fill(version: DraftVersion, *, title: str, description: str, run: Run, author: Author = A_PERSON) -> DraftVersion:
    version.title, version.description, version.run = title, description, run
    version.model, version.prompt_version = author
    version.save(update_fields=["title", "description", "run", "model", "prompt_version"])
    ProjectDraft.objects.get(pk=version.project_draft_id).save(update_fields=["updated_at"])
    return version


def is_title_too_long(title: str) -> bool:
    return len(title) > DRAFT_TITLE_CHARACTERS

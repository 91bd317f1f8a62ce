"""What is stored of a draft that becomes a project in Linear; `drafts.project_creation` says how that happens."""

import logging
from datetime import timedelta

from django.db import transaction
from django.utils import timezone

from accounts import audit
from accounts.models import User
from accounts.principals import Principal
from config.exceptions import Conflict, NotFound, Unavailable
from conversations.models import Conversation, Run
from conversations.runs import lifecycle
from conversations.services import lock_for_write, require_visible
from drafts.models import LinearProjectRequest, Project, ProjectDraft
from integrations import linear
from integrations.linear import LinearProject

log = logging.getLogger(__name__)

State = LinearProjectRequest.State
UNDISTURBED = timedelta(seconds=60)  # longer than `carry_out` takes, so that nobody looks after what is being done
NOT_CONFIGURED = "Linear is not connected here. An operator has to set LINEAR_ACCESS_KEY and LINEAR_TEAM_KEY."


def get_project(*, user: Principal, conversation_id: int) -> Project:
    """Raises `NotFound` for a conversation this user may not see, or one that has not become a project."""
    require_visible(user=user, conversation_id=conversation_id)
    project = Project.objects.filter(conversation_id=conversation_id).first()
    if project is None:
        raise NotFound("This conversation has not become a project.", code="project_not_found")
    return project


@transaction.atomic
def ask_for(
    *, user: User, conversation_id: int, title: str, description: str, run: Run | None = None, tool_call: str = ""
) -> LinearProjectRequest:
    """Stores the wish for a project, which is then the caller's to `carry_out`.

    The call `tool_call` of `run` may come again after a crash, and goes on. Raises `NotFound`; `Conflict`
    (`conversation_locked`, `project_exists`, `project_in_progress`, `run_in_progress` while the draft is being
    written); `Unavailable` (`linear_not_configured`).
    """
    conversation = lock_for_write(user=user, conversation_id=conversation_id)
    refuse_second_project(conversation)
    if not linear.is_configured():
        raise Unavailable(NOT_CONFIGURED, code="linear_not_configured")
    lifecycle.refuse_second_run(kind=Run.Kind.GENERATE, conversation=conversation)
    now = timezone.now()
    values = {"state": State.PENDING, "asked_at": now, "check_at": now + UNDISTURBED}
    row = LinearProjectRequest.objects.select_for_update(no_key=True).filter(conversation=conversation).first()
    if row is not None and row.state == State.PENDING:
        if run is None or (row.run_id, row.tool_call) != (run.pk, tool_call):
            raise Conflict("The project is being created. Wait a moment.", code="project_in_progress")
        return _updated(row, values | {"error_code": "interrupted"})
    draft = ProjectDraft.objects.filter(conversation=conversation).first()
    values |= {
        "title": title,
        "description": description,
        "draft_version_id": draft.active_version_id if draft else None,
        "user_id": user.pk,
        "run_id": run.pk if run else None,
        "tool_call": tool_call,
        "error_code": "",
    }
    if row is not None:
        return _updated(row, values)
    return LinearProjectRequest.objects.create(conversation=conversation, **values)


def refuse_second_project(conversation: Conversation) -> None:
    """Raises `Conflict` (`project_exists`, with `linear_url`); a conversation may be unlocked, its project stays."""
    project = Project.objects.filter(conversation=conversation).first()
    if project is not None:
        raise Conflict(
            f"This conversation has become a project already: {project.linear_url}",
            code="project_exists",
            extra={"linear_url": project.linear_url},
        )


def refuse_deletion(conversation: Conversation) -> None:
    """Raises `Conflict`: what may be coming into being in Linear must have its conversation here."""
    if LinearProjectRequest.objects.filter(conversation=conversation, state=State.PENDING).exists():
        raise Conflict("The project is being created. Wait a moment.", code="project_in_progress")


def project_of_call(run: Run, tool_call: str) -> Project | None:
    """The project that this call has made already."""
    asked = LinearProjectRequest.objects.filter(run=run, tool_call=tool_call, state=State.CREATED)
    return Project.objects.filter(conversation__in=asked.values("conversation")).first()


@transaction.atomic
def finish(request: LinearProjectRequest, made: LinearProject) -> Project:
    """The project and the lock, together, once: whoever comes second gets what the first has stored."""
    conversation = Conversation.objects.select_for_update(no_key=True).get(pk=request.conversation_id)
    row = LinearProjectRequest.objects.select_for_update(no_key=True).get(pk=request.pk)
    if project := Project.objects.filter(conversation=conversation).first():
        return project
    _end_waiting_runs(conversation)
    project = Project.objects.create(
        conversation=conversation,
        linear_project_id=made.id,
        title=made.name or row.title,
        description=made.content,
        linear_url=made.url,
        created_by_user_id=row.user_id,
    )
    Conversation.objects.filter(pk=conversation.pk).update(is_locked=True)
    LinearProjectRequest.objects.filter(pk=row.pk).update(state=State.CREATED, error_code="")
    after = {"linear_project_id": made.id, "linear_url": made.url, "draft_version": row.draft_version_id}
    audit.record("project.created", user=row.user, resource=f"conversation {conversation.pk}", after=after)
    return project


def _end_waiting_runs(conversation: Conversation) -> None:
    """What a model still waits to be allowed can't be done to a locked conversation."""
    for row in Run.objects.select_for_update(no_key=True).filter(conversation=conversation, state=Run.State.WAITING):
        lifecycle.end_unattended(row, Run.State.CANCELLED, reason="The conversation has become a project.")


def release(request: LinearProjectRequest, code: str) -> None:
    """Lets it be tried again, unless somebody has taken it over meanwhile."""
    mine = LinearProjectRequest.objects.filter(pk=request.pk, tries=request.tries, state=State.PENDING)
    if mine.update(state=State.RELEASED, error_code=code):
        log.warning("Project request %s was released: %s", request.pk, code)


def _updated(row: LinearProjectRequest, values: dict[str, object]) -> LinearProjectRequest:
    for name, value in values.items():
        setattr(row, name, value)
    row.tries += 1
    row.save()
    return row

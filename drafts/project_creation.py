"""A draft becomes a project in Linear: exactly one, whatever breaks on the way.

    ask_for (a row with the project's id) ─ carry_out: Linear is told ─ finish (project and lock, one transaction)
                                                │ in doubt: look whether it is there; later `settle_due` does
                                                └ surely not created: release, so that it may be tried again

What is stored of it is in `drafts.projects`. No transaction and no lock is held while Linear is asked.
"""

import logging
from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from accounts.models import User
from config.exceptions import Unavailable
from config.failpoints import failpoint
from config.text import plain
from conversations.models import Conversation
from drafts.models import LinearProjectRequest, Project
from drafts.projects import UNDISTURBED, ask_for, finish, release
from integrations import linear
from integrations.http import ServiceAway
from integrations.linear import LinearProject

log = logging.getLogger(__name__)

PENDING = LinearProjectRequest.State.PENDING
ATTEMPTS = 2
CHECK_EVERY = timedelta(seconds=15)
CHECKED_AT_ONCE = 10
IN_DOUBT = (
    "Linear did not say whether it has created the project. We keep looking: in a few minutes the project is either "
    "here, or you can try again."
)
REFUSALS = {
    "unauthorized": "Linear does not accept this server's key. An operator has to set LINEAR_ACCESS_KEY anew.",
    "unknown_team": "Linear knows no team of this key. An operator has to correct LINEAR_TEAM_KEY.",
    "throttled": "Linear asks us to slow down. Nothing was created; try again in a few minutes.",
    "refused": "Linear refused this project. Nothing was created; shorten or change the draft, then try again.",
}
AWAY = "Linear can't be reached. Nothing was created; try again in a few minutes."


class InDoubt(Exception):
    """Linear may have created the project, or may still do it."""


def create_project(*, user: User, conversation_id: int, title: str, description: str) -> Project:
    """Creates the conversation's project in Linear and locks the conversation. See `ask_for` and `carry_out`."""
    return carry_out(ask_for(user=user, conversation_id=conversation_id, title=title, description=description).pk)


def create_again(*, user: User, conversation_id: int, title: str, description: str) -> Project:
    """For a request that came before: its project if that is there by now, else another try."""
    project = Project.objects.filter(conversation__in=Conversation.objects.visible_to(user)).filter(
        conversation=conversation_id
    )
    if found := project.first():
        return found
    return create_project(user=user, conversation_id=conversation_id, title=title, description=description)


def carry_out(request_id: int) -> Project:
    """Tells Linear what was asked for, and stores what came of it. In no transaction.

    Raises `Unavailable`: `linear_refused` or `linear_unavailable` if it was surely not created, and `project_in_doubt`
    if `settle_due` has to find out.
    """
    request = LinearProjectRequest.objects.get(pk=request_id)
    failpoint("before_linear")
    try:
        made = _create(request)
    except InDoubt as error:
        soon = timezone.now() + CHECK_EVERY
        LinearProjectRequest.objects.filter(pk=request.pk, state=PENDING).update(check_at=soon)
        raise Unavailable(IN_DOUBT, code="project_in_doubt") from error
    except ServiceAway as error:
        release(request, error.code)
        code = "linear_refused" if error.code in REFUSALS and not error.retryable else "linear_unavailable"
        raise Unavailable(REFUSALS.get(error.code, AWAY), code=code) from error
    failpoint("after_linear")
    return finish(request, made)


def _create(request: LinearProjectRequest) -> LinearProject:
    """Creates the project, or finds it where the answer was lost. Raises `InDoubt`, or `ServiceAway` if it is not."""
    is_doubtful = bool(request.error_code)  # a process that had asked for it has died
    for _ in range(ATTEMPTS):
        try:
            return linear.create_project(
                project_id=request.linear_id,
                name=request.title,
                description=plain(request.description, linear.DESCRIPTION_CHARACTERS),
                content=request.description,
            )
        except ServiceAway as error:
            failure = error
        is_doubtful |= failure.may_have_happened
        if not is_doubtful and failure.code != "refused":
            raise failure
        if found := _look_for(request):
            return found
        if failure.code == "refused":  # Linear has answered, both times
            raise failure
    raise InDoubt


def _look_for(request: LinearProjectRequest) -> LinearProject | None:
    try:
        return linear.find_project(request.linear_id)
    except ServiceAway as error:
        raise InDoubt from error


def settle_due() -> int:
    """Looks in Linear after requests that were cut off or are in doubt; how many were decided."""
    if not linear.is_configured():
        return 0
    return sum(_settle(request) for request in _take_due(timezone.now()))


@transaction.atomic
def _take_due(now: datetime) -> list[LinearProjectRequest]:
    due = LinearProjectRequest.objects.filter(state=PENDING, check_at__lte=now).order_by("check_at")
    rows = list(due.select_for_update(skip_locked=True, no_key=True)[:CHECKED_AT_ONCE])
    LinearProjectRequest.objects.filter(pk__in=[row.pk for row in rows]).update(check_at=now + UNDISTURBED)
    return rows


def _settle(request: LinearProjectRequest) -> bool:
    try:
        found = linear.find_project(request.linear_id)
    except ServiceAway as error:
        log.warning("Project request %s stays in doubt: %s", request.pk, error.code)
        return False
    if found:
        finish(request, found)
        return True
    if timezone.now() - request.asked_at > timedelta(seconds=settings.LINEAR_DOUBT_SECONDS):
        release(request, "not_created")
        return True
    soon = timezone.now() + CHECK_EVERY
    LinearProjectRequest.objects.filter(pk=request.pk, state=PENDING).update(check_at=soon)
    return False

"""A person allows, or refuses, what a model wants to do outside of Draftloom."""

from datetime import timedelta
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from accounts.models import User
from config.exceptions import Conflict
from conversations.models import Run
from conversations.runs import lifecycle
from conversations.services import get_run, lock_for_write
from drafts.models import ProjectDraft
from drafts.services import version_read

PATIENCE = timedelta(days=1)


def decide(*, user: User, run_id: UUID, approve: bool) -> Run:
    """Lets a waiting run go on with, or without, the call it asks for.

    An approval is for the version of the draft that was shown. If the draft has changed since, nothing is done, the run
    asks anew, and this raises `Conflict` (`draft_changed`). Raises `NotFound`; `Conflict` (`not_waiting`,
    `conversation_locked`).
    """
    run, is_stale = _decide(user=user, run_id=run_id, approve=approve)
    if is_stale:
        raise Conflict(
            "The draft has changed since you were asked. Look at it again, then decide.",
            code="draft_changed",
            extra={"run_id": str(run.id)},
        )
    return run


@transaction.atomic
def _decide(*, user: User, run_id: UUID, approve: bool) -> tuple[Run, bool]:
    found = get_run(user=user, run_id=run_id)
    if found.conversation_id:
        lock_for_write(user=user, conversation_id=found.conversation_id)
    row = Run.objects.select_for_update(no_key=True).get(pk=found.pk)
    if row.state != Run.State.WAITING:
        raise Conflict("This run does not wait for an approval.", code="not_waiting")
    shown = row.step["approval"]["draft_version_id"]
    draft = ProjectDraft.objects.select_related("active_version").get(conversation__runs=found)
    is_stale = approve and version_read(draft) != shown
    if not is_stale:
        row.step["decision"] = {
            "approve": approve, "key": row.step["asked_for"], "draft_version_id": shown, "user_id": user.pk
        }  # fmt: skip
    lifecycle.resume(row)
    return row, is_stale


def expire() -> int:
    """Ends runs whose question nobody has answered for a day; how many."""
    old = Run.objects.filter(state=Run.State.WAITING, waiting_since__lt=timezone.now() - PATIENCE)
    return sum(_expire(run_id) for run_id in old.values_list("pk", flat=True))


@transaction.atomic
def _expire(run_id: UUID) -> bool:
    row = lifecycle.lock_waiting(run_id)
    if row is None:
        return False
    reason = "Nobody approved this within a day, so it was not done."
    lifecycle.end_unattended(row, Run.State.FAILED, reason=reason, error_code="approval_expired")
    return True

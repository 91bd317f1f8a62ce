"""What becomes of a conversation that was deleted: it is hidden, then restored or purged. `services.delete` hides it.

The row's lock decides who comes first: what was restored is not purged, and what was purged can't be restored.
"""

import math
import time
from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from accounts import audit
from accounts.models import User
from config.exceptions import Conflict, Forbidden, NotFound
from config.failpoints import failpoint
from conversations.models import Conversation
from conversations.visibility import ConversationQuerySet

PURGED_AT_ONCE = 20  # in one transaction
LARGE = ("imported_chat", "import_report")


def restorable_until(conversation: Conversation) -> datetime | None:
    """Until when a deleted conversation can be restored; None for one that is not deleted."""
    return conversation.deleted_at and conversation.deleted_at + kept()


def kept() -> timedelta:
    """For how long what was deleted is kept."""
    return timedelta(days=settings.DELETED_KEPT_DAYS)


@transaction.atomic
def restore(*, user: User, conversation_id: int) -> None:
    """Makes everything of a deleted conversation as it was; one that is not deleted stays as it is.

    Raises `Forbidden` unless `user` imported it or operates, and `NotFound`, also when its time is over.
    """
    rows = Conversation.objects.reachable_by(user).select_for_update(no_key=True, of=("self",))
    conversation = _one(rows, conversation_id)
    if not Conversation.objects.deletable_by(user).filter(pk=conversation.pk).exists():
        raise Forbidden("Only the person who imported a conversation, or an operator, may restore it.")
    until = restorable_until(conversation)
    if until is None:
        return
    if until <= timezone.now():
        raise _gone()
    before = _history_of(conversation)
    conversation.deleted_at = conversation.deleted_by_user = None
    conversation.save(update_fields=["deleted_at", "deleted_by_user"])
    audit.record("conversation.restored", user=user, resource=f"conversation {conversation_id}", before=before)


@transaction.atomic
def purge(*, user: User, conversation_id: int) -> None:
    """Removes a conversation for good and at once, deleted before or not, with all that belongs to it.

    Raises `Forbidden` unless `user` operates, `NotFound`, `Conflict` (`conversation_locked`) for one that has become a
    project, and whatever a receiver of `pre_delete` raises.
    """
    if not user.is_operator:
        raise Forbidden("Only an operator may delete a conversation for good.")
    conversation = _one(Conversation.objects.select_for_update(of=("self",)), conversation_id)
    if conversation.is_locked:
        raise Conflict("This conversation has become a project. Unlock it first.", code="conversation_locked")
    _remove(conversation, user)


def purge_all(*, before: datetime, seconds: float = math.inf) -> int:
    """Removes what was deleted before that moment, for good, or as much as fits the time; how many it was.

    Those that somebody restores, purges or indexes at this moment are left for the next time.
    """
    count, end = 0, time.monotonic() + seconds
    while time.monotonic() < end and (some := _purge_some(before)):
        count += some
    return count


@transaction.atomic
def _purge_some(before: datetime) -> int:
    rows = Conversation.objects.deleted().filter(deleted_at__lt=before).defer(*LARGE).order_by("deleted_at", "pk")
    old = list(rows.select_for_update(skip_locked=True, of=("self",))[:PURGED_AT_ONCE])
    for conversation in old:
        _remove(conversation, None)
        failpoint("in_purge")
    return len(old)


def _remove(conversation: Conversation, user: User | None) -> None:
    """Its files' objects are let go by a trigger, and its chunks go by the database's own hand."""
    number, before = conversation.pk, _history_of(conversation)
    conversation.delete()
    audit.record("conversation.purged", user=user, resource=f"conversation {number}", before=before)


def _history_of(conversation: Conversation) -> dict[str, str | int | None]:
    return {
        "imported_by": conversation.imported_by_user_id,
        "deleted_by": conversation.deleted_by_user_id,
        "deleted_at": conversation.deleted_at.isoformat() if conversation.deleted_at else None,
    }


def _one(rows: ConversationQuerySet, conversation_id: int) -> Conversation:
    row = rows.defer(*LARGE).filter(pk=conversation_id).first()
    if row is None:
        raise _gone()
    return row


def _gone() -> NotFound:
    return NotFound("There is no such conversation.", code="conversation_not_found")

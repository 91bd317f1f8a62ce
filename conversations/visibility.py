"""Who may see which conversations, and with them everything that belongs to one."""

from typing import TYPE_CHECKING

from django.conf import settings
from django.db import models
from django.db.models import Q

from accounts.models import User
from accounts.principals import Principal

if TYPE_CHECKING:
    from conversations.models import Conversation, Run  # noqa: F401 - the strings below name them

ACTIVE_STATES = ("queued", "running", "waiting")


def is_visible(user: Principal, path: str = "") -> Q:
    """What `user` may see, for a query that comes to conversations by `path`, such as `conversation__`."""
    return Q(**{f"{path}deleted_at": None}) & _is_reachable(user, path)


def _is_reachable(user: Principal, path: str = "") -> Q:
    if settings.VISIBILITY == "workspace" or user.is_operator:
        return Q()
    return Q(**{f"{path}imported_by_user": user.pk})


class ConversationQuerySet(models.QuerySet["Conversation"]):
    """Every read and write of anything that belongs to a conversation starts at one of these."""

    def visible_to(self, user: Principal) -> "ConversationQuerySet":
        return self.filter(is_visible(user))

    def editable_by(self, user: User) -> "ConversationQuerySet":
        return self.visible_to(user)

    def deletable_by(self, user: User) -> "ConversationQuerySet":
        """Those that are `user`'s to delete and to restore."""
        return self.all() if user.is_operator else self.filter(imported_by_user=user)

    def reachable_by(self, user: User) -> "ConversationQuerySet":
        """Those that `user` may see, or might if they were not deleted."""
        return self.filter(_is_reachable(user))

    def kept(self) -> "ConversationQuerySet":
        """Those that are not deleted: what works by itself leaves the others alone."""
        return self.filter(deleted_at=None)

    def deleted(self) -> "ConversationQuerySet":
        """Those that are hidden until they are restored, or purged."""
        return self.filter(deleted_at__isnull=False)


class RunQuerySet(models.QuerySet["Run"]):
    def visible_to(self, user: Principal) -> "RunQuerySet":
        """Those of conversations the user may see, and the user's own imports that have none yet."""
        of_a_conversation = Q(conversation__isnull=False) & is_visible(user, "conversation__")
        return self.filter(of_a_conversation | Q(conversation=None, user=user.pk))

    def of_kept(self) -> "RunQuerySet":
        """Those whose conversation is not deleted, if they have one."""
        return self.filter(conversation__deleted_at=None)

    def active(self) -> "RunQuerySet":
        return self.filter(state__in=ACTIVE_STATES)

"""What the audit learns from Django's signals: whoever signs in or out, and roles, in whatever way they change."""

from collections.abc import Iterable
from typing import Any

from django.contrib.auth.models import Group
from django.contrib.auth.signals import user_logged_in, user_logged_out
from django.db.models.signals import m2m_changed
from django.dispatch import receiver
from django.http import HttpRequest

from accounts import audit
from accounts.models import User


@receiver(user_logged_in)
def signed_in(request: HttpRequest, user: User, **_: Any) -> None:
    route = request.resolver_match.route if request.resolver_match else audit.SERVER  # never the path, with its token
    audit.record("session.begun", user=user, resource=route)


@receiver(user_logged_out)
def signed_out(user: User | None, **_: Any) -> None:
    if user is not None:
        audit.record("session.ended", user=user)


@receiver(m2m_changed, sender=User.groups.through)
def roles_changed(instance: User | Group, action: str, pk_set: set[int] | None, **_: Any) -> None:
    verb = {"post_add": "role.granted", "post_remove": "role.removed", "pre_clear": "role.removed"}.get(action)
    if verb is None:
        return
    if isinstance(instance, User):
        groups = instance.groups.all() if pk_set is None else Group.objects.filter(pk__in=pk_set)
        _record(verb, [instance], groups)
    else:
        users = User.objects.filter(groups=instance) if pk_set is None else User.objects.filter(pk__in=pk_set)
        _record(verb, users, [instance])


def _record(verb: str, users: Iterable[User], groups: Iterable[Group]) -> None:
    for user in users:
        for group in groups:
            audit.record(verb, resource=user.email, after={"role": group.name})

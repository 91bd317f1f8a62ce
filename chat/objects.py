"""Objects of the file storage, and the rows that know of them: no object without a row, no file without an object.

A row is `uploading` from before the object is written until the transaction that stores what names it; `deleting` from
the transaction that drops what named it until the object is gone. `sweep` removes what is `deleting`, and what has been
`uploading` for longer than any upload takes.
"""

from collections.abc import Callable
from datetime import timedelta
from typing import IO, NamedTuple, TypeVar

from django.conf import settings
from django.db import transaction
from django.db.models import Sum
from django.db.models.functions import Now

from accounts.models import User
from chat.models import StoredObject
from config.exceptions import DraftloomError, TooLarge, Unavailable
from config.failpoints import failpoint
from integrations.storage import file_storage

UPLOAD_TAKES_LESS_THAN = timedelta(minutes=15)
SWEPT_AT_ONCE = 500

State = StoredObject.State
Row = TypeVar("Row")


class Content(NamedTuple):
    """What is to be stored; `size` in bytes."""

    file: IO[bytes]
    size: int
    content_type: str


class Differences(NamedTuple):
    """`unknown` are keys of objects without a row, `missing` those of rows whose object is gone."""

    unknown: set[str]
    missing: set[str]


def store(*, key: str, content: Content, record: Callable[[], Row], user: User | None = None) -> Row:
    """Stores an object together with the row that names it, which `record` makes in the transaction that ends this.

    The size counts against the quota of `user`, if one is given. Raises `TooLarge` (`quota_exceeded`), `Unavailable`,
    and whatever `record` raises; then nothing is stored that the sweeper does not remove.
    """
    _reserve(key, content.size, user)
    failpoint("after_reserve")
    file_storage().put(key, content.file, content.content_type)
    failpoint("after_put")
    try:
        with transaction.atomic():
            row = record()
            _keep(key)
    except DraftloomError:
        _let_go(key, content.size)
        raise
    return row


def used_by(user: User) -> int:
    """How many bytes count against a person's quota."""
    rows = StoredObject.objects.filter(user=user).exclude(state=State.DELETING)
    return int(rows.aggregate(total=Sum("size", default=0))["total"])


def sweep() -> int:
    """Removes objects that nothing names; how many."""
    late = StoredObject.objects.filter(state=State.UPLOADING, changed_at__lt=Now() - UPLOAD_TAKES_LESS_THAN)
    late.update(state=State.DELETING, changed_at=Now())
    rows = StoredObject.objects.filter(state=State.DELETING)
    removed = 0
    for key in list(rows.order_by("changed_at").values_list("key", flat=True)[:SWEPT_AT_ONCE]):
        try:
            file_storage().delete(key)
        except Unavailable:
            rows.filter(key=key).update(changed_at=Now())  # behind the others, should only this one be at fault
            break
        removed += rows.filter(key=key).delete()[0]
    return removed


def differences() -> Differences:
    """How storage and rows differ: nothing, unless one of them was set back or changed by other hands."""
    stored = StoredObject.objects.filter(state=State.STORED)
    before = set(stored.values_list("key", flat=True))
    lying = set(file_storage().keys())
    known = before | set(StoredObject.objects.values_list("key", flat=True))
    return Differences(lying - known, (before & set(stored.values_list("key", flat=True))) - lying)


def delete_unknown(keys: set[str]) -> None:
    """Removes objects that no row knows of. Raises `Unavailable`."""
    for key in keys:
        file_storage().delete(key)


@transaction.atomic
def _reserve(key: str, size: int, user: User | None) -> None:
    if user is not None:
        User.objects.select_for_update(no_key=True).get(pk=user.pk)  # so that two uploads see each other's size
        if used_by(user) + size > settings.LIMIT_STORAGE_PER_USER:
            raise TooLarge(
                "Your files would take more room than you have. Delete files that you do not need; those of a deleted "
                "conversation count until nobody can restore it any more.",
                code="quota_exceeded",
            )
    StoredObject.objects.create(key=key, size=size, user=user)


def _keep(key: str) -> None:
    """Raises `Unavailable` if the sweeper has given the upload up."""
    if not StoredObject.objects.filter(key=key, state=State.UPLOADING).update(state=State.STORED, changed_at=Now()):
        raise Unavailable("Storing this file took too long. Try again.", code="storage_unavailable")


def _let_go(key: str, size: int) -> None:
    """Has an object removed that was written, also if the sweeper thinks that it did that already."""
    StoredObject.objects.update_or_create(
        key=key,
        defaults={"state": State.DELETING, "changed_at": Now()},
        create_defaults={"state": State.DELETING, "size": size},
    )

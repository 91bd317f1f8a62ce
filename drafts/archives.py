"""Uploaded archives: taken in, shown, deleted. `drafts.archive_reading` lists what one holds, `drafts.bulk` imports it.

The file stands under `DATA_DIR/archives`, which web, worker and the runner of bulk imports share. It is opened only by
its reader, named by the archive's id alone, and gone after a day, or at once when its owner says so.
"""

import hashlib
import logging
import os
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from pathlib import Path, PurePath
from typing import Any
from uuid import UUID

from django.conf import settings
from django.core.files.uploadedfile import UploadedFile
from django.db import transaction
from django.db.models import Count, QuerySet
from django.db.models.functions import MD5
from django.utils import timezone

from accounts import audit
from accounts.models import User
from accounts.principals import Principal
from config import throttle
from config.exceptions import Conflict, NotFound, TooLarge, Unavailable
from config.limits import ARCHIVES_PER_USER
from config.text import clean_text
from conversations.models import Conversation
from drafts.models import Archive, ArchiveEntry

log = logging.getLogger(__name__)

KEPT = timedelta(days=1)
SHOWN = ("all", "new", "imported", "unreadable")
FILENAME_CHARACTERS = 255


def path_of(archive_id: UUID) -> Path:
    return _folder() / str(archive_id)


def _folder() -> Path:
    folder: Path = settings.DATA_DIR / "archives"
    return folder


def take_in(*, user: User, file: UploadedFile) -> Archive:
    """Keeps an uploaded file for a day. Nothing of it is looked at before a worker does.

    Raises `TooLarge` beyond `LIMIT_ARCHIVE_BYTES`, `TooMany`, and `Conflict` (`too_many_imports`) for somebody who
    keeps too many; `Unavailable` if there is no room for the file.
    """
    size = file.size or 0
    if size > settings.LIMIT_ARCHIVE_BYTES:
        raise TooLarge(f"An archive may have at most {settings.LIMIT_ARCHIVE_BYTES:,} bytes.")
    if Archive.objects.of(user).count() >= ARCHIVES_PER_USER:
        raise Conflict(
            f"You keep {ARCHIVES_PER_USER} archives here. Delete one of them first.", code="too_many_imports"
        )
    throttle.take("imports", user.pk, settings.LIMIT_IMPORTS)
    name = clean_text(PurePath(file.name or "").name)[:FILENAME_CHARACTERS]
    archive = Archive(user=user, filename=name, size=size, expires_at=timezone.now() + KEPT)
    with _undone(path_of(archive.id)) as path:
        _write(path, file)
        archive.save(force_insert=True)
    return archive


@contextmanager
def _undone(path: Path) -> Iterator[Path]:
    """Leaves no file behind if anything fails. Raises `Unavailable` where the file cannot be written."""
    try:
        yield path
    except BaseException as error:
        with suppress(OSError):
            path.unlink(missing_ok=True)
        if isinstance(error, OSError):
            log.exception("An archive could not be stored")
            raise Unavailable("The server has no room for this archive at the moment. Try again later.") from error
        raise


def _write(path: Path, file: UploadedFile) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with open(path, "xb", opener=_private) as target:
        for chunk in file.chunks():
            target.write(chunk)


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def get_archive(*, user: Principal, archive_id: UUID) -> Archive:
    """Raises `NotFound` for one that is missing, gone or another person's."""
    return _one(Archive.objects.of(user), archive_id)


def lock_archive(*, user: User, archive_id: UUID) -> Archive:
    """The archive, locked until the transaction ends. Raises `NotFound`."""
    return _one(Archive.objects.of(user).select_for_update(no_key=True), archive_id)


def _one(rows: QuerySet[Archive], archive_id: UUID) -> Archive:
    archive = rows.filter(pk=archive_id).first()
    if archive is None:
        raise NotFound("There is no such import. An archive is kept for a day.", code="import_not_found")
    return archive


def refuse_while_running(archive: Archive) -> None:
    if archive.state == Archive.State.IMPORTING:
        raise Conflict(
            "Conversations of this archive are being imported. Wait for that, or cancel it.",
            code="run_in_progress",
            extra={"run_id": str(archive.run_id)},
        )


def count_results(archive: Archive) -> dict[str, int]:
    """How many conversations came to which result; those that nobody has chosen are left out."""
    rows = archive.entries.exclude(result="").values_list("result").annotate(count=Count("pk"))
    return dict(rows.order_by("result"))


def entries_of(*, user: Principal, archive: Archive, show: str = "all") -> QuerySet[ArchiveEntry]:
    """What an archive holds, as it stands there; `show` is one of `SHOWN`."""
    entries = archive.entries.order_by("position")
    if show == "unreadable":
        return entries.exclude(error_code="")
    if show == "all":
        return entries
    readable = entries.filter(error_code="")
    known = imported(user=user, entries=readable)
    return readable.filter(pk__in=known) if show == "imported" else readable.exclude(pk__in=known)


def imported(*, user: Principal, entries: Iterable[ArchiveEntry]) -> dict[int, int]:
    """The newest conversation that is the same chat, of those the user may see, by the entry's primary key."""
    entries = list(entries)
    visible = Conversation.objects.visible_to(user).order_by("updated_at", "id")
    named = [entry for entry in entries if entry.source_id]
    by_id = visible.filter(
        source__in={entry.source for entry in named}, source_id__in={entry.source_id for entry in named}
    )
    digests = {hashlib.md5(entry.url.encode(), usedforsecurity=False).hexdigest() for entry in entries if entry.url}
    by_url = visible.alias(digest=MD5("url")).filter(digest__in=digests)
    ids = {(source, source_id): pk for source, source_id, pk in by_id.values_list("source", "source_id", "pk")}
    urls = dict(by_url.values_list("url", "pk"))
    found = {entry.pk: ids.get((entry.source, entry.source_id)) or urls.get(entry.url) for entry in entries}
    return {key: pk for key, pk in found.items() if pk is not None}


def results_here(*, user: Principal, entries: Iterable[ArchiveEntry]) -> set[int]:
    """Of the conversations that came of the entries, those that the user may see."""
    ids = {entry.conversation_id for entry in entries if entry.conversation_id}
    return set(Conversation.objects.visible_to(user).filter(pk__in=ids).values_list("pk", flat=True))


@transaction.atomic
def delete(*, user: User, archive_id: UUID) -> None:
    """Deletes an archive and its list; what was imported from it stays. Raises `Conflict` while a run works on it."""
    archive = lock_archive(user=user, archive_id=archive_id)
    refuse_while_running(archive)
    _remove(archive)
    audit.record("import.deleted", user=user, resource=f"import {archive_id}")


def _remove(archive: Archive) -> None:
    path = path_of(archive.id)
    archive.delete()
    transaction.on_commit(lambda: path.unlink(missing_ok=True))


def delete_expired() -> int:
    """Deletes what was kept for a day, and files that belong to no archive; how many archives that were."""
    with transaction.atomic():
        old = Archive.objects.filter(expires_at__lt=timezone.now()).exclude(state=Archive.State.IMPORTING)
        archives = list(old.select_for_update(skip_locked=True))
        for archive in archives:
            _remove(archive)
    _remove_orphans()
    return len(archives)


def _remove_orphans() -> None:
    """A process that died between the file and its row leaves the file."""
    before = time.time() - KEPT.total_seconds()
    files = {file.name: file for file in _folder().glob("*") if file.stat().st_mtime < before}
    known = {str(pk) for pk in Archive.objects.values_list("pk", flat=True)}
    for name in files.keys() - known:
        files[name].unlink(missing_ok=True)


def shown(archive: Archive) -> dict[str, Any]:
    """What the API says of an archive beside its row."""
    entries = archive.entries
    return {"unreadable": entries.exclude(error_code="").count(), "results": count_results(archive)}

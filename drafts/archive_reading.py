"""Lists what an archive holds: a worker reads it, and what it has listed when it dies need not be listed again.

A worker owns an archive as a runner owns a run: by a fence that each claim raises and a lease that it renews.
"""

import time
from datetime import datetime, timedelta
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.db.models import F, Q, QuerySet
from django.utils import timezone

from drafts.archives import path_of
from drafts.models import Archive, ArchiveEntry
from integrations.importers.archive import why
from integrations.importers.archive_child import Answer, ArchiveChild
from integrations.importers.base import ImporterError

BATCH = 100
BATCH_SECONDS = 1.0
SLICE_SECONDS = 90.0  # below Celery's time limits; what is left then is another task's
CONVERSATIONS = 50_000


class LostArchive(Exception):
    """Another worker reads it, or it is gone."""


def waiting() -> QuerySet[Archive]:
    """Archives that nobody reads, though they are not listed yet."""
    free = Q(lease_until=None) | Q(lease_until__lt=timezone.now())
    return Archive.objects.filter(free, state__in=Archive.TO_READ).order_by("created_at")


def read_on(archive_id: UUID) -> bool:
    """Lists an archive from where that stopped; True if its time was up before the end."""
    archive = _claim(archive_id)
    if archive is None:
        return False
    try:
        return _read(archive)
    except LostArchive:
        return False
    except ImporterError as error:
        _fail(archive, error)
        return False
    except FileNotFoundError:
        _fail(archive, ImporterError("The file is gone. Upload it again.", code="file_gone"))
        return False


def _lease_end() -> datetime:
    return timezone.now() + timedelta(seconds=settings.RUN_LEASE_SECONDS)


def _claim(archive_id: UUID) -> Archive | None:
    claimed = waiting().filter(pk=archive_id).order_by()
    if not claimed.update(state=Archive.State.READING, fence=F("fence") + 1, lease_until=_lease_end()):
        return None
    return Archive.objects.filter(pk=archive_id).first()


def _read(archive: Archive) -> bool:
    end, begun_at = time.monotonic() + SLICE_SECONDS, archive.listed
    with ArchiveChild(path_of(archive.id), archive.filename, start=archive.listed) as child:
        batch: list[Answer] = []
        stored = time.monotonic()
        while (answers := child.take()) is not None:
            batch += answers
            if len(batch) >= BATCH or time.monotonic() - stored > BATCH_SECONDS:
                _store(archive, batch)
                batch, stored = [], time.monotonic()
            if time.monotonic() > end and archive.listed + len(batch) > begun_at:  # each slice comes some way
                _store(archive, batch, lease_until=timezone.now())
                return True
        _store(archive, batch)
        _finish(archive, child.warnings)
    return False


@transaction.atomic
def _store(archive: Archive, answers: list[Answer], *, lease_until: datetime | None = None) -> None:
    """Adds entries and renews the lease. Raises `LostArchive`, and `ImporterError` beyond `CONVERSATIONS`."""
    _update(archive, listed=F("listed") + len(answers), lease_until=lease_until or _lease_end())
    archive.listed += len(answers)
    if archive.listed > CONVERSATIONS:
        detail = f"This archive holds more than {CONVERSATIONS:,} conversations. Split it."
        raise ImporterError(detail, code="too_many_conversations")
    ArchiveEntry.objects.bulk_create([_entry(archive, answer) for answer in answers])


def _entry(archive: Archive, answer: Answer) -> ArchiveEntry:
    facts = answer.facts
    return ArchiveEntry(
        archive=archive,
        position=answer.position,
        error_code=answer.error_code,
        title=answer.title,
        source=facts.get("source", ""),
        source_id=answer.source_id,
        url=facts.get("url", ""),
        messages=facts.get("messages", 0),
        begun_at=_moment(facts.get("created_at")),
        changed_at=_moment(facts.get("updated_at")),
        omitted=facts.get("omitted", {}),
        warnings=facts.get("warnings", []),
    )


def _moment(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None


def _finish(archive: Archive, warnings: list[str]) -> None:
    """The list is complete. An archive of which nothing can be read is a failure, never an empty success."""
    if not archive.entries.filter(error_code="").exists():
        raise _nothing_readable(archive)
    _update(archive, state=Archive.State.READY, warnings=warnings, lease_until=None)


def _nothing_readable(archive: Archive) -> ImporterError:
    first = archive.entries.order_by("position").first()
    if first is None:
        return ImporterError("This file holds no conversations.", code="no_conversations")
    return ImporterError(f"Nothing in this file can be read. {why(first.error_code)}", code=first.error_code)


def _fail(archive: Archive, error: ImporterError) -> None:
    state = Archive.State.FAILED
    try:
        _update(archive, state=state, error_code=error.code, error=error.detail, lease_until=None)
    except LostArchive:
        return
    path_of(archive.id).unlink(missing_ok=True)


def _update(archive: Archive, **values: object) -> None:
    mine = Archive.objects.filter(pk=archive.pk, fence=archive.fence, state=Archive.State.READING)
    if not mine.update(**values):
        raise LostArchive

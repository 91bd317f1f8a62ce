from uuid import UUID

from celery import shared_task

from drafts import archive_reading, archives, project_creation


@shared_task  # type: ignore[untyped-decorator]
def read_archive(archive_id: str) -> None:
    if archive_reading.read_on(UUID(archive_id)):
        read_archive.apply_async([archive_id], retry=False)


@shared_task  # type: ignore[untyped-decorator]
def read_waiting_archives() -> None:
    """Finds what no message names any more: Redis was away, or a worker died."""
    for archive_id in list(archive_reading.waiting().values_list("pk", flat=True)[:20]):
        read_archive.apply_async([str(archive_id)], retry=False)


@shared_task  # type: ignore[untyped-decorator]
def delete_expired_archives() -> int:
    return archives.delete_expired()


@shared_task  # type: ignore[untyped-decorator]
def settle_projects() -> int:
    return project_creation.settle_due()

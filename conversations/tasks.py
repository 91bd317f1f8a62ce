import time

from celery import shared_task
from django.utils import timezone

from conversations import deletion, services, summary_jobs

SECONDS_OF_SUMMARIES = 30  # then the next message goes on, so that no worker is held for long
SECONDS_OF_PURGE = 60


@shared_task  # type: ignore[untyped-decorator]
def trim_runs() -> int:
    return services.trim_finished_runs()


@shared_task  # type: ignore[untyped-decorator]
def purge_deleted() -> int:
    """Removes for good what nobody can restore any more; how many conversations that were."""
    return deletion.purge_all(before=timezone.now() - deletion.kept(), seconds=SECONDS_OF_PURGE)


@shared_task  # type: ignore[untyped-decorator]
def advance_summaries() -> int:
    """Takes a step of each summary that is due; how many it took."""
    steps, end = 0, time.monotonic() + SECONDS_OF_SUMMARIES
    while time.monotonic() < end and (job := summary_jobs.claim()):
        summary_jobs.advance(job)
        steps += 1
    return steps

import time

from celery import shared_task

from conversations import services, summary_jobs

SECONDS_OF_SUMMARIES = 30  # then the next message goes on, so that no worker is held for long


@shared_task  # type: ignore[untyped-decorator]
def trim_runs() -> int:
    return services.trim_finished_runs()


@shared_task  # type: ignore[untyped-decorator]
def advance_summaries() -> int:
    """Takes a step of each summary that is due; how many it took."""
    steps, end = 0, time.monotonic() + SECONDS_OF_SUMMARIES
    while time.monotonic() < end and (job := summary_jobs.claim()):
        summary_jobs.advance(job)
        steps += 1
    return steps

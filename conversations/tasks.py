from celery import shared_task

from conversations import services


@shared_task  # type: ignore[untyped-decorator]
def trim_runs() -> int:
    return services.trim_finished_runs()

from celery import shared_task

from llmconfig import services


@shared_task  # type: ignore[untyped-decorator]
def sweep_lost_calls() -> int:
    return services.sweep_lost_calls()

from celery import shared_task

from accounts import services


@shared_task
def clear_sessions() -> int:
    return services.clear_expired()

from celery import shared_task

from accounts import services


@shared_task  # type: ignore[untyped-decorator]
def clear_sessions() -> int:
    return services.clear_expired()

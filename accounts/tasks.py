from celery import shared_task

from accounts import idempotency, services


@shared_task  # type: ignore[untyped-decorator]
def clear_sessions() -> int:
    return services.clear_expired() + idempotency.forget_old()

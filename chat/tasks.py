from celery import shared_task

from chat import approvals


@shared_task  # type: ignore[untyped-decorator]
def expire_approvals() -> int:
    return approvals.expire()

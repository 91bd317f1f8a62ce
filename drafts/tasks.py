from celery import shared_task

from drafts import project_creation


@shared_task  # type: ignore[untyped-decorator]
def settle_projects() -> int:
    return project_creation.settle_due()

"""Files are read as soon as they are there."""

from functools import partial
from typing import Any

from django.db import transaction
from django.db.models.signals import post_save
from django.dispatch import receiver

from chat.models import FileAttachment
from chat.tasks import extract_soon


@receiver(post_save, sender=FileAttachment)
def uploaded(instance: FileAttachment, created: bool, **_: Any) -> None:
    if created:
        transaction.on_commit(partial(extract_soon, instance.pk))

from datetime import timedelta
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from conversations import deletion
from conversations.models import Conversation

MOST_DAYS = 36_500


class Command(BaseCommand):
    help = (
        "Removes conversations for good that were deleted some time ago, with all that belongs to them; a worker does "
        "that by itself after DELETED_KEPT_DAYS. It may be killed, and called again."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--older-than", type=int, metavar="DAYS", default=settings.DELETED_KEPT_DAYS)
        parser.add_argument("--dry-run", action="store_true", help="only count them")

    def handle(self, *args: Any, older_than: int, dry_run: bool, **options: Any) -> None:
        if not 0 <= older_than <= MOST_DAYS:
            raise CommandError(f"--older-than takes 0 to {MOST_DAYS} days.")
        before = timezone.now() - timedelta(days=older_than)
        if dry_run:
            count = Conversation.objects.deleted().filter(deleted_at__lt=before).count()
            self.stdout.write(f"Conversations that would be removed: {count}.")
        else:
            self.stdout.write(f"Conversations removed: {deletion.purge_all(before=before)}.")

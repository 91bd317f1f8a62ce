from typing import Any

from django.core.management.base import BaseCommand

from accounts import services


class Command(BaseCommand):
    help = "Deletes sessions and sign-in links that are over; a scheduled task does so every hour as well."

    def handle(self, *args: Any, **options: Any) -> None:
        self.stdout.write(f"Deleted what was over: {services.clear_expired()}.")

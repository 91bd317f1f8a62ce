from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from accounts import keys
from config.exceptions import NotFound


class Command(BaseCommand):
    help = "Ends a service key at once."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("key", help="its start, as `list_service_keys` shows it: dl_ and eight characters")

    def handle(self, *args: Any, key: str, **options: Any) -> None:
        try:
            revoked = keys.revoke(prefix=key)
        except NotFound as error:
            raise CommandError(error.detail) from error
        self.stdout.write(f"{revoked} is revoked.")

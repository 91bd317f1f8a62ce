from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from accounts import services
from accounts.management.addresses import checked


class Command(BaseCommand):
    help = "Gives EMAIL the operator's role, making the user if there is none."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("email")

    def handle(self, *args: Any, email: str, **options: Any) -> None:
        user = services.get_or_make_user(email=checked(email), operator=True)
        self.stdout.write(f"{user.email} is an operator. A way in without Google: manage.py login_link {user.email}")

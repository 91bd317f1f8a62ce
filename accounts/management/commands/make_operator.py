from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from accounts import services
from accounts.management.addresses import checked
from accounts.models import User


class Command(BaseCommand):
    help = "Gives EMAIL the operator's role, making the user if there is none."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("email")

    def handle(self, *args: Any, email: str, **options: Any) -> None:
        if User.objects.filter(email__iexact=checked(email), is_active=False).exists():
            raise CommandError(f"{email} is deactivated.")
        user = services.get_or_make_user(email=email, operator=True)
        self.stdout.write(f"{user.email} is an operator. A way in without Google: manage.py login_link {user.email}")

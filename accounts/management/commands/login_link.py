from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from accounts import services
from accounts.management.addresses import checked


class Command(BaseCommand):
    help = "Prints a link that signs EMAIL in once, making the user if there is none."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("email")
        parser.add_argument("--operator", action="store_true", help="give the user the operator's role")
        parser.add_argument("--cookie", action="store_true", help="print a ready session cookie instead of a link")

    def handle(self, *args: Any, email: str, operator: bool, cookie: bool, **options: Any) -> None:
        user = services.get_or_make_user(email=checked(email), operator=operator)
        if not user.is_active:
            raise CommandError(f"{email} is deactivated.")
        if cookie:
            self.stdout.write(f"{settings.SESSION_COOKIE_NAME}={services.open_session(user=user)}")
        else:
            token = services.issue_login_link(user=user)
            self.stdout.write(f"Signs {user.email} in once: {settings.OWN_URL}/api/auth/login-link/{token}")

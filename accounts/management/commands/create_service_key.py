from argparse import RawDescriptionHelpFormatter
from datetime import timedelta
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from accounts import keys
from accounts.models import SCOPES, User
from config.exceptions import DraftloomError


class Command(BaseCommand):
    help = "Makes a service key and prints it, once, as the last line."

    def create_parser(self, prog_name: str, subcommand: str, **kwargs: Any) -> CommandParser:
        epilog = "scopes:\n" + "\n".join(f"  {name:22} {meaning}" for name, meaning in SCOPES.items())
        return super().create_parser(
            prog_name, subcommand, epilog=epilog, formatter_class=RawDescriptionHelpFormatter, **kwargs
        )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("name", help="of the service; two keys of a name may live, so that one can replace another")
        parser.add_argument("--scope", action="append", required=True, dest="scopes", help="may be given several times")
        parser.add_argument("--expires", type=int, metavar="DAYS", help="after how many days; never unless told")
        parser.add_argument("--user", metavar="EMAIL", help="whose it is; what it writes is stored under that person")
        parser.add_argument(
            "--may-name",
            action="append",
            default=[],
            metavar="EMAIL",
            help="under whom it may import for Slack too; may be given several times",
        )

    def handle(
        self,
        *args: Any,
        name: str,
        scopes: list[str],
        expires: int | None,
        user: str | None,
        may_name: list[str],
        **options: Any,
    ) -> None:
        if expires is not None and not 0 < expires <= 36_500:
            raise CommandError("--expires is a number of days, from 1 to 36500.")
        expires_at = timezone.now() + timedelta(days=expires) if expires else None
        owner = _user(user) if user else None
        try:
            key = keys.create(
                service_name=name,
                scopes=set(scopes),
                user=owner,
                expires_at=expires_at,
                may_name=[_user(email) for email in may_name],
            )
        except DraftloomError as error:
            raise CommandError(error.detail) from error
        self.stderr.write("Keep it safe: nothing shows it again.")
        self.stdout.write(key)


def _user(email: str) -> User:
    user = User.objects.filter(email__iexact=email, is_active=True).first()
    if user is None:
        raise CommandError(f"There is no active user {email}.")
    return user

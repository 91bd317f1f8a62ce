from typing import Any

from django.core.management.base import BaseCommand

from accounts.models import ServiceKey

ROW = "{:20} {:12} {:12} {:24} {:17} {:17} {}"


class Command(BaseCommand):
    help = "Lists the service keys, live or not."

    def handle(self, *args: Any, **options: Any) -> None:
        self.stdout.write(ROW.format("NAME", "KEY", "STATE", "USER", "EXPIRES", "LAST USED", "SCOPES"))
        for key in ServiceKey.objects.select_related("user").order_by("service_name", "id"):
            self.stdout.write(
                ROW.format(
                    key.service_name,
                    key.prefix,
                    key.state,
                    key.user.email if key.user else "-",
                    _day(key.expires_at),
                    _day(key.last_used_at),
                    " ".join(key.scopes),
                )
            )


def _day(moment: Any) -> str:
    return f"{moment:%Y-%m-%d %H:%M}" if moment else "never"

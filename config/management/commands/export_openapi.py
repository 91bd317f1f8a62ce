from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from config.openapi import export


class Command(BaseCommand):
    help = "Writes the API's OpenAPI document, docs/openapi.json unless told otherwise. Needs no database."
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("path", nargs="?", type=Path, default=export.FILE)
        parser.add_argument("--check", action="store_true", help="write nothing; fail if the file is not up to date")

    def handle(self, *args: Any, path: Path, check: bool, **options: Any) -> None:
        if not check:
            path.write_text(export.text(), "utf-8")
            self.stdout.write(f"Wrote {path}.")
        elif not export.is_current(path):
            raise CommandError(f"{path} is not what the code says. Type: {export.COMMAND}")

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

from chat import objects


class Command(BaseCommand):
    help = (
        "Compares the file storage with the database: after a backup of one of them was brought back, objects may lie "
        "there that no row knows, and rows may name objects that are gone."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--delete-unknown", action="store_true", help="delete those objects; never in a bucket that others share"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        unknown, missing = objects.differences()
        for sort, keys in (("unknown", unknown), ("missing", missing)):
            for key in sorted(keys):
                self.stdout.write(f"{sort} {key}")
        if options["delete_unknown"]:
            objects.delete_unknown(unknown)
        self.stdout.write(f"{len(unknown)} objects without a row, {len(missing)} rows without an object.")

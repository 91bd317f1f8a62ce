#!/usr/bin/env python
"""Runs a command, after making sure that the embedded servers it may need are up."""

import os
import sys

NEEDS_NO_SERVER = {"up", "check", "help"}


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    from django.core.management import execute_from_command_line

    if len(sys.argv) > 1 and sys.argv[1] not in NEEDS_NO_SERVER:
        from config import embedded

        embedded.ensure_if_used()
    execute_from_command_line(sys.argv)


if __name__ == "__main__":
    main()

#!/usr/bin/env python
"""Runs a command, after making sure that the embedded servers it may need are up."""

import os
import sys

NEEDS_NO_SERVER = {"up", "check", "help", "export_openapi"}


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    command = sys.argv[1] if len(sys.argv) > 1 else "help"
    if command == "up":
        os.environ.setdefault("APP_ENV", "local")
    if os.environ.get("RUN_MAIN") == "true":  # what `runserver` starts anew at each change
        from config.local import die_with_parent

        die_with_parent(os.getppid())
    if command not in NEEDS_NO_SERVER:
        from config import embedded

        embedded.ensure_if_used()

    from django.core.management import execute_from_command_line

    execute_from_command_line(sys.argv)


if __name__ == "__main__":
    main()

"""One installation for the time of a chaos run: a folder, servers that this process owns, and an environment."""

import logging
import os
import shutil
import sys
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Self

import django

from bench.chaos.outside import Surroundings
from config.embedded.place import Place
from config.embedded.probes import ANSWERS
from config.embedded.servers import Postgres, Server, Valkey
from config.env import VARIABLES

START_SECONDS = 60.0
LEASE_SECONDS = 2
MAX_CONNECTIONS = 200
FAILPOINTS = {
    "after_claim": 0.01,
    "before_checkpoint": 0.02,
    "after_checkpoint": 0.02,
    "after_tool": 0.03,
    "after_store": 0.04,
    "before_finish": 0.01,
    "after_finish": 0.01,
}


class SizedPostgres(Postgres):
    """As it is embedded, with room for `max_connections`."""

    max_connections = MAX_CONNECTIONS

    def command(self, folder: str) -> list[str]:
        return [*super().command(folder), "-c", f"max_connections={self.max_connections}"]


class Site:
    """`with Site(folder) as site`: migrated, with Django set up in this process, and nothing running on it yet."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder.resolve()
        self.log = self.folder / "log" / "chaos.log"
        self._place = Place(self.folder)
        self._postgres = SizedPostgres(self._place, throwaway=True)
        self._valkey = Valkey(self._place, throwaway=True)
        self.around = Surroundings(self._place.sockets / "valkey.sock")

    def __enter__(self) -> Self:
        with ExitStack() as leaving:
            leaving.callback(shutil.rmtree, self._place.sockets, ignore_errors=True)
            leaving.callback(lambda: (self._stop(self._postgres), self._stop(self._valkey)))
            self._place.make()
            self._start(self._postgres)
            self._start(self._valkey)
            leaving.enter_context(self.around)
            self._set_up()
            self._leaving = leaving.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._leaving.close()

    def _set_up(self) -> None:
        os.environ |= self.environment(failpoints=True)
        django.setup()
        logging.disable(logging.INFO)  # who signs in here is no news
        from django.core.management import call_command

        call_command("migrate", verbosity=0)

    def environment(self, *, failpoints: bool = False) -> dict[str, str]:
        """What a process of this installation needs to know; nothing else of ours is set."""
        addresses = self.around.addresses
        limits = {name: "1000000" for name in VARIABLES if name.startswith("LIMIT_") and "PER" in name}
        chances = ",".join(f"{name}={chance}" for name, chance in FAILPOINTS.items()) if failpoints else ""
        return dict.fromkeys(VARIABLES, "") | limits | {
            "DJANGO_SETTINGS_MODULE": "config.tests.stack_settings",
            "APP_ENV": "local",
            "SECRET_KEY": "for-a-run-of-chaos-only-" + "0123456789" * 4,
            "DATA_DIR": str(self.folder),
            "POSTGRES_HOST": str(self._place.sockets),
            "REDIS_URL": addresses.redis_url,
            "OPENAI_API_KEY": "sk-chaos",
            "OPENAI_BASE_URL": addresses.openai_url,
            "IMPORT_FETCH_OVERRIDES": f"chatgpt.com={addresses.share_url}",
            "LIMIT_SENDS": "1000000/m",
            "LIMIT_IMPORTS": "1000000/m",
            "RUN_LEASE_SECONDS": str(LEASE_SECONDS),
            "RUNNER_DRAIN_SECONDS": "0",
            "LOG_LEVEL": "WARNING",
            "FAILPOINTS": chances,
        }  # fmt: skip

    def allow_connections(self, most: int) -> None:
        """Starts PostgreSQL anew, with this `max_connections`. Nothing else may run meanwhile."""
        from django.db import connection

        connection.close()
        self._stop(self._postgres)
        self._postgres = SizedPostgres(self._place, throwaway=True)
        self._postgres.max_connections = most
        self._start(self._postgres)

    def cookies(self, count: int) -> list[str]:
        """Session cookies of so many members."""
        from accounts.services import get_or_make_user, open_session

        members = [get_or_make_user(email=f"member{number}@example.org") for number in range(count)]
        return [open_session(user=member) for member in members]

    def logged(self, words: str) -> int:
        """How many lines of what the processes have logged hold `words`."""
        return sum(words in line for line in self.log.open(errors="replace")) if self.log.exists() else 0

    def _start(self, server: Server) -> None:
        limit = time.monotonic() + START_SECONDS
        while not ANSWERS[server.name](self._place.sockets):
            if time.monotonic() > limit:
                sys.exit(f"{server.name} does not start; see {self.folder / 'log'}")
            server.keep_alive()
            time.sleep(0.05)

    @staticmethod
    def _stop(server: Server) -> None:
        server.ask_to_stop()
        server.wait_until_stopped()

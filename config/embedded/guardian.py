"""The process that owns both servers of one `DATA_DIR`, for as long as anybody uses them.

It belongs to nobody who uses them: whoever comes first starts it, and it stays until the last one has gone.
"""

import logging
import signal
import sys
import time
from pathlib import Path
from types import FrameType

from config.embedded.locks import open_lock, try_exclusive
from config.embedded.place import Place
from config.embedded.servers import Postgres, Server, Valkey

POLL_SECONDS = 0.2


def guard(data_dir: Path, *, throwaway: bool) -> None:
    """Runs what is wanted until the lock of the users can be taken, that is until nobody shares it any more.

    The one who starts this process shares that lock before, and gives it the lock `guardian.lock`.
    """
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    signal.signal(signal.SIGTERM, _leave)
    place = Place(data_dir)
    servers = [Postgres(place, throwaway=throwaway), Valkey(place, throwaway=throwaway)]
    users = open_lock(place.lock("users"))
    try:
        while not try_exclusive(users):
            _look_after(servers)
            time.sleep(POLL_SECONDS)
        for server in servers:
            place.wanted(server.name).unlink(missing_ok=True)
    finally:
        _stop(servers)


def _look_after(servers: list[Server]) -> None:
    for server in servers:
        if server.place.wanted(server.name).exists():
            server.keep_alive()


def _stop(servers: list[Server]) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    for server in servers:
        server.ask_to_stop()
    for server in servers:
        server.wait_until_stopped()


def _leave(_signal: int, _frame: FrameType | None) -> None:
    sys.exit(0)

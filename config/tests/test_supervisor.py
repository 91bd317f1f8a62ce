"""The supervisor, with small commands."""

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import psutil
import pytest

from config import env
from config.local import Backoff
from config.supervisor import Supervisor, commands

STUBBORN = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('on', flush=True); time.sleep(60)"
SUPERVISOR = """
import asyncio, os, sys
from config.supervisor import Supervisor
asyncio.run(Supervisor(os.environ, lambda line: print(line, end="", flush=True)).keep("child", sys.argv[1:]))
"""


class Shown(list[str]):
    """The lines that a supervisor showed."""

    def __init__(self) -> None:
        super().__init__()
        self._more = asyncio.Event()

    def show(self, line: str) -> None:
        self.append(line)
        self._more.set()

    async def until(self, word: str, count: int = 1) -> None:
        async with asyncio.timeout(5):
            while sum(word in line for line in self) < count:
                self._more.clear()
                await self._more.wait()


@asynccontextmanager
async def kept(shown: Shown, *command: str) -> AsyncIterator[None]:
    task = asyncio.create_task(Supervisor(os.environ, shown.show).keep("child", command))
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def python(code: str) -> list[str]:
    return [sys.executable, "-c", code]


def wait_until(is_true: Callable[[], object], seconds: float = 5) -> None:
    limit = time.monotonic() + seconds
    while not is_true():
        assert time.monotonic() < limit
        time.sleep(0.02)


def is_alive(pid: int) -> bool:
    try:
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


async def test_it_shows_each_line_with_the_name_of_its_process() -> None:
    shown = Shown()
    code = await Supervisor(os.environ, shown.show).run("web", python("print('a\\nb', end='')"))
    assert (code, shown) == (0, ["web     | a\n", "web     | b\n"])


async def test_it_shows_all_of_a_long_output_and_survives_odd_bytes() -> None:
    shown = Shown()
    code = "import sys; sys.stdout.buffer.write(b'x' * 200_000 + b'\\xff\\n' + b'line\\n' * 50_000)"
    await Supervisor(os.environ, shown.show).run("web", python(code))
    assert "".join(shown).count("x") == 200_000
    assert shown.count("web     | line\n") == 50_000


async def test_it_colours_names_only_when_asked_to() -> None:
    shown = Shown()
    Supervisor({}, shown.show, colours=True).say("hello", "web")
    Supervisor({}, shown.show).say("hello", "web")
    assert shown == ["\x1b[36mweb     \x1b[0m| hello\n", "web     | hello\n"]


async def test_it_starts_a_process_again_and_says_so() -> None:
    shown = Shown()
    async with kept(shown, *python("print('on', flush=True); raise SystemExit(3)")):
        await shown.until("| on", count=2)
    assert "draftloom| child ended (exit code 3); it starts again in 0.2 s\n" in shown


async def test_it_ends_a_process_that_does_not_listen_within_two_seconds() -> None:
    shown = Shown()
    async with kept(shown, *python(STUBBORN)):
        await shown.until("on")
        started = time.monotonic()
    assert 1 < time.monotonic() - started < 2.5


async def test_it_ends_what_a_process_left_in_its_session() -> None:
    shown = Shown()
    code = "import subprocess, sys; print(subprocess.Popen(['sleep', '60']).pid, flush=True); sys.stdin.read()"
    await Supervisor(os.environ, shown.show).run("web", python(code))
    pid = int(shown[0].split("|")[1])
    wait_until(lambda: not is_alive(pid))


async def test_it_returns_what_a_command_printed_and_nothing_if_it_failed() -> None:
    supervisor = Supervisor(os.environ, Shown().show)
    assert await supervisor.output_of(python("print('a link')")) == "a link\n"
    assert await supervisor.output_of(python("print('a link'); raise SystemExit(1)")) == ""


def test_children_die_with_a_supervisor_that_is_killed() -> None:
    supervisor = subprocess.Popen(
        [*python(SUPERVISOR), *python("import os, time; print(os.getpid(), flush=True); time.sleep(60)")],
        stdout=subprocess.PIPE,
        text=True,
        cwd=env.BASE_DIR,
    )
    assert supervisor.stdout
    pid = int(supervisor.stdout.readline().split("|")[1])
    supervisor.kill()
    supervisor.communicate(timeout=5)
    wait_until(lambda: not is_alive(pid))


def test_pauses_double_up_to_five_seconds_and_are_short_again_after_a_long_life() -> None:
    backoff = Backoff()
    pauses = [round(backoff.pause(lived=0), 1) for _ in range(7)]
    assert pauses == [0.2, 0.4, 0.8, 1.6, 3.2, 5.0, 5.0]
    assert [backoff.pause(lived=10), backoff.pause(lived=0)] == [0.2, 0.4]


@pytest.mark.parametrize(("host", "address"), [("127.0.0.1", "127.0.0.1:80"), ("::1", "[::1]:80")])
def test_dev_serves_with_the_reloading_server(host: str, address: str) -> None:
    table = commands(host=host, port=80, data_dir=Path("/data"), log_level="INFO", dev=True)
    assert table["web"][1:] == ["manage.py", "runserver", address]
    assert list(table) == ["web", "runner", "bulk", "worker", "beat"]

"""`manage.py up`, with everything that it starts."""

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from config import env


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


class Up:
    """A `manage.py up` on a folder and a port of its own."""

    def __init__(self, data_dir: Path, port: int) -> None:
        self.data_dir, self.port, self.output = data_dir, port, data_dir.parent / f"output-{port}"
        self.process = subprocess.Popen(
            [sys.executable, "manage.py", "up"],
            stdout=self.output.open("w"),
            stderr=subprocess.STDOUT,
            cwd=env.BASE_DIR,
            env=environment(data_dir, port),
            start_new_session=True,
        )

    def is_healthy(self) -> bool:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/health", timeout=2) as answer:
                return bool(answer.status == 200)
        except (urllib.error.URLError, OSError):
            return False

    def shows(self, text: str) -> bool:
        return text in self.output.read_text()

    def children(self) -> list[int]:
        """Everything this installation runs, the embedded servers included, as the kernel sees it."""
        return [p.pid for p in psutil.process_iter() if str(self.data_dir) in _environment_of(p)] + [
            p.pid for p in psutil.process_iter() if str(env.socket_dir(self.data_dir)) in " ".join(_command_of(p))
        ]

    def child(self, word: str) -> psutil.Process:
        return next(p for p in map(psutil.Process, self.children()) if word in _command_of(p))


def _environment_of(process: psutil.Process) -> str:
    try:
        return str(process.environ().get("DATA_DIR", "")) if is_alive(process.pid) else ""
    except psutil.Error:
        return ""


def _command_of(process: psutil.Process) -> list[str]:
    try:
        return list(process.cmdline())
    except psutil.Error:
        return []


def environment(data_dir: Path, port: int) -> dict[str, str]:
    inherited = {name: value for name, value in os.environ.items() if name not in env.VARIABLES}
    inherited.pop("DJANGO_SETTINGS_MODULE", None)
    return inherited | {"APP_ENV": "local", "DATA_DIR": str(data_dir), "PORT": str(port)}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
def up(tmp_path: Path) -> Iterator[Up]:
    running = Up(tmp_path / "data", free_port())
    yield running
    running.process.kill()
    running.process.wait()
    wait_until(lambda: not running.children())
    shutil.rmtree(env.socket_dir(running.data_dir), ignore_errors=True)


def test_up_runs_everything_and_a_signal_ends_it_all_within_three_seconds(up: Up) -> None:
    wait_until(lambda: up.shows("Ctrl-C stops it"), 60)
    link = re.search(r"Sign in with +(http://localhost:\d+/\S+)", up.output.read_text())
    assert link and f":{up.port}/" in link[1]
    assert up.is_healthy()
    assert (up.data_dir / "local.env").read_text() == f"APP_ENV=local\nHOST=127.0.0.1\nPORT={up.port}\n"

    started = time.monotonic()
    up.process.send_signal(signal.SIGTERM)
    assert up.process.wait(10) == 0
    assert time.monotonic() - started < 3
    assert up.children() == []


def test_a_second_up_names_the_address_of_the_first(up: Up) -> None:
    wait_until(lambda: (up.data_dir / "run.lock").exists() and (up.data_dir / "run.lock").read_text(), 30)
    second = subprocess.run(
        [sys.executable, "manage.py", "up"],
        capture_output=True,
        text=True,
        check=False,
        cwd=env.BASE_DIR,
        env=environment(up.data_dir, free_port()),
    )
    assert second.returncode == 1
    assert f"already runs at http://localhost:{up.port}" in second.stderr


def test_up_says_that_the_port_is_taken(tmp_path: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        ended = subprocess.run(
            [sys.executable, "manage.py", "up"],
            capture_output=True,
            text=True,
            check=False,
            cwd=env.BASE_DIR,
            env=environment(tmp_path / "data", port),
        )
    assert ended.returncode == 1
    assert ended.stderr.strip() == (
        f"CommandError: Port {port} of 127.0.0.1 is in use. Choose another, for example: make run PORT={port + 1}"
    )
    assert not (tmp_path / "data" / "postgres").exists()


def test_up_starts_a_killed_web_server_and_a_killed_guardian_again(up: Up) -> None:
    wait_until(lambda: up.shows("Ctrl-C stops it"), 60)
    up.child("uvicorn").kill()
    wait_until(lambda: up.shows("web ended (SIGKILL)"))
    wait_until(up.is_healthy, 30)
    up.child("config.embedded").kill()
    wait_until(lambda: up.shows("guardian of the embedded servers ended"))
    assert up.child("config.embedded").is_running()


def test_nothing_stays_behind_when_up_is_killed(up: Up) -> None:
    wait_until(lambda: up.shows("Ctrl-C stops it"), 60)
    assert len(up.children()) > 5
    up.process.kill()
    up.process.wait()
    wait_until(lambda: not up.children(), 3)


def test_up_can_be_stopped_while_it_starts(up: Up) -> None:
    wait_until(lambda: (up.data_dir / "postgres").exists(), 30)
    up.process.send_signal(signal.SIGTERM)
    assert up.process.wait(3) in {0, -signal.SIGTERM}
    wait_until(lambda: not up.children(), 3)

"""`manage.py up`, which is `make run`: the whole of Draftloom on this machine, until Ctrl-C.

It reads the settings but loads no apps: `manage.py` may run it before `django.setup()`, to be up a second earlier.
"""

import asyncio
import errno
import os
import shlex
import signal
import socket
import sys
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from config import embedded, env
from config.embedded.locks import open_lock, try_exclusive
from config.exceptions import Unavailable
from config.local import die_with_parent
from config.supervisor import Supervisor, commands
from integrations.llm import registry

MANAGE = [sys.executable, "manage.py"]
GUARDIAN_POLL_SECONDS = 0.5
HEALTH_POLL_SECONDS, HEALTH_SECONDS = 0.05, 5
WILDCARDS = {"0.0.0.0": "127.0.0.1", "::": "::1"}


class Command(BaseCommand):
    help = "Runs the embedded servers, the web server and the background processes together; Ctrl-C stops them all."
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--dev", action="store_true", help="serve with runserver, which reloads changed code")
        parser.add_argument("--die-with-parent", type=int, metavar="PID", help="stop when the parent, PID, is gone")

    def handle(self, *args: Any, **options: Any) -> None:
        os.environ["APP_ENV"] = "local"
        if options["die_with_parent"]:
            die_with_parent(options["die_with_parent"], signal.SIGTERM)
        data_dir: Path = settings.DATA_DIR
        lock = _take_over(data_dir)
        _check_port(settings.HOST, settings.PORT)
        try:
            _leave_mode(data_dir)
            embedded.ensure_if_used()
            asyncio.run(_run(dev=options["dev"]))
        except Unavailable as error:
            raise CommandError(error.detail) from error
        except KeyboardInterrupt:
            pass  # before the processes were there; afterwards it is `_run` that hears of it
        finally:
            if embedded.used():
                embedded.leave(data_dir, wait_seconds=1)
            os.close(lock)


def _take_over(data_dir: Path) -> int:
    """The lock that says who runs this `DATA_DIR`, and where. Raises `CommandError` if somebody does."""
    path = data_dir / "run.lock"
    try:
        data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = open_lock(path)
    except PermissionError as error:
        raise CommandError(f"{data_dir} is not this user's to write to. Set DATA_DIR to another folder.") from error
    if not try_exclusive(lock):
        where = path.read_text().strip() or "another address"
        os.close(lock)
        raise CommandError(
            f"Draftloom already runs at {where} with this DATA_DIR ({data_dir}). "
            "Stop that one with Ctrl-C, or set DATA_DIR and PORT to others."
        )
    os.truncate(lock, 0)
    os.pwrite(lock, settings.OWN_URL.encode(), 0)
    return lock


def _check_port(host: str, port: int) -> None:
    """Raises `CommandError` if nobody can listen there."""
    try:
        family, kind, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise CommandError(
                f"Port {port} of {host} is in use. Choose another, for example: make run PORT={port + 1}"
            ) from error
        raise CommandError(f"Nothing can listen on port {port} of {host}: {error.strerror}.") from error


def _leave_mode(data_dir: Path) -> None:
    """For the commands that people type beside this one (`config.env`)."""
    path = env.local_defaults(data_dir)
    path.unlink(missing_ok=True)
    path.touch(mode=0o600)
    path.write_text(f"APP_ENV=local\nHOST={settings.HOST}\nPORT={settings.PORT}\n")


async def _run(*, dev: bool) -> None:
    """Returns when a signal has asked it to stop and every process is gone."""
    task = asyncio.current_task()
    assert task
    asked: list[signal.Signals] = []

    def stop(number: signal.Signals) -> None:
        if not asked:  # once: a second Ctrl-C would cut the stopping short
            asked.append(number)
            task.cancel()

    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop, number)
    try:
        await _serve(Supervisor(_environment(), _write, colours=sys.stdout.isatty()), dev=dev)
    except asyncio.CancelledError:
        if not asked:
            raise


async def _serve(supervisor: Supervisor, *, dev: bool) -> None:
    table = commands(
        host=settings.HOST,
        port=settings.PORT,
        data_dir=settings.DATA_DIR,
        log_level=settings.LOG_LEVEL,
        dev=dev,
    )
    async with asyncio.TaskGroup() as group:
        web = group.create_task(supervisor.keep("web", table.pop("web")))
        guardian = group.create_task(_keep_guardian(supervisor))
        if migrate_failed := await supervisor.run("migrate", [*MANAGE, "migrate", "--noinput", "-v0"]):
            web.cancel()
            guardian.cancel()
        else:
            for name, command in table.items():
                group.create_task(supervisor.keep(name, command))
            group.create_task(_welcome(supervisor))
    if migrate_failed:
        raise CommandError("The database could not be migrated; the lines of `migrate` above say why.")


async def _keep_guardian(supervisor: Supervisor) -> None:
    while embedded.used():
        await asyncio.sleep(GUARDIAN_POLL_SECONDS)
        if embedded.revive(settings.DATA_DIR):
            supervisor.say("the guardian of the embedded servers ended; it starts again")


async def _welcome(supervisor: Supervisor) -> None:
    """Once the web server answers: where it is, and how to come in."""
    await _until_healthy(WILDCARDS.get(settings.HOST, settings.HOST), settings.PORT)
    words = (await supervisor.output_of([*MANAGE, "login_link", "operator@localhost", "--operator"])).split()
    _write(_greeting(words[-1] if words else ""))


async def _until_healthy(host: str, port: int) -> None:
    while True:
        try:
            async with asyncio.timeout(HEALTH_SECONDS):
                if b" 200 " in await _health_status(host, port):
                    return
        except OSError:
            pass  # it does not listen yet, or is slow: a TimeoutError is one too
        await asyncio.sleep(HEALTH_POLL_SECONDS)


async def _health_status(host: str, port: int) -> bytes:
    """The status line of the answer."""
    reader, writer = await asyncio.open_connection(host, port)
    try:
        writer.write(b"GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        return await reader.readline()
    finally:
        writer.close()


def _greeting(link: str) -> str:
    lines = [
        "",
        f"  Draftloom runs at  {settings.OWN_URL}",
        f"  Sign in with       {link}?next=/" if link else "  Sign in with       a link that the next command prints",
        f"  Another link       {_where()}.venv/bin/python manage.py login_link you@example.org --operator",
    ]
    if registry.configured() == (registry.DEMO,):
        lines.append("  No model's key is set, so the demo model answers.")
    return "\n".join([*lines, "  Ctrl-C stops it.", "", ""])


def _where() -> str:
    """What a command beside this one must be told to act on the same installation."""
    return f"DATA_DIR={shlex.quote(env.text('DATA_DIR'))} " if env.is_set("DATA_DIR") else ""


def _environment() -> dict[str, str]:
    """That of the children: what this process was given, and the one installation that it runs."""
    return os.environ | {
        "HOST": settings.HOST,
        "PORT": str(settings.PORT),
        "DATA_DIR": str(settings.DATA_DIR),
        "RUNNER_DRAIN_SECONDS": "0",
        "PYTHONUNBUFFERED": "1",
    }


def _write(text: str) -> None:
    sys.stdout.write(text)
    sys.stdout.flush()

"""What `multiprocessing`'s fork server loads once, so that a web process or a runner is there within milliseconds."""

import asyncio
import gc
import multiprocessing
import os
import signal
import sys
import threading
from pathlib import Path

import django
import uvicorn

from config.local import die_with_parent

django.setup()

import config.asgi  # noqa: E402, F401 - with all that a request needs
from conversations.models import Run  # noqa: E402
from conversations.runs.runner import Runner  # noqa: E402

gc.freeze()  # the children share these pages


def _settle(log: Path) -> None:
    """Logs to a file, and ends with the fork server, whoever of its family is killed first."""
    die_with_parent(os.getppid())
    master = multiprocessing.parent_process()
    assert master is not None

    def follow() -> None:
        master.join()
        os.kill(os.getpid(), signal.SIGKILL)

    threading.Thread(target=follow, daemon=True).start()
    descriptor = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    for stream in (sys.stdout, sys.stderr):
        os.dup2(descriptor, stream.fileno())


def run_runner(log: Path, concurrency: int) -> None:
    _settle(log)
    kinds = [kind for kind in Run.Kind.values if kind != Run.Kind.BULK]
    asyncio.run(Runner(kinds, concurrency).run())


def run_web(log: Path, port: int) -> None:
    _settle(log)
    uvicorn.run(
        "config.asgi:application", port=port, log_level="warning", access_log=False, timeout_graceful_shutdown=1
    )

"""The web processes and runners of a chaos run: started, killed, and started again whatever they died of."""

import asyncio
import multiprocessing
import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from bench.chaos.site import Site
from config.env import BASE_DIR
from config.local import die_with_parent
from config.tests.stack import RUNNER, UVICORN

START_SECONDS = 60.0
MASTER = multiprocessing.get_context("forkserver")


@dataclass
class Slot:
    """A place for one process. `port` is a web process's, 0 is a runner. `cause` says why it will have died."""

    port: int
    pid: int = 0
    exit_code: Callable[[], int | None] = lambda: 0
    started: float = 0.0
    is_cold: bool = False
    cause: str = ""
    deaths: int = 0

    @property
    def name(self) -> str:
        return "web" if self.port else "runner"

    @property
    def is_alive(self) -> bool:
        return self.exit_code() is None


class Fleet:
    """Keeps its processes alive. Deaths are counted in `deaths` by cause; those that nobody caused are `accidents`.

    Processes are forked from one that has everything loaded, unless `cold`: then they are started as in production.
    """

    def __init__(self, site: Site, *, runners: int, webs: int, concurrency: int, cold: bool) -> None:
        self._site = site
        self._concurrency = concurrency  # of each runner
        self._cold = cold
        self.runners = [Slot(0) for _ in range(runners)]
        self.webs = [Slot(_free_port()) for _ in range(webs)]
        self.deaths: Counter[str] = Counter()
        self.accidents: list[str] = []
        if not cold:
            MASTER.set_forkserver_preload(["bench.chaos.preloaded"])

    @property
    def urls(self) -> list[str]:
        return [f"http://127.0.0.1:{slot.port}" for slot in self.webs]

    @property
    def slots(self) -> list[Slot]:
        return self.webs + self.runners

    def start(self) -> None:
        """Returns when every web process answers."""
        for slot in self.slots:
            self.launch(slot, cold=self._cold)
        limit = time.monotonic() + START_SECONDS
        while not all(_listens(slot.port) for slot in self.webs):
            if time.monotonic() > limit or not all(slot.is_alive for slot in self.slots):
                raise TimeoutError(f"The processes do not start; {self._site.log} says why.")
            time.sleep(0.05)

    def stop(self) -> None:
        for slot in self.slots:
            self.kill(slot, "the end")
        for slot in self.slots:
            while slot.is_alive:
                time.sleep(0.01)

    def kill(self, slot: Slot, cause: str) -> None:
        """Lets a process die of `cause`, unless it is dead already."""
        if slot.is_alive:
            slot.cause = slot.cause or cause
            os.kill(slot.pid, signal.SIGKILL)

    @staticmethod
    def signal(slot: Slot, pid: int, number: signal.Signals) -> None:
        """Sends a signal to the process `pid`, if the slot still holds it."""
        if slot.is_alive and slot.pid == pid:
            os.kill(pid, number)

    async def keep(self) -> None:
        """Counts deaths and starts what died anew, for ever."""
        while True:
            for slot in self.slots:
                if not slot.is_alive:
                    self._count(slot)
                    self.launch(slot, cold=self._cold or slot.is_cold)
            await asyncio.sleep(0.02)

    def _count(self, slot: Slot) -> None:
        slot.deaths += 1
        code = slot.exit_code()
        if slot.cause or code == -signal.SIGKILL:
            self.deaths[slot.cause or "fail-point"] += 1
        else:
            self.accidents.append(f"{slot.name} ended by itself with {code}")

    def launch(self, slot: Slot, *, cold: bool) -> None:
        slot.started, slot.cause = time.monotonic(), ""
        if cold:
            self._start_cold(slot)
        else:
            self._fork(slot)

    def _fork(self, slot: Slot) -> None:
        from bench.chaos import preloaded

        arguments = (self._site.log, slot.port) if slot.port else (self._site.log, self._concurrency)
        target = preloaded.run_web if slot.port else preloaded.run_runner
        process = MASTER.Process(target=target, args=arguments, daemon=True)
        process.start()
        assert process.pid is not None
        slot.pid, slot.exit_code = process.pid, lambda: process.exitcode

    def _start_cold(self, slot: Slot) -> None:
        arguments = [*UVICORN, str(slot.port)] if slot.port else RUNNER
        with self._site.log.open("ab") as output:
            process = subprocess.Popen(
                [sys.executable, *arguments],
                cwd=BASE_DIR,
                env=os.environ | self._site.environment() | {"RUNNER_CONCURRENCY": str(self._concurrency)},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                preexec_fn=partial(die_with_parent, os.getpid()),
            )
        slot.pid, slot.exit_code = process.pid, process.poll


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _free_port() -> int:
    """Below the range that the kernel gives to clients, so that it stays free while its process is dead."""
    while True:
        port = random.randrange(20_000, 30_000)
        if not _listens(port):
            return port

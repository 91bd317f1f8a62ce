"""What happens to the processes: kills, of warm and of cold ones, freezes that outlast a lease, and cut connections."""

import asyncio
import random
import signal
from collections import Counter
from collections.abc import Callable

from bench.chaos.processes import Fleet, Slot
from bench.chaos.site import LEASE_SECONDS, Site

COLD_SHARE, WEB_SHARE = 0.1, 0.12  # of all kills
FREEZES, CUTS = 0.04, 0.02  # for each kill
LONGEST_PAUSE = 0.15
COLD = "just started"


class Killer:
    """Kills `most` times, in step with the work: `progress()` says which share of that is done, 1 being all."""

    def __init__(self, site: Site, fleet: Fleet, *, most: int, progress: Callable[[], float]) -> None:
        self._site = site
        self._fleet = fleet
        self._most_cold = round(most * COLD_SHARE)
        self._most_warm = most - self._most_cold
        self._progress = progress
        self._thawing: set[asyncio.Task[None]] = set()
        self.others: Counter[str] = Counter()

    @property
    def cold_kills(self) -> int:
        return sum(count for cause, count in self._fleet.deaths.items() if cause.endswith(COLD))

    @property
    def warm_kills(self) -> int:
        """Those by fail-points too."""
        return self._fleet.deaths.total() - self.cold_kills

    @property
    def is_done(self) -> bool:
        return self.warm_kills >= self._most_warm and self.cold_kills >= self._most_cold

    async def work(self) -> None:
        await asyncio.gather(self._kill_warm(), self._kill_cold())

    async def _kill_warm(self) -> None:
        while self.warm_kills < self._most_warm:
            await asyncio.sleep(random.uniform(0.02, LONGEST_PAUSE))
            if self.warm_kills < self._most_warm * self._progress():
                self._fleet.kill(slot := self._any_slot(), f"kill -9 of a {slot.name}")
                self._perhaps_more()

    async def _kill_cold(self) -> None:
        while self.cold_kills < self._most_cold:
            await asyncio.sleep(LONGEST_PAUSE)
            if self.cold_kills < self._most_cold * self._progress():
                await self._start_cold_and_kill(self._any_slot())

    async def _start_cold_and_kill(self, slot: Slot) -> None:
        """Puts a process in the slot that has to load everything first; it dies while it does, or at its first work."""
        deaths, slot.is_cold = slot.deaths, True
        self._fleet.kill(slot, f"kill -9 of a {slot.name}")
        while slot.deaths == deaths:  # noqa: ASYNC110 - the fleet looks every 20 ms and rings no bell
            await asyncio.sleep(0.01)
        slot.is_cold, pid = False, slot.pid
        await asyncio.sleep(random.uniform(0.1, 4))
        if slot.pid == pid:
            self._fleet.kill(slot, f"kill -9 of a {slot.name} {COLD}")

    def _any_slot(self) -> Slot:
        return random.choice(self._fleet.webs if random.random() < WEB_SHARE else self._fleet.runners)

    def _perhaps_more(self) -> None:
        if random.random() < FREEZES:
            self._freeze(random.choice(self._fleet.runners))
        if random.random() < CUTS:
            self._site.around.tell("cut")
            self.others["cuts of all connections to Redis"] += 1

    def _freeze(self, slot: Slot) -> None:
        """A runner that wakes after its runs were given to others: it must not write a word."""
        if slot.is_alive:
            task = asyncio.create_task(self._thaw(slot, slot.pid))
            self._thawing.add(task)
            task.add_done_callback(self._thawing.discard)

    async def _thaw(self, slot: Slot, pid: int) -> None:
        self._fleet.signal(slot, pid, signal.SIGSTOP)
        self.others[f"freezes of a runner for longer than its lease of {LEASE_SECONDS} s"] += 1
        await asyncio.sleep(LEASE_SECONDS + random.uniform(0.5, 2))
        self._fleet.signal(slot, pid, signal.SIGCONT)

"""Scenario: Redis goes on accepting connections and answers nothing any more, for a while, under load."""

import argparse
import asyncio
import time
from collections import Counter
from collections.abc import Callable
from typing import NamedTuple

from bench.chaos import invariants
from bench.chaos.client import Client
from bench.chaos.ledger import Ledger
from bench.chaos.load import closing, crowd
from bench.chaos.processes import Fleet
from bench.chaos.report import Report
from bench.chaos.site import Site

BEFORE_SECONDS = AFTER_SECONDS = 3.0
PATHS = ("/api/conversations?limit=10", "/api/runs?state=active", "/api/auth/status")
PAUSE_SECONDS = 0.2


class Probes(NamedTuple):
    statuses: Counter[int]
    seconds: list[float]


def run(site: Site, given: argparse.Namespace) -> Report:
    """`given`: `freeze` in seconds, `members` at work at once, `seconds` at most."""
    report = Report(f"frozen-redis: Redis hangs for {given.freeze:.0f} s, with {given.members // 2} members at work")
    ledger, cookies = Ledger(), site.cookies(given.members // 2)
    fleet = Fleet(site, runners=2, webs=2, concurrency=given.members, cold=True)
    try:
        fleet.start()
        probes = asyncio.run(_load(site, fleet, ledger, cookies, given))
    finally:
        fleet.stop()
    report.count_ledger(ledger)
    report.figures["answers to other requests"] = ", ".join(
        f"{status}: {count}" for status, count in sorted(probes.statuses.items())
    )
    report.figures["the slowest of them"] = f"{max(probes.seconds):.1f} s"
    report.wrong |= invariants.broken_rules() | invariants.broken_promises(ledger)
    report.expect(set(probes.statuses) == {200}, "an ordinary request failed")
    report.expect(not fleet.accidents, f"processes ended by themselves: {fleet.accidents[:3]}")
    return report


async def _load(site: Site, fleet: Fleet, ledger: Ledger, cookies: list[str], given: argparse.Namespace) -> Probes:
    freeze: float = given.freeze
    end = time.monotonic() + BEFORE_SECONDS + freeze + AFTER_SECONDS

    def is_over() -> bool:
        return time.monotonic() > end

    async with closing(fleet.urls, cookies[:1], ledger) as (client,):
        freezing = asyncio.create_task(_freeze(site, freeze))
        probing = asyncio.create_task(probe(client, is_over))
        await crowd(fleet.urls, cookies, ledger, is_over, given.seconds)
        await freezing
        return await probing


async def _freeze(site: Site, seconds: float) -> None:
    await asyncio.sleep(BEFORE_SECONDS)
    site.around.tell("freeze")
    await asyncio.sleep(seconds)
    site.around.tell("thaw")


async def probe(client: Client, is_over: Callable[[], bool]) -> Probes:
    """Ordinary requests, one after the other."""
    probes = Probes(Counter(), [])
    while not is_over():
        for path in PATHS:
            began = time.monotonic()
            status, _ = await client.ask("GET", path)
            probes.statuses[status] += 1
            probes.seconds.append(time.monotonic() - began)
        await asyncio.sleep(PAUSE_SECONDS)
    return probes

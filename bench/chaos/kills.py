"""Scenario: members at work, while web processes and runners are killed and frozen at any moment."""

import argparse
import asyncio
import time

from bench.chaos import invariants
from bench.chaos.faults import Killer
from bench.chaos.ledger import Ledger
from bench.chaos.load import crowd
from bench.chaos.processes import Fleet
from bench.chaos.report import Report, counted
from bench.chaos.site import FAILPOINTS, Site

RUNNERS, WEBS = 5, 2
CONCURRENCY = 8  # few, so that the runs are spread over the runners
TURNS, IMPORTS = ("send", "regenerate"), ("import",)


def run(site: Site, given: argparse.Namespace) -> Report:
    """`given`: `kills`, `turns` and `imports` at least, `members` at work at once, `seconds` at most."""
    report = Report(f"kills: {given.kills} kills over {given.turns} chat turns and {given.imports} imports")
    ledger, cookies = Ledger(), site.cookies(given.members)
    fleet = Fleet(site, runners=RUNNERS, webs=WEBS, concurrency=CONCURRENCY, cold=False)
    began = time.monotonic()
    try:
        fleet.start()
        killer = asyncio.run(_load(site, fleet, ledger, cookies, given))
    finally:
        fleet.stop()
    report.figures |= {"kills": fleet.deaths.total(), **_indented(fleet.deaths)}
    points = {name: site.logged(f"Fail-point {name}") for name in FAILPOINTS}
    report.figures |= {f"    {name}": count for name, count in points.items()} | counted(killer.others.items())
    report.figures["runs taken over by another runner"] = invariants.takeovers()
    report.count_ledger(ledger)
    report.figures["duration"] = f"{time.monotonic() - began:.0f} s"
    report.wrong |= invariants.broken_rules() | invariants.broken_promises(ledger)
    report.expect(killer.is_done, f"only {fleet.deaths.total()} kills")
    report.expect(not fleet.accidents, f"{len(fleet.accidents)} processes ended by themselves: {fleet.accidents[:3]}")
    return report


async def _load(site: Site, fleet: Fleet, ledger: Ledger, cookies: list[str], given: argparse.Namespace) -> Killer:
    turns: int = given.turns
    imports: int = given.imports

    def progress() -> float:
        return min(ledger.ended(*TURNS) / turns, ledger.ended(*IMPORTS) / imports, 1)

    killer = Killer(site, fleet, most=given.kills, progress=progress)
    keeping, killing = asyncio.create_task(fleet.keep()), asyncio.create_task(killer.work())
    try:
        await crowd(fleet.urls, cookies, ledger, lambda: progress() == 1 and killer.is_done, given.seconds)
    finally:
        for task in (keeping, killing):
            task.cancel()
        await asyncio.gather(keeping, killing, return_exceptions=True)
    return killer


def _indented(counts: dict[str, int]) -> dict[str, int]:
    return {f"  {name}": count for name, count in counted(counts.items()).items()}

"""Scenario: the only web process dies while it streams to everybody, and comes back."""

import argparse
import asyncio

from bench.chaos import invariants
from bench.chaos.ledger import Ledger
from bench.chaos.load import Member, closing, in_time, until
from bench.chaos.processes import Fleet
from bench.chaos.report import Report
from bench.chaos.site import Site

PACE = "words=150 delay_ms=30"


def run(site: Site, given: argparse.Namespace) -> Report:
    """`given`: `streams` at once, `seconds` at most."""
    report = Report(f"web: kill -9 of the only web process under {given.streams} streams")
    ledger, cookies = Ledger(), site.cookies(given.streams)
    fleet = Fleet(site, runners=1, webs=1, concurrency=given.streams, cold=True)
    try:
        fleet.start()
        asyncio.run(_load(fleet, ledger, cookies, given.seconds))
    finally:
        fleet.stop()
    report.count_ledger(ledger)
    report.wrong |= invariants.broken_rules() | invariants.broken_promises(ledger)
    whole = sum(told.ending == "done" and told.rejoins > 0 for told in ledger.runs if told.kind == "send")
    report.figures["cut off, joined again and seen to the end"] = f"{whole} of {given.streams}"
    report.expect(whole == given.streams, "not every stream was cut off, joined again and seen to the end")
    return report


async def _load(fleet: Fleet, ledger: Ledger, cookies: list[str], seconds: float) -> None:
    keeping = asyncio.create_task(fleet.keep())
    try:
        async with in_time(ledger, seconds), closing(fleet.urls, cookies, ledger) as clients:
            members = [Member(client, pace=PACE) for client in clients]
            conversations = await asyncio.gather(*(member.import_chat() for member in members))
            await _talk(fleet, members, conversations, ledger)
    finally:
        keeping.cancel()


async def _talk(fleet: Fleet, members: list[Member], conversations: list[int | None], ledger: Ledger) -> None:
    pairs = zip(members, conversations, strict=True)
    talking = [asyncio.create_task(member.say(pk)) for member, pk in pairs if pk is not None]
    await until(lambda: sum(told.kind == "send" and bool(told.text) for told in ledger.runs) == len(members))
    fleet.kill(fleet.webs[0], "kill -9")
    await asyncio.gather(*talking)

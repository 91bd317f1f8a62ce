"""Scenario: many streams that have nothing to tell, and few database connections."""

import argparse
import asyncio
import io
import time
from collections import Counter
from dataclasses import dataclass, field

import psutil
import psycopg
from django.db import connection

from bench.chaos import invariants
from bench.chaos.client import Client
from bench.chaos.frozen_redis import probe
from bench.chaos.ledger import Ledger, Told
from bench.chaos.load import Member, closing, in_time, until
from bench.chaos.processes import Fleet
from bench.chaos.report import Report
from bench.chaos.site import MAX_CONNECTIONS, Site

CONNECTIONS = 40
FIRST = 10
SLACK = 2  # pools make their threads, and these their connections, when they are first needed
SAMPLE_SECONDS = 0.5
MEMBERS = 10

Sample = tuple[int, int]
"""Threads of the web process, and connections to the database beside our own."""


@dataclass
class Seen:
    """Samples with few streams and with all, and the statuses of other requests."""

    few: list[Sample] = field(default_factory=list)
    many: list[Sample] = field(default_factory=list)
    statuses: Counter[int] = field(default_factory=Counter)


def run(site: Site, given: argparse.Namespace) -> Report:
    """`given`: `idle` streams, watched for `hold` seconds; `seconds` at most."""
    report = Report(f"idle-streams: {given.idle} idle streams, PostgreSQL with max_connections={CONNECTIONS}")
    conversations = _seeded(given.idle)
    ledger, cookies = Ledger(), site.cookies(MEMBERS)
    site.allow_connections(CONNECTIONS)
    fleet = Fleet(site, runners=1, webs=1, concurrency=given.idle, cold=True)
    try:
        fleet.start()
        asyncio.run(_load(fleet, ledger, cookies, conversations, given, seen := Seen()))
    finally:
        fleet.stop()
        site.allow_connections(MAX_CONNECTIONS)
    report.count_ledger(ledger)
    for position, what in enumerate(("threads of web", "connections")):
        for streams, samples in ((FIRST, seen.few), (given.idle, seen.many)):
            report.figures[f"{what}, with {streams} streams"] = _range(samples, position)
        report.expect(_most(seen.many, position) <= _most(seen.few, position) + SLACK, f"{what} grew with the streams")
    report.figures["answers to other requests"] = dict(seen.statuses)
    report.wrong |= invariants.broken_rules() | invariants.broken_promises(ledger)
    report.expect(set(seen.statuses) == {200}, "an ordinary request failed")
    report.expect(ledger.endings("send") == {"done": given.idle}, "not every run was done after it was approved")
    return report


async def _load(
    fleet: Fleet, ledger: Ledger, cookies: list[str], conversations: list[int], given: argparse.Namespace, seen: Seen
) -> None:
    async with in_time(ledger, given.seconds), closing(fleet.urls, cookies, ledger) as clients:
        members = [Member(client) for client in clients]
        streams = []
        for samples, some in ((seen.few, conversations[:FIRST]), (seen.many, conversations[FIRST:])):
            for number, pk in enumerate(some):
                streams.append(asyncio.create_task(members[number % MEMBERS].say(pk, "ring the bell")))
            await until(lambda: sum(bool(told.question) for told in ledger.runs) == len(streams))
            await _hold(fleet, clients, samples, seen.statuses, given.hold)
        await asyncio.gather(*(_approve(clients[0], told) for told in ledger.runs))
        await asyncio.gather(*streams)


async def _hold(
    fleet: Fleet, clients: list[Client], samples: list[Sample], statuses: Counter[int], seconds: float
) -> None:
    """Takes samples for a while, with other requests coming from everybody."""
    end = time.monotonic() + seconds
    probing = [asyncio.create_task(probe(client, lambda: time.monotonic() > end)) for client in clients]
    while time.monotonic() < end:
        await asyncio.sleep(SAMPLE_SECONDS)
        samples.append(await asyncio.to_thread(_sample, fleet))
    for probes in await asyncio.gather(*probing):
        statuses += probes.statuses


def _sample(fleet: Fleet) -> Sample:
    place = connection.settings_dict
    with psycopg.connect(host=place["HOST"], port=place["PORT"], user=place["USER"], dbname=place["NAME"]) as session:
        row = session.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()"
        ).fetchone()
    assert row is not None
    return psutil.Process(fleet.webs[0].pid).num_threads(), int(row[0])


async def _approve(client: Client, told: Told) -> None:
    status, _ = await client.ask("POST", f"/api/runs/{told.run_id}/approve", {"approve": True}, key=told.question)
    if status != 200:
        client.ledger.odd[f"approve {status}"] += 1


def _seeded(count: int) -> list[int]:
    from django.core.management import call_command

    from conversations.models import Conversation

    before = set(Conversation.objects.values_list("pk", flat=True))
    call_command("seed", conversations=count, user="member0@example.org", stdout=io.StringIO())
    return list(Conversation.objects.exclude(pk__in=before).values_list("pk", flat=True))


def _most(samples: list[Sample], position: int) -> int:
    return max((sample[position] for sample in samples), default=0)


def _range(samples: list[Sample], position: int) -> str:
    least, most = min((sample[position] for sample in samples), default=0), _most(samples, position)
    return str(most) if least == most else f"{least} to {most}"

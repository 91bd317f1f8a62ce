"""Scenario: many streams that have nothing to tell, and few database connections."""

import argparse
import asyncio
import io
import time
from collections import Counter

import psutil
import psycopg
from django.db import connection

from bench.chaos import invariants
from bench.chaos.client import Client
from bench.chaos.frozen_redis import Probes, probe
from bench.chaos.ledger import Ledger, Told
from bench.chaos.load import Member, closing, until
from bench.chaos.processes import Fleet
from bench.chaos.report import Report
from bench.chaos.site import MAX_CONNECTIONS, Site

CONNECTIONS = 40
FIRST = 10
SAMPLE_SECONDS = 0.5
MEMBERS = 10
Sample = tuple[int, int]
"""Threads of the web process, and connections to the database beside our own."""


def run(site: Site, given: argparse.Namespace) -> Report:
    """`given`: `idle` streams, watched for `hold` seconds; `seconds` at most."""
    report = Report(f"idle-streams: {given.idle} idle streams, PostgreSQL with max_connections={CONNECTIONS}")
    conversations = _seeded(given.idle)
    ledger, cookies = Ledger(), site.cookies(MEMBERS)
    site.allow_connections(CONNECTIONS)
    fleet = Fleet(site, runners=1, webs=1, concurrency=given.idle, cold=True)
    try:
        fleet.start()
        few, many, probes = asyncio.run(_load(fleet, ledger, cookies, conversations, given))
    finally:
        fleet.stop()
        site.allow_connections(MAX_CONNECTIONS)
    report.count_ledger(ledger)
    report.figures |= {
        f"threads of web, with {FIRST} streams": _range(few, 0),
        "threads of web, with all": _range(many, 0),
    }
    report.figures |= {f"connections, with {FIRST} streams": _range(few, 1), "connections, with all": _range(many, 1)}
    report.figures["answers to other requests"] = dict(probes.statuses)
    report.wrong |= invariants.broken_rules() | invariants.broken_promises(ledger)
    report.expect(set(probes.statuses) == {200}, "an ordinary request failed")
    for position, what in enumerate(("threads", "connections")):
        is_same = max(sample[position] for sample in many) <= max(sample[position] for sample in few)
        report.expect(is_same, f"{what} grew with the streams")
    report.expect(ledger.endings("send") == {"done": given.idle}, "not every run was done after it was approved")
    return report


async def _load(
    fleet: Fleet, ledger: Ledger, cookies: list[str], conversations: list[int], given: argparse.Namespace
) -> tuple[list[Sample], list[Sample], Probes]:
    async with asyncio.timeout(given.seconds), closing(fleet.urls, cookies, ledger) as clients:
        members = [Member(client) for client in clients]
        streams = [
            asyncio.create_task(members[number % MEMBERS].say(pk, "ring the bell"))
            for number, pk in enumerate(conversations[:FIRST])
        ]
        few, _ = await _hold(fleet, clients, ledger, FIRST, given.hold)
        for number, pk in enumerate(conversations[FIRST:]):
            streams.append(asyncio.create_task(members[number % MEMBERS].say(pk, "ring the bell")))
        many, probes = await _hold(fleet, clients, ledger, len(conversations), given.hold)
        await asyncio.gather(*(_approve(clients[0], told) for told in ledger.runs))
        await asyncio.gather(*streams)
        return few, many, probes


async def _hold(
    fleet: Fleet, clients: list[Client], ledger: Ledger, streams: int, seconds: float
) -> tuple[list[Sample], Probes]:
    """Waits until so many streams are idle, then takes samples while other requests come from everybody."""
    await until(lambda: sum(bool(told.question) for told in ledger.runs) == streams)
    end = time.monotonic() + seconds
    probing = [asyncio.create_task(probe(client, lambda: time.monotonic() > end)) for client in clients]
    samples = []
    while time.monotonic() < end:
        await asyncio.sleep(SAMPLE_SECONDS)
        samples.append(await asyncio.to_thread(_sample, fleet))
    answered = await asyncio.gather(*probing)
    statuses = sum((probes.statuses for probes in answered), start=Counter[int]())
    return samples, Probes(statuses, [second for probes in answered for second in probes.seconds])


def _sample(fleet: Fleet) -> Sample:
    place = connection.settings_dict
    with psycopg.connect(host=place["HOST"], port=place["PORT"], user=place["USER"], dbname=place["NAME"]) as session:
        row = session.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()"
        ).fetchone()
    assert row is not None
    return psutil.Process(fleet.webs[0].pid).num_threads(), int(row[0])


async def _approve(client: Client, told: Told) -> None:
    await client.ask("POST", f"/api/runs/{told.run_id}/approve", {"approve": True}, key=told.question)


def _seeded(count: int) -> list[int]:
    from django.core.management import call_command

    from conversations.models import Conversation

    before = set(Conversation.objects.values_list("pk", flat=True))
    call_command("seed", conversations=count, user="member0@example.org", stdout=io.StringIO())
    return list(Conversation.objects.exclude(pk__in=before).values_list("pk", flat=True))


def _range(samples: list[Sample], position: int) -> str:
    values = [sample[position] for sample in samples]
    return str(min(values)) if min(values) == max(values) else f"{min(values)} to {max(values)}"

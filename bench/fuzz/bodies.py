"""Hostile bodies by raw socket, in any number: see `config.tests.hostile`."""

import time
from collections import Counter
from collections.abc import Iterator
from random import Random
from urllib.parse import urlsplit

from config.tests.api_routes import Route
from config.tests.hostile import Hostile
from config.tests.raw_sending import Target, stored_rows

SHOWN = 10


def run(url: str, count: int, seed: int) -> bool:
    """Sends so many to the server at `url` and prints what came of it; whether all was well."""
    target, random, started = Target(urlsplit(url).port or 0), Random(seed), time.monotonic()
    statuses, wrong = Counter[int](), list[str]()
    before = stored_rows()
    _send(target, target.spoilt(random, count * 8 // 10), statuses, wrong)
    wrong += [f"{table}: rows came or went" for table in _changed(before, stored_rows())]
    _send(target, target.unasked(random, count // 10), statuses, wrong)
    _send(target, target.odd(random, count - statuses.total()), statuses, wrong)
    print(f"{statuses.total()} bodies in {time.monotonic() - started:.0f} s")
    print("by status: " + ", ".join(f"{status or 'none'} {count}" for status, count in sorted(statuses.items())))
    print(f"WRONG {len(wrong)}", *wrong[:SHOWN], sep="\n  ") if wrong else print("all refused, or stored as meant")
    return not wrong


def _send(target: Target, requests: Iterator[tuple[Route, Hostile]], statuses: Counter[int], wrong: list[str]) -> None:
    for route, hostile in requests:
        answer = target.send(route, hostile)
        statuses[answer.status] += 1
        if reason := target.wrong_with(route, hostile, answer):
            wrong.append(f"{route}: {reason}: {answer} to {hostile}"[:1000])


def _changed(before: dict[str, int], after: dict[str, int]) -> list[str]:
    """Tables with more rows than before, or fewer."""
    return [table for table, rows in after.items() if rows != before[table]]

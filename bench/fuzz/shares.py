"""Divides a run among processes: generating requests costs as much as answering them."""

import logging
import multiprocessing
import os
from concurrent.futures import ProcessPoolExecutor
from typing import Any, NamedTuple

from bench.fuzz.report import Tally
from config.local import die_with_parent

MOST_PROCESSES = 6  # they wait for streams most of the time
CASES_OF_ONE = 2000  # fewer would not get to every operation


class Share(NamedTuple):
    """What one process has to do, on the servers at `urls`."""

    number: int
    cases: int
    seed: int
    urls: list[str]
    document: dict[str, Any]


def run(*, cases: int, seed: int, urls: list[str], document: dict[str, Any]) -> Tally:
    """What came of so many cases, over the schema `document`."""
    processes = max(2, min(cases // CASES_OF_ONE, MOST_PROCESSES))
    shares = [Share(number, -(-cases // processes), seed + number, urls, document) for number in range(processes)]
    tally, context = Tally(), multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(processes, mp_context=context, initializer=_begin, initargs=(os.getpid(),)) as pool:
        for part in pool.map(_run_share, shares):
            tally.add(part)
    return tally


def _begin(parent: int) -> None:
    import django

    die_with_parent(parent)
    django.setup()
    logging.disable(logging.INFO)  # who signs in here is no news


def _run_share(share: Share) -> Tally:
    from bench.fuzz.campaign import Campaign  # its models want Django to be set up

    return Campaign(share).run()

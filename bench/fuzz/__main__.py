"""Asks every operation of the API with whatever its schema allows, and with what it forbids: `python -m bench.fuzz`,
or `make fuzz`.

Prints the answers by operation and status, and ends with 1 if one was a server's error or not as the schema says, or
if too few requests were let through to prove anything. Needs nothing but this machine.
"""

import argparse
import json
import sys
import time
from pathlib import Path
from typing import Any

import httpx2

from bench.chaos.folders import in_own_folder
from bench.fuzz import shares
from bench.fuzz.report import print_report

CASES, SHORT_CASES = 50_000, 1_500
COMMITTED = Path("docs/openapi.json")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m bench.fuzz", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--cases", type=int, help=f"requests ({CASES}, short {SHORT_CASES})")
    parser.add_argument("--short", action="store_true", help="fewer requests: well under a minute")
    parser.add_argument("--bodies", type=int, metavar="N", help="instead: so many hostile bodies by raw socket")
    parser.add_argument("--seed", type=int, default=time.time_ns() % 10**6, help="of all dice; random unless told")
    given = parser.parse_args()
    given.cases = given.cases or (SHORT_CASES if given.short else CASES)
    return given


def main() -> int:
    given = _arguments()
    print(f"seed {given.seed}", flush=True)
    return in_own_folder("fuzz", lambda folder: _run(folder, given))


def _run(folder: Path, given: argparse.Namespace) -> bool:
    from bench.fuzz.site import FuzzSite  # here: the processes of the pool import this module too

    with FuzzSite(folder) as site:
        is_well = _bodies(site.urls, given) if given.bodies else _cases(site.urls, given)
        if not site.are_alive:
            print("WRONG a process ended by itself")
        return is_well and site.are_alive


def _cases(urls: list[str], given: argparse.Namespace) -> bool:
    document, started = _document(urls[0]), time.monotonic()
    tally = shares.run(cases=given.cases, seed=given.seed, urls=urls, document=document)
    return print_report(tally, _operations(document), time.monotonic() - started)


def _document(url: str) -> dict[str, Any]:
    """The committed schema, or what the server says if there is none."""
    if COMMITTED.exists():
        committed: dict[str, Any] = json.loads(COMMITTED.read_bytes())
        return committed
    served: dict[str, Any] = httpx2.get(f"{url}/openapi.json", timeout=60, trust_env=False).json()
    return served


def _operations(document: dict[str, Any]) -> set[str]:
    return {
        operation["operationId"]
        for item in document["paths"].values()
        for operation in item.values()
        if isinstance(operation, dict) and "operationId" in operation
    }


def _bodies(urls: list[str], given: argparse.Namespace) -> bool:
    from bench.fuzz import bodies

    return bodies.run(urls[0], given.bodies, given.seed)


if __name__ == "__main__":
    sys.exit(main())

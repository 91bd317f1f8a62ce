"""Kills, freezes and cuts off real processes under load: `python -m bench.chaos [SCENARIO] [OPTIONS]`, or `make chaos`.

Prints what was done and what was found, and ends with 1 if anything was lost, doubled, left running or answered by a
server's error. Needs nothing but this machine; servers, model and share site are its own and are thrown away.
"""

import argparse
import random
import sys
import time
from importlib import import_module
from pathlib import Path

from bench.chaos.folders import in_own_folder

SCENARIOS = {
    "kills": "kill and freeze web processes and runners at random, and at fail-points",
    "web": "kill the only web process while streams run, and join them again",
    "frozen-redis": "let Redis hang under load",
    "idle-streams": "keep streams open that have nothing to tell, with few database connections",
}
FULL = {
    "kills": 1000, "turns": 5000, "imports": 500, "members": 40, "streams": 50, "freeze": 20.0, "idle": 300,
    "hold": 20.0,
}  # fmt: skip
SHORT = {
    "kills": 25, "turns": 125, "imports": 12, "members": 16, "streams": 15, "freeze": 6.0, "idle": 60,
    "hold": 4.0,
}  # fmt: skip
ABOUT = {
    "kills": "how many",
    "turns": "chat turns while that happens",
    "imports": "imports while that happens",
    "members": "people at work at once",
    "streams": "that `web` cuts off",
    "freeze": "seconds that Redis hangs",
    "idle": "streams that have nothing to tell",
    "hold": "seconds that they are watched",
}


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m bench.chaos", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    names = "; ".join(f"{name}: {what}" for name, what in SCENARIOS.items())
    parser.add_argument("scenario", nargs="?", choices=SCENARIOS, help=f"{names}; all of them unless told")
    parser.add_argument("--short", action="store_true", help="all sizes small: about a minute")
    for name, size in FULL.items():
        parser.add_argument(f"--{name}", type=type(size), help=f"{ABOUT[name]} ({size}, short {SHORT[name]})")
    parser.add_argument("--seconds", type=float, default=1400, help="the longest that a scenario may take (1400)")
    parser.add_argument(
        "--seed", type=int, default=time.time_ns() % 10**6, help="of the dice; a random one unless told"
    )
    given = parser.parse_args()
    sizes = SHORT if given.short else FULL
    vars(given).update({name: size for name, size in sizes.items() if getattr(given, name) is None})
    return given


def main() -> int:
    given = _arguments()
    random.seed(given.seed)
    print(f"seed {given.seed}", flush=True)
    return in_own_folder("chaos", lambda folder: _run(folder, given))


def _run(folder: Path, given: argparse.Namespace) -> bool:
    from bench.chaos.site import Site  # here: the forked processes import this module too

    with Site(folder) as site:
        reports = []
        for name in [given.scenario] if given.scenario else SCENARIOS:
            scenario = import_module(f"bench.chaos.{name.replace('-', '_')}")
            reports.append(scenario.run(site, given))
            reports[-1].print()
        return not any(report.wrong for report in reports)


if __name__ == "__main__":
    sys.exit(main())

"""What a scenario has found, and how it is printed."""

import statistics
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from bench.chaos.ledger import Ledger

SHOWN = 5


@dataclass
class Report:
    """`figures` in order, and what is `wrong`: nothing, if all is well."""

    scenario: str
    figures: dict[str, Any] = field(default_factory=dict)
    wrong: dict[str, list[Any]] = field(default_factory=dict)

    def expect(self, is_so: bool, what: str) -> None:
        if not is_so:
            self.wrong.setdefault("expectations that were not met", []).append(what)

    def count_ledger(self, ledger: Ledger) -> None:
        for name, kinds in {"chat turns": ("send", "regenerate"), "imports": ("import",)}.items():
            if any(told.kind in kinds for told in ledger.runs):
                self.figures[name] = ledger.ended(*kinds)
                self.figures[f"{name} that ended as"] = _told(sum((ledger.endings(kind) for kind in kinds), Counter()))
        self.figures["streams joined again"] = len(ledger.waits)
        if ledger.waits:
            self.figures["until joined again"] = (
                f"{statistics.median(ledger.waits):.2f} s (median), {max(ledger.waits):.1f} s (slowest)"
            )

    def print(self) -> None:
        print(f"\n{self.scenario}")
        width = max(map(len, self.figures), default=0) + 2
        for name, figure in self.figures.items():
            print(f"  {name:<{width}} {figure}")
        for name, found in self.wrong.items():
            print(f"  WRONG {name}: {len(found)}", *map(str, found[:SHOWN]), sep="\n        ")
        print("  nothing lost, nothing doubled, nothing left running" if not self.wrong else "  FAILED", flush=True)


def _told(counts: Counter[str]) -> str:
    return ", ".join(f"{name} {count}" for name, count in counts.most_common())


def counted(counts: Iterable[tuple[str, int]]) -> dict[str, int]:
    """Counts in the order of their names."""
    return dict(sorted(counts))

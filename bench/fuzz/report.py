"""What a run of the fuzzer has seen, and whether that is good enough."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any, NamedTuple

LEAST_REACHED = 0.3
"""The share of requests that must get through: a run that sees nothing but refusals proves nothing. About half do, as
the others are wrong on purpose, or come from somebody who may not."""
SHOWN_CHARACTERS = 1_500
SHOWN_CODES = 4


class Finding(NamedTuple):
    """What was wrong with an answer of an operation."""

    operation: str
    status: int
    what: str


@dataclass
class Tally:
    """Answers by operation and status, and the first example of each finding with how often there were more."""

    answers: Counter[tuple[str, int]] = field(default_factory=Counter)
    findings: Counter[Finding] = field(default_factory=Counter)
    examples: dict[Finding, str] = field(default_factory=dict)
    refusals: Counter[tuple[str, str]] = field(default_factory=Counter)  # by operation and the problem's code
    in_sequence: int = 0  # of the answers: those to a request that an earlier answer led to

    def count(self, operation: str, status: int) -> None:
        self.answers[operation, status] += 1

    def refuse(self, operation: str, code: str) -> None:
        self.refusals[operation, code] += 1

    def find(self, finding: Finding, example: str) -> None:
        self.findings[finding] += 1
        self.examples.setdefault(finding, example[:SHOWN_CHARACTERS])

    def add(self, other: "Tally") -> None:
        self.answers += other.answers
        self.findings += other.findings
        self.refusals += other.refusals
        self.examples = other.examples | self.examples
        self.in_sequence += other.in_sequence

    @property
    def total(self) -> int:
        return self.answers.total()

    @property
    def reached(self) -> int:
        """How many requests were answered with what the operation is for, a redirection included."""
        return sum(count for (_, status), count in self.answers.items() if status < 400)

    def classes(self) -> dict[str, Counter[int]]:
        """How many answers of each hundred, by operation."""
        found: dict[str, Counter[int]] = {}
        for (operation, status), count in sorted(self.answers.items()):
            found.setdefault(operation, Counter())[status // 100] += count
        return found

    def wrong(self, operations: set[str]) -> list[str]:
        """Why the run fails; empty if it does not. `operations` are all that there are."""
        seen = self.classes()
        broken = [f"{finding.operation} {finding.status}: {finding.what}" for finding in sorted(self.findings)]
        unseen = sorted(operations - set(seen))
        closed = [name for name, counts in seen.items() if not counts[2] + counts[3]]
        return [
            *broken,
            *(f"{name} was never asked" for name in unseen),
            *(f"{name} was never reached: every request was refused, {self._why(name)}" for name in closed),
            *([f"only {self.reached} of {self.total} requests were let through"] if self._is_refused else []),
        ]

    def _why(self, operation: str) -> str:
        codes = Counter({code: count for (name, code), count in self.refusals.items() if name == operation})
        return ", ".join(f"{code} {count}" for code, count in codes.most_common(SHOWN_CODES))

    @property
    def _is_refused(self) -> bool:
        return self.reached < LEAST_REACHED * self.total


def print_report(tally: Tally, operations: set[str], seconds: float) -> bool:
    """Prints it all; returns whether the run succeeded."""
    width = max(map(len, operations)) + 2
    print(f"{'':{width}}" + "".join(f"{name:>8}" for name in ("2xx", "3xx", "4xx", "5xx")))
    for name, counts in tally.classes().items():
        print(f"{name:{width}}" + "".join(f"{counts[hundred] or '':>8}" for hundred in (2, 3, 4, 5)))
    statuses, codes = _summed(tally.answers), _summed(tally.refusals)
    print(
        f"\n{tally.total} requests in {seconds:.0f} s, {tally.total / seconds:.0f}/s; {tally.in_sequence} in sequence"
    )
    print("by status: " + ", ".join(f"{status} {count}" for status, count in sorted(statuses.items())))
    print("refused as: " + ", ".join(f"{code} {count}" for code, count in codes.most_common()))
    print(f"let through: {tally.reached} ({tally.reached / max(tally.total, 1):.0%})")
    wrong = tally.wrong(operations)
    for finding, example in tally.examples.items():
        print(
            f"\nWRONG {finding.operation} {finding.status}, {tally.findings[finding]} times: {finding.what}\n{example}"
        )
    print("\nFAILED", *wrong, sep="\n  ") if wrong else print("\nno answer of 500, none that breaks the schema")
    return not wrong


def _summed(counts: Counter[tuple[str, Any]]) -> Counter[Any]:
    """Counts by the second of two names."""
    summed = Counter[Any]()
    for (_, name), count in counts.items():
        summed[name] += count
    return summed

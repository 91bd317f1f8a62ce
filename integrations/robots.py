"""What a site's robots.txt (RFC 9309) lets us fetch."""

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from integrations.importers.base import ImporterError

PRODUCT = "draftloom"
MAX_BYTES = 500 * 1024  # RFC 9309 section 2.5: what a crawler has to read at least
KEPT_SECONDS = 24 * 3600  # section 2.4: not longer


@dataclass(frozen=True, slots=True)
class Rules:
    """The rules of the group that names us, else of `*`: whether each allows, and its pattern."""

    rules: tuple[tuple[bool, str], ...] = ()

    def allow(self, path: str) -> bool:
        """Whether `path`, with its query, may be fetched: the longest pattern decides, and of two the one that allows.

        Source: RFC 9309 section 2.2.2.
        """
        fitting = [(len(pattern), allows) for allows, pattern in self.rules if _fits(pattern, path)]
        return max(fitting, default=(0, True))[1]


def parse(text: str) -> Rules:
    """The rules for us in a robots.txt; a text that is none holds no rules."""
    groups: dict[str, list[tuple[bool, str]]] = {}
    named: list[str] = []
    is_naming = False
    for key, value in _lines(text):
        if key == "user-agent":
            named = [*named, value.lower()] if is_naming else [value.lower()]
            groups.setdefault(value.lower(), [])
        elif key in ("allow", "disallow") and value:
            for name in named:
                groups[name].append((key == "allow", value))
        is_naming = key == "user-agent" or (is_naming and key not in ("allow", "disallow"))
    return Rules(tuple(groups.get(PRODUCT, groups.get("*", []))))


@dataclass
class Robots:
    """The rules of each host, kept for a day."""

    clock: Callable[[], float] = time.monotonic
    _kept: dict[str, tuple[float, Rules]] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def rules_of(self, host: str, read: Callable[[], bytes]) -> Rules:
        """The rules of `host`; `read` fetches its robots.txt where they are not known.

        A site that refuses it with 4xx has no rules (section 2.3.1.3). Raises the `ImporterError` of a site that
        cannot be asked, since then nothing may be fetched (section 2.3.1.4).
        """
        with self._lock:
            expires, rules = self._kept.get(host, (0.0, Rules()))
        if self.clock() < expires:
            return rules
        try:
            rules = parse(read().decode("utf-8", "replace"))
        except ImporterError as error:
            if error.code == "rate_limited" or not 400 <= error.extra.get("status", 0) < 500:
                raise
            rules = Rules()
        with self._lock:
            self._kept[host] = self.clock() + KEPT_SECONDS, rules
        return rules


def _lines(text: str) -> Iterator[tuple[str, str]]:
    for line in text.removeprefix("\ufeff").splitlines():
        key, colon, value = line.partition("#")[0].partition(":")
        if colon:
            yield key.strip().lower(), value.strip()


def _fits(pattern: str, path: str) -> bool:
    """Whether `path` begins as `pattern` says, in which `*` is anything and a last `$` the end."""
    is_whole = pattern.endswith("$")
    first, *others = (pattern[:-1] if is_whole else pattern).split("*")
    if not path.startswith(first):
        return False
    position = len(first)
    for number, part in enumerate(others, 1):
        if is_whole and number == len(others):
            return path.endswith(part) and len(path) - len(part) >= position
        position = path.find(part, position) + len(part)
        if position < len(part):
            return False
    return not is_whole or position == len(path)

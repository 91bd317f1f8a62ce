"""The wire between a runner and the streams that watch its runs: names, sequence numbers, and what travels.

A run's events are numbered `fence × 2^20 + n`, n from 1: the numbers of a new owner are always greater, so that Redis
itself refuses an old owner's write to the log. The log is the Redis Stream `run:<id>`; each entry is published on the
channel of the same name too.
"""

from dataclasses import dataclass
from typing import NamedTuple

FENCE_BITS = 20
LOG_LENGTH = 50_000
LOG_SECONDS_AFTER_END = 3600
LOG_SECONDS_WHILE_RUNNING = 2 * 86_400
WAKE_CHANNEL = "runs:wake"
TERMINAL = frozenset({"done", "error", "cancelled", "conflict", "model_limit_conflict"})


def log_key(run_id: str) -> str:
    return f"run:{run_id}"


def first_seq(fence: int) -> int:
    """The number before an owner's first event."""
    return fence << FENCE_BITS


class Entry(NamedTuple):
    """One event of a run's log. `data` is its JSON object, `type` included.

    `salvaged` comes with the error of a run that has left something all the same: an event that tells that instead.
    """

    seq: int
    type: str
    data: bytes
    salvaged: bytes = b""

    @property
    def is_terminal(self) -> bool:
        return self.type in TERMINAL

    @property
    def fence(self) -> int:
        return self.seq >> FENCE_BITS

    @property
    def opens_fence(self) -> bool:
        return self.seq & ((1 << FENCE_BITS) - 1) == 1

    def packed(self) -> bytes:
        return b"%d %s %s" % (self.seq, self.type.encode(), self.data)


def unpack(message: bytes) -> Entry:
    seq, kind, data = message.split(b" ", 2)
    return Entry(int(seq), kind.decode(), data)


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What the database says of a run: its text up to and including `seq`, and how it ended if it did.

    A terminal event is always told from here and never from the log: what a client is told is what is stored.
    `pending` is the question that a waiting run has asked.
    """

    run_id: str
    seq: int
    text: str
    terminal: Entry | None
    pending: Entry | None = None

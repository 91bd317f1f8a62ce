"""Events into bytes; nobody else writes a frame. A dialect is one class and a row in `ENCODERS`."""

import random
from collections.abc import Iterable
from typing import Protocol

from config.api.ndjson import Ndjson
from config.live import Entry

RETRY_MILLISECONDS = 1000
FAREWELL_MILLISECONDS = (300, 2000)  # at different times, so that not all come back at once


class Encoder(Protocol):
    is_over: bool
    """Whether the client was told an end, beyond which nothing more is written; the run itself may go on."""

    def __init__(self, run_id: str) -> None: ...

    def opening(self) -> bytes:
        """What leaves at once: some servers hold the headers back until there is a body."""
        ...

    def encode(self, entries: Iterable[Entry]) -> bytes: ...

    def heartbeat(self) -> bytes: ...

    def farewell(self) -> bytes:
        """Says that this stream ends before its run, and when to come back: to another server, or this one anew."""
        ...


class ServerSentEvents:
    """https://html.spec.whatwg.org/multipage/server-sent-events.html; the id is `<run>:<seq>`."""

    is_over = False  # clients rejoin, or leave by themselves

    def __init__(self, run_id: str) -> None:
        self._frame = b"id: " + run_id.encode() + b":%d\nevent: %s\ndata: %s\n\n"

    def opening(self) -> bytes:
        return b"retry: %d\n\n" % RETRY_MILLISECONDS

    def encode(self, entries: Iterable[Entry]) -> bytes:
        return b"".join(self._frame % (entry.seq, entry.type.encode(), entry.data) for entry in entries)

    def heartbeat(self) -> bytes:
        return b": waiting\n\n"

    def farewell(self) -> bytes:
        return b"retry: %d\n\n" % random.randint(*FAREWELL_MILLISECONDS)


ENCODERS: dict[str, type[Encoder]] = {"sse": ServerSentEvents, "ndjson": Ndjson}

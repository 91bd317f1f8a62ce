"""What a handler has in its hands while it executes a run."""

import asyncio
import logging
import time
from collections.abc import Callable
from concurrent.futures import Executor
from typing import Any, ParamSpec, TypeVar

from django.db import DatabaseError, close_old_connections

from config.failpoints import failpoint
from config.live import Entry, first_seq
from conversations.models import Run
from conversations.runs import lifecycle
from conversations.runs.event_log import EventLog, Teller
from conversations.runs.events import Content, Event, Reset, RunStarted, Status
from conversations.runs.lifecycle import Ending, Held

log = logging.getLogger(__name__)

COALESCE_SECONDS = 0.025
P = ParamSpec("P")
T = TypeVar("T")


class RunContext:
    """One owner's work on one run.

    Text goes out at most every 25 ms, the first piece and every other event at once. `text` is what was told so far;
    the runner writes it to the row once a second.
    """

    def __init__(self, run: Run, event_log: EventLog, threads: Executor, stop: Callable[[], None]) -> None:
        self.run = run
        self.usage: dict[str, Any] | None = run.step.get("usage")
        self.finished: Run | None = None
        self.is_ending = False
        self._log = event_log
        self._threads = threads
        self._fence = run.fence
        self._seq = first_seq(run.fence)
        self._told: list[str] = []
        self._pending: list[str] = []
        self._last_told = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self._other_events: list[Event] = []
        self._kept_pieces = 0
        self._writes: set[asyncio.Future[None]] = set()
        event_log.open(str(run.id), Teller(run.fence, self._tell_again, stop))

    @property
    def text(self) -> str:
        return "".join(self._told) + "".join(self._pending)

    def adopt_partial(self) -> None:
        """Takes over what an earlier owner has told, for a run that ends without being executed again."""
        self._told = [self.run.partial] if self.run.partial else []

    def open(self) -> None:
        """Tells that the run is being worked on; one that was begun before goes on from the text its step has kept."""
        if self.run.fence == 1:
            self.tell(RunStarted(str(self.run.id), self.run.kind, self.run.conversation_id))
            return
        self.tell(Status("executing_tools" if self.run.step.get("decision") else "restarting"))
        self._append(Reset())
        if kept := self.run.step.get("text"):
            self._told = [kept]
            self._append(Content(kept))

    def tell(self, event: Event) -> None:
        """Sends an event to whoever watches."""
        self._flush()
        self._other_events.append(event)
        self._append(event)

    def say(self, text: str) -> None:
        """Sends a piece of the answer, together with others that come within 25 ms."""
        if not text:
            return
        self._pending.append(text)
        now = time.monotonic()
        if now - self._last_told >= COALESCE_SECONDS:
            self._flush()
        elif self._timer is None:
            wait = self._last_told + COALESCE_SECONDS - now
            self._timer = asyncio.get_running_loop().call_later(wait, self._flush)

    def forget(self) -> None:
        """Drops the text told so far, here and at the clients."""
        self._flush()
        self._told.clear()
        self._kept_pieces = 0
        self._append(Reset())

    async def db(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Calls `function` in one of the runner's threads, which keep their database connections."""

        def call() -> T:
            close_old_connections()
            return function(*args, **kwargs)

        return await asyncio.get_running_loop().run_in_executor(self._threads, call)

    def later(self, function: Callable[P, object], *args: P.args, **kwargs: P.kwargs) -> None:
        """A write beside the run's own work, which nobody waits for before the run's end. A fault is only logged."""

        async def write() -> None:
            try:
                await self.db(function, *args, **kwargs)
            except DatabaseError as error:
                log.error("A note about run %s was not stored: %s", self.run.id, type(error).__name__)

        writing = asyncio.ensure_future(write())
        self._writes.add(writing)
        writing.add_done_callback(self._writes.discard)

    async def checkpoint(self, **values: Any) -> None:
        """Stores what a restart need not do again. Raises `LostRun`."""
        await self.db(lifecycle.checkpoint, self.run, **values)

    async def finish(self, write: Callable[[Run], dict[str, Any]], *, error_code: str = "") -> None:
        """Ends the run as done; what `write` stores commits with it. Raises `LostRun`."""
        await self.end(Run.State.DONE, write, error_code=error_code)

    async def end(self, state: str, write: Callable[[Run], dict[str, Any]], **details: Any) -> None:
        self._flush()
        self.is_ending = True
        if self._writes:
            await asyncio.wait(self._writes)
        ending = Ending(state=state, seq=self._seq + 1, text=self.text, usage=self.usage, **details)
        self.finished = await self.db(lifecycle.finish, self.run, ending, write)
        failpoint("after_finish")  # committed, but nobody was told
        # By reference: the row tells how it ended. The name only has to be a terminal one.
        self._append_raw("done", b"")

    async def suspend(self, step: dict[str, Any], event: Event) -> None:
        """Lets the run wait for a person, and tells so with `event`. Its execution ends here. Raises `LostRun`."""
        self._flush()
        self.is_ending = True
        await self.db(lifecycle.suspend, self.run, step=step, seq=self._seq + 1, text=self.text)
        self.tell(event)

    def held(self) -> Held:
        """What the runner keeps for this run: its text if that has grown, and up to which event."""
        grown = len(self._told) != self._kept_pieces
        self._kept_pieces = len(self._told)
        return Held(self.run.id, self.run.fence, "".join(self._told) if grown else None, self._seq)

    def not_kept(self) -> None:
        """The last `held` did not reach the database."""
        self._kept_pieces = -1

    def close(self) -> None:
        if self._timer:
            self._timer.cancel()
        self._log.close(str(self.run.id), self._fence)

    def _flush(self) -> None:
        if self._timer:
            self._timer.cancel()
            self._timer = None
        if self._pending:
            text = "".join(self._pending)
            self._pending.clear()
            self._told.append(text)
            self._last_told = time.monotonic()
            self._append(Content(text))

    def _append(self, event: Event) -> None:
        self._append_raw(event.type, event.encoded())

    def _append_raw(self, kind: str, data: bytes) -> None:
        self._seq += 1
        self._log.append(str(self.run.id), Entry(self._seq, kind, data))

    def _tell_again(self) -> None:
        """The log lost events: everything once more, after a reset."""
        self._append(Reset())
        for event in self._other_events:
            self._append(event)
        if self._told:
            self._append(Content("".join(self._told)))

"""One stream's view of one run: replay, then live, each event once and in order, whatever breaks in between."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterator

import orjson

from config.hub import Gone, Hub, Item, Missed, Subscription
from config.live import Entry, Snapshot

GONE = orjson.dumps(
    {
        "type": "error",
        "message": "This does not exist any more: its conversation was deleted.",
        "code": "run_gone",
        "partial": False,
        "retryable": False,
        "conversation_id": None,
    }
)
GAP_RETRY_SECONDS, GAP_RETRIES = 0.5, 20


class Heartbeat:
    """Nothing happened for a while."""


class Watch:
    """Yields the events of a run that are newer than `after`, in batches; ends after the terminal one.

    Raises `LookupError` when the run is gone, or when what was missed can't be had.
    """

    def __init__(self, hub: Hub, run_id: str, after: int, *, heartbeat_seconds: float = 15.0) -> None:
        self._hub = hub
        self._run_id = run_id
        self._after = after
        self._heartbeat_seconds = heartbeat_seconds

    async def batches(self) -> AsyncGenerator[list[Entry] | Heartbeat, None]:
        async with self._hub.subscription(self._run_id) as subscription:
            self._subscription = subscription
            subscription.last = self._after
            async with contextlib.aclosing(self._everything(subscription)) as everything:
                async for batch in everything:
                    yield batch
                    if isinstance(batch, list) and batch[-1].is_terminal:
                        return

    async def _everything(self, subscription: Subscription) -> AsyncGenerator[list[Entry] | Heartbeat, None]:
        async for batch in self._from_log():
            yield batch
        snapshot = await self._hub.snapshot(self._run_id) if subscription.last == self._after else None
        if snapshot and (batch := self._from_snapshot(snapshot)):
            yield batch
        while True:
            try:
                async with asyncio.timeout(self._heartbeat_seconds):
                    item = await subscription.next()
            except TimeoutError:
                yield Heartbeat()
                continue
            async for batch in self._told_by(item):
                yield batch

    async def _told_by(self, item: Item) -> AsyncIterator[list[Entry]]:
        if isinstance(item, Gone):
            yield [Entry(self._subscription.last + 1, "error", GONE)]
        elif isinstance(item, Missed):
            async for batch in self._from_log():
                yield batch
        elif batch := (self._from_snapshot(item) if isinstance(item, Snapshot) else await self._new([item])):
            yield batch

    async def _from_log(self) -> AsyncIterator[list[Entry]]:
        while entries := await self._hub.replay(self._run_id, self._subscription.last):
            if batch := await self._new(entries):
                yield batch
            else:
                return

    async def _new(self, entries: list[Entry]) -> list[Entry]:
        """Those of the log's `entries` that were not sent yet; a gap, and the end, are told by the database."""
        batch: list[Entry] = []
        for entry in entries:
            if entry.seq <= self._subscription.last:
                continue
            if entry.is_terminal or self._is_gap_before(entry):
                return batch + await self._caught_up(entry)
            self._subscription.last = entry.seq
            batch.append(entry)
        return batch

    def _is_gap_before(self, entry: Entry) -> bool:
        return not (entry.opens_fence or entry.type == "reset" or entry.seq == self._subscription.last + 1)

    async def _caught_up(self, entry: Entry) -> list[Entry]:
        """The run as the database has it, once that is as far as `entry`: partial texts are written once a second."""
        for _ in range(GAP_RETRIES):
            snapshot = await self._hub.snapshot(self._run_id)
            if snapshot is None:
                raise LookupError(f"run {self._run_id} is gone")
            if snapshot.terminal or (snapshot.seq >= entry.seq - 1 and not entry.is_terminal):
                return self._from_snapshot(snapshot)
            await asyncio.sleep(GAP_RETRY_SECONDS)
        raise LookupError(f"run {self._run_id} did not catch up with event {entry.seq}")

    def _from_snapshot(self, snapshot: Snapshot) -> list[Entry]:
        """`reset`, the whole text, and the end if there is one; only the end if all the rest was sent."""
        last, self._subscription.last = self._subscription.last, max(self._subscription.last, snapshot.seq)
        if snapshot.terminal and last >= snapshot.seq - 1:
            return [snapshot.terminal]
        if snapshot.seq <= last:
            return []
        seq = snapshot.seq - 1 if snapshot.terminal else snapshot.seq
        entries = [Entry(seq, "reset", b'{"type":"reset"}')] if last else []
        if snapshot.text:
            entries.append(Entry(seq, "content", orjson.dumps({"type": "content", "content": snapshot.text})))
        return [*entries, *(entry for entry in (snapshot.pending, snapshot.terminal) if entry)]

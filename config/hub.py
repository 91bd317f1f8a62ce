"""What one web process hears of runs: one subscription for all its streams, and one look at the database a second for
those that hear nothing."""

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncIterator, Callable, Collection, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, TypeVar

import redis.exceptions
from django.db import DatabaseError, InterfaceError, close_old_connections

from config.live import Entry, Snapshot, log_key, unpack
from config.redis import async_client

log = logging.getLogger(__name__)

QUEUE_LENGTH = 2000
SILENCE_SECONDS = 2.0
REPLAY_COUNT = 1000
ACKNOWLEDGE_SECONDS = 1.0
Found = TypeVar("Found")
Loader = Callable[[Collection[str]], dict[str, Snapshot]]
REDIS_ERRORS = (redis.exceptions.RedisError, OSError, asyncio.TimeoutError)


class Missed:
    """Put into a queue when entries may have been lost on the way: look into the log again."""


class Gone:
    """The run does not exist any more."""


Item = Entry | Snapshot | Missed | Gone


class Subscription:
    """One stream's place at the hub. `last` is the number of the newest event that was sent."""

    def __init__(self, run_id: str) -> None:
        self.run_id = run_id
        self.last = 0
        self.heard_at = time.monotonic()
        self.acknowledged = asyncio.Event()
        self._queue: asyncio.Queue[Item] = asyncio.Queue(QUEUE_LENGTH)

    def put(self, item: Item) -> None:
        try:
            self._queue.put_nowait(item)
        except asyncio.QueueFull:  # the client reads slower than the model writes: the log has it all
            while not self._queue.empty():
                self._queue.get_nowait()
            self._queue.put_nowait(Missed())

    async def next(self) -> Item:
        item = await self._queue.get()
        self.heard_at = time.monotonic()
        return item

    def is_silent(self) -> bool:
        return time.monotonic() - self.heard_at >= SILENCE_SECONDS


class Hub:
    """Belongs to one event loop. `load` asks the database for snapshots; it runs in a thread."""

    def __init__(self, load: Loader) -> None:
        self._load = load
        self._threads = ThreadPoolExecutor(2, "snapshots")  # so: two database connections, however many streams
        self._subscriptions: dict[str, set[Subscription]] = {}
        self._replays = async_client(connections=8)
        self._pubsub = async_client(connections=1, answer_seconds=None).pubsub()
        self._subscribing = asyncio.Lock()
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        self._tasks = [asyncio.create_task(self._listen()), asyncio.create_task(self._poll())]

    async def stop(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        with contextlib.suppress(*REDIS_ERRORS):
            await self._pubsub.aclose()  # type: ignore[no-untyped-call]
            await self._replays.aclose()
        self._threads.shutdown(wait=False)

    @contextlib.asynccontextmanager
    async def subscription(self, run_id: str) -> AsyncIterator[Subscription]:
        """A place for one stream; entries published after this was entered are heard."""
        subscription = Subscription(run_id)
        others = self._subscriptions.setdefault(run_id, set())
        others.add(subscription)
        try:
            await self._subscribe(subscription)
            yield subscription
        finally:
            others.discard(subscription)
            if not others and self._subscriptions.get(run_id) is others:
                del self._subscriptions[run_id]
                with contextlib.suppress(*REDIS_ERRORS):
                    await self._pubsub.unsubscribe(log_key(run_id))

    async def _subscribe(self, subscription: Subscription) -> None:
        with contextlib.suppress(*REDIS_ERRORS):
            async with asyncio.timeout(ACKNOWLEDGE_SECONDS):
                async with self._subscribing:  # redis-py connects anew for each that comes before it is connected
                    await self._pubsub.subscribe(log_key(subscription.run_id))
                await subscription.acknowledged.wait()

    async def replay(self, run_id: str, after: int) -> list[Entry]:
        """Up to 1,000 entries of the log that are newer than `after`; empty if there is no log or no Redis."""
        try:
            rows: Any = await self._replays.xrange(log_key(run_id), min=f"({after}-0", count=REPLAY_COUNT)
        except REDIS_ERRORS as error:
            log.warning("No replay of run %s: %s", run_id, type(error).__name__)
            return []
        return [Entry(int(key.split(b"-")[0]), row[b"t"].decode(), row[b"d"]) for key, row in rows]

    async def snapshot(self, run_id: str) -> Snapshot | None:
        """None if there is no such run, or no database at the moment."""
        return (await self._snapshots([run_id]) or {}).get(run_id)

    async def _snapshots(self, run_ids: Collection[str]) -> dict[str, Snapshot] | None:
        """Those of the runs that exist; None without the database."""
        return await self.ask(partial(self._load, run_ids))

    async def ask(self, question: Callable[[], Found]) -> Found | None:
        """What `question` finds in the database, asked in one of two threads; None without the database."""

        def asked() -> Found:
            close_old_connections()
            return question()

        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, asked)
        except (DatabaseError, InterfaceError) as error:
            log.warning("No answer for the streams: %s", type(error).__name__)
            return None

    async def _listen(self) -> None:
        while True:
            try:
                if not self._pubsub.subscribed:
                    await asyncio.sleep(0.05)  # redis-py has nothing to wait for before the first subscription
                    continue
                self._hear(await self._pubsub.get_message(timeout=None))
            except REDIS_ERRORS as error:
                log.warning("The subscription broke: %s", type(error).__name__)
                await asyncio.sleep(0.5)
                self._tell_all(Missed())

    def _hear(self, message: dict[str, object] | None) -> None:
        if message is None:
            return
        channel = message["channel"]
        assert isinstance(channel, bytes)
        watching = self._subscriptions.get(channel.decode().removeprefix("run:"), ())
        if message["type"] == "subscribe":
            for subscription in watching:
                subscription.acknowledged.set()
        elif message["type"] == "message" and watching:
            assert isinstance(data := message["data"], bytes)
            entry = unpack(data)
            for subscription in watching:
                subscription.put(entry)

    def _everyone(self) -> Iterator[Subscription]:
        for watching in list(self._subscriptions.values()):
            yield from list(watching)

    def _tell_all(self, item: Item) -> None:
        for subscription in self._everyone():
            subscription.put(item)

    async def _poll(self) -> None:
        """Truth for those who hear nothing: one query a second, however many streams wait."""
        while True:
            await asyncio.sleep(1.0)
            silent = [subscription for subscription in self._everyone() if subscription.is_silent()]
            if not silent:
                continue
            snapshots = await self._snapshots({subscription.run_id for subscription in silent})
            if snapshots is None:
                continue
            for subscription in silent:
                snapshot = snapshots.get(subscription.run_id)
                if snapshot is None:
                    subscription.put(Gone())
                elif snapshot.terminal or snapshot.seq > subscription.last:
                    subscription.put(snapshot)

"""The process that executes runs: many at once in one event loop, each held by a lease that is renewed every second."""

import asyncio
import contextlib
import logging
from collections.abc import Callable, Collection
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TypeVar
from uuid import UUID

import redis.exceptions
from django.conf import settings
from django.db import InterfaceError, OperationalError, close_old_connections

from config.exceptions import DraftloomError
from config.live import WAKE_CHANNEL
from config.redis import async_client
from conversations.models import Run
from conversations.runs import lifecycle
from conversations.runs.context import RunContext
from conversations.runs.event_log import EventLog
from conversations.runs.handlers import RunFailed, handler_of
from conversations.runs.lifecycle import LostRun
from integrations.llm import registry
from integrations.llm.errors import LLMError

log = logging.getLogger(__name__)

THREADS = 4
POLL_SECONDS = KEEP_SECONDS = 1.0
DATABASE_AWAY = (OperationalError, InterfaceError)
T = TypeVar("T")


class Work:
    """A run in execution, its task, and why that was told to stop."""

    def __init__(self, context: RunContext) -> None:
        self.context = context
        self.task: asyncio.Task[None] | None = None
        self.reason = ""

    def stop(self, reason: str) -> None:
        """`cancelled` by the user, `lost` to another runner, or `released` because this runner goes."""
        if not self.reason and not self.context.is_ending and self.task is not None:
            self.reason = reason
            self.task.cancel()


class Runner:
    def __init__(self, kinds: Collection[str], concurrency: int) -> None:
        self._kinds = list(kinds)
        self._concurrency = concurrency
        self._threads = ThreadPoolExecutor(THREADS, "runner")
        self._lease_thread = ThreadPoolExecutor(1, "leases")  # its own: a lease must not wait behind the work
        self._log = EventLog()
        self._works: dict[UUID, Work] = {}
        self._bell = asyncio.Event()
        self._stopping = asyncio.Event()

    def stop(self) -> None:
        """Claims nothing more; `run` goes on with what it has for `RUNNER_DRAIN_SECONDS` and gives back the rest."""
        self._stopping.set()
        self._bell.set()

    async def run(self) -> None:
        await registry.prepare()  # once, and not in the middle of somebody's answer
        helpers = [asyncio.create_task(part) for part in (self._log.write_forever(), self._keep(), self._listen())]
        for helper in helpers:
            helper.add_done_callback(lambda _: self.stop())  # without its lease-keeper, a runner must not go on
        try:
            while not self._stopping.is_set():
                await self._claim()
            await self._drain()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(1):
                    await self._log.drained()
        finally:
            for helper in helpers:
                helper.cancel()
            ends = await asyncio.gather(*helpers, return_exceptions=True)
            self._threads.shutdown(wait=False)
            self._lease_thread.shutdown(wait=False)
        for end in ends:
            if isinstance(end, Exception):
                raise end

    async def _claim(self) -> None:
        self._bell.clear()
        try:
            free = self._concurrency - len(self._works)
            runs = await self._db(partial(lifecycle.claim, self._kinds, free)) if free else []
        except DATABASE_AWAY as error:
            log.warning("Could not look for runs: %s", type(error).__name__)
            runs = []
        for run in runs:
            self._start(run)
        if not runs:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(POLL_SECONDS):
                    await self._bell.wait()

    def _start(self, run: Run) -> None:
        if ghost := self._works.get(run.id):  # this very process was too busy to renew its lease
            ghost.stop("lost")
        work = Work(RunContext(run, self._log, self._threads, stop=lambda: work.stop("lost")))
        self._works[run.id] = work
        work.task = asyncio.create_task(self._execute(work))

    async def _execute(self, work: Work) -> None:
        try:
            await self._handle(work)
        except LostRun:
            log.warning("Run %s has another owner now", work.context.run.id)
        except DATABASE_AWAY as error:  # its lease lapses, and whoever claims it then goes on
            log.warning("Run %s stops without the database: %s", work.context.run.id, type(error).__name__)
        finally:
            work.context.close()
            if self._works.get(work.context.run.id) is work:
                del self._works[work.context.run.id]
            self._bell.set()

    async def _handle(self, work: Work) -> None:
        context = work.context
        try:
            self._refuse_to_repeat(work)
            context.open()
            await handler_of(context.run.kind).execute(context)
        except asyncio.CancelledError:
            await self._stopped(work)
        except RunFailed as error:
            await self._fail(context, error)
        except LLMError as error:
            await self._fail(context, RunFailed(error.code, error.message, retryable=error.retryable))
        except DraftloomError as error:
            await self._fail(context, RunFailed(error.code, error.detail))
        except (LostRun, *DATABASE_AWAY):
            raise
        except Exception:  # noqa: BLE001 - the edge: whatever a handler did, its run ends with an answer
            log.exception("Run %s failed", context.run.id)
            await self._fail(context, RunFailed("internal_error", "Something went wrong on our side.", retryable=True))

    @staticmethod
    def _refuse_to_repeat(work: Work) -> None:
        """Ends a run that was cancelled while its runner was dead, or that has cost too many runners their life."""
        run = work.context.run
        if run.cancel_requested:
            work.context.adopt_partial()
            work.reason = "cancelled"
            raise asyncio.CancelledError
        if run.tries > lifecycle.MAX_TRIES:
            work.context.adopt_partial()
            message = "This kept failing and was given up. Please try again."
            raise RunFailed("attempts_exhausted", message, retryable=True)

    async def _stopped(self, work: Work) -> None:
        context = work.context
        if work.reason == "cancelled" and context.finished is None:
            await context.end(Run.State.CANCELLED, partial(self._interrupted, context, "It was stopped."))
        elif work.reason == "released":
            await self._db(partial(lifecycle.release, context.run))

    async def _fail(self, context: RunContext, error: RunFailed) -> None:
        details = {"error_code": error.code, "message": error.message, "retryable": error.retryable}
        await context.end(Run.State.FAILED, partial(self._interrupted, context, error.message), **details)

    @staticmethod
    def _interrupted(context: RunContext, reason: str, row: Run) -> dict[str, object]:
        return handler_of(row.kind).interrupted(row, context.text, reason)

    async def _keep(self) -> None:
        """Renews every lease and writes every partial text; stops those that were cancelled or lost meanwhile."""
        while True:
            await asyncio.sleep(KEEP_SECONDS)
            works = dict(self._works)
            held = [work.context.held() for work in works.values() if not work.context.is_ending]
            try:
                kept = await self._db(partial(lifecycle.keep, held), self._lease_thread)
            except DATABASE_AWAY as error:
                log.warning("Could not renew leases: %s", type(error).__name__)
                for work in works.values():
                    work.context.not_kept()
                continue
            for hold in held:
                if kept.get(hold.id, True):
                    works[hold.id].stop("cancelled" if hold.id in kept else "lost")

    async def _listen(self) -> None:
        """Hears the bell, so that a run starts, and stops, at once and not within a second."""
        pubsub = async_client(connections=1, answer_seconds=None).pubsub()
        while True:
            try:
                await pubsub.subscribe(WAKE_CHANNEL)
                async for message in pubsub.listen():
                    self._hear(message)
            except (redis.exceptions.RedisError, OSError) as error:
                log.warning("Does not hear the bell: %s", type(error).__name__)
                await asyncio.sleep(1)

    def _hear(self, message: dict[str, object]) -> None:
        data = message["data"]
        if not isinstance(data, bytes):
            return
        command, _, run_id = data.decode().partition(":")
        if command != "cancel":
            self._bell.set()
        elif work := self._works.get(UUID(run_id)):
            work.stop("cancelled")

    async def _drain(self) -> None:
        tasks = [work.task for work in self._works.values() if work.task]
        if tasks and settings.RUNNER_DRAIN_SECONDS:
            await asyncio.wait(tasks, timeout=settings.RUNNER_DRAIN_SECONDS)
        for work in list(self._works.values()):
            work.stop("released")
        if tasks := [work.task for work in self._works.values() if work.task]:
            await asyncio.wait(tasks, timeout=2)

    async def _db(self, function: Callable[[], T], threads: ThreadPoolExecutor | None = None) -> T:
        def call() -> T:
            close_old_connections()
            return function()

        return await asyncio.get_running_loop().run_in_executor(threads or self._threads, call)

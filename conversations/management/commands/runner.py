import asyncio
import signal
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandParser

from conversations.models import Run
from conversations.runs.runner import Runner


class Command(BaseCommand):
    help = "Executes runs (imports, generations, chat turns) until it is told to stop."

    def add_arguments(self, parser: CommandParser) -> None:
        kinds = [kind for kind in Run.Kind.values if kind != Run.Kind.BULK]
        parser.add_argument("--kinds", nargs="+", choices=Run.Kind.values, default=kinds)
        parser.add_argument("--concurrency", type=int, default=settings.RUNNER_CONCURRENCY)

    def handle(self, *args: Any, kinds: list[str], concurrency: int, **options: Any) -> None:
        asyncio.run(self._run(kinds, concurrency))

    @staticmethod
    async def _run(kinds: list[str], concurrency: int) -> None:
        runner = Runner(kinds, concurrency)
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, runner.stop)
        await runner.run()

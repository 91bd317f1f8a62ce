"""Many chats at once through all that is ours: `python -m bench streams [--streams N] [--words N] [--pause-ms N]`.

A web process, a runner and both embedded servers are started on a folder of their own; the model is a small server in
this process that says one word at a time, and the members are clients in this process too. Printed is how long a member
waits for the first word, what went wrong, and the CPU time of web and runner for each token of an answer (a word here).
"""

import argparse
import asyncio
import io
import os
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import django
import orjson
import psutil

from config import embedded
from config.env import VARIABLES

PROCESSES = {"web": "config.asgi:application", "runner": "runner"}  # a word of each command line


@dataclass
class Figures:
    """Seconds to each answer's first word; what went wrong, by what it was."""

    first_words: list[float] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)


async def _watch(session: aiohttp.ClientSession, url: str, body: dict[str, Any], words: int, figures: Figures) -> None:
    """One member's message and its answer, in either dialect."""
    began, first, text, last = time.perf_counter(), 0.0, "", ""
    try:
        async with session.post(url, json=body) as response:
            response.raise_for_status()
            async for line in response.content:
                is_sse = line.startswith(b"data: ")
                if not (is_sse or line.startswith(b"{")):
                    continue
                event = orjson.loads(line.removeprefix(b"data: "))
                last = event["type"]
                if last == "content":
                    first = first or time.perf_counter() - began
                    text += event["content" if is_sse else "data"]
    except (aiohttp.ClientError, TimeoutError) as error:
        figures.errors.append(type(error).__name__)
        return
    if last != "done" or len(text.split()) != words:
        figures.errors.append(f"{last or 'nothing'} after {len(text.split())} words")
        return
    figures.first_words.append(first)


async def _chat(stack: Any, conversations: list[int], given: argparse.Namespace, cookie: str) -> Figures:
    """One round: a message to each conversation, all at once."""
    from config.tests.stack import chat_path, said

    figures = Figures()
    message = said(f"Go on [[words={given.words} delay_ms={given.pause_ms}]]")
    timeout, connector = aiohttp.ClientTimeout(given.seconds), aiohttp.TCPConnector(limit=0)
    cookies, dialect = {"session_token": cookie}, f"?dialect={given.dialect}"
    async with aiohttp.ClientSession(stack.url, cookies=cookies, timeout=timeout, connector=connector) as session:
        await asyncio.gather(
            *(_watch(session, chat_path(pk) + dialect, message, given.words, figures) for pk in conversations),
        )
    return figures


def _cpu() -> dict[str, float]:
    """Seconds of CPU time that each of our processes has used so far."""
    spent = {}
    for process in psutil.Process().children():
        for name, word in PROCESSES.items():
            if word in process.cmdline():
                spent[name] = sum(process.cpu_times()[:2])
    return spent


def _measure(stack: Any, given: argparse.Namespace) -> None:
    member = "bench@example.org"
    cookie = stack.cookie_for(member)
    conversations = _conversations(member, given.streams)
    warm_up = argparse.Namespace(**vars(given) | {"words": 5})
    asyncio.run(_chat(stack, conversations, warm_up, cookie))
    before = _cpu()
    figures = asyncio.run(_chat(stack, conversations, given, cookie))
    spent = {name: seconds - before[name] for name, seconds in _cpu().items()}
    _report(figures, spent, given)


def _conversations(member: str, count: int) -> list[int]:
    from django.core.management import call_command

    from conversations.models import Conversation

    call_command("seed", conversations=count, user=member, stdout=io.StringIO())
    return list(Conversation.objects.values_list("pk", flat=True))


def _report(figures: Figures, spent: dict[str, float], given: argparse.Namespace) -> None:
    print(f"{given.streams} answers at once, {given.words} words each, one every {given.pause_ms} ms:")
    if waits := sorted(figures.first_words):
        print(f"first word   p50 {_at(0.5, waits) * 1000:.0f} ms, p99 {_at(0.99, waits) * 1000:.0f} ms")
    words = given.words * given.streams
    for name, seconds in spent.items():
        print(f"{name:<12} {seconds / words * 1000:.3f} ms of CPU for each token")
    print(f"errors       {len(figures.errors)}", *sorted(set(figures.errors)), sep="; ")


def _at(share: float, ordered: list[float]) -> float:
    return ordered[min(int(share * len(ordered)), len(ordered) - 1)]


def _run(data_dir: Path, given: argparse.Namespace) -> None:
    nothing = dict.fromkeys(VARIABLES, "")  # above all no other database; set, so that a `.env` does not count either
    ours = {"DJANGO_SETTINGS_MODULE": "config.settings", "APP_ENV": "local", "DATA_DIR": str(data_dir)}
    os.environ |= nothing | ours
    embedded.ensure(data_dir)
    django.setup()
    from django.core.management import call_command

    from config.tests.outside import Outside
    from config.tests.stack import Stack

    class RoomyStack(Stack):
        """As it is deployed, with room for every answer."""

        def environment(self, **more: str) -> dict[str, str]:
            names = ["RUNNER_CONCURRENCY", *(name for name in VARIABLES if name.startswith("LIMIT_") and "PER" in name)]
            room = dict.fromkeys(names, str(given.streams)) | {"LIMIT_SENDS": "1000000/m", "RUN_LEASE_SECONDS": "8"}
            return nothing | super().environment(**room | more)

    call_command("migrate", verbosity=0)
    with Outside() as outside:
        stack = RoomyStack(outside)
        try:
            stack.start()
            _measure(stack, given)
        finally:
            stack.stop()
            embedded.leave(data_dir, wait_seconds=10)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench streams", description=__doc__)
    parser.add_argument("--streams", type=int, default=50, help="answers at the same time (50)")
    parser.add_argument("--words", type=int, default=200, help="words in an answer (200)")
    parser.add_argument("--pause-ms", type=int, default=20, help="between two words (20)")
    parser.add_argument("--dialect", choices=["sse", "ndjson"], default="sse", help="how the events are written (sse)")
    parser.add_argument("--seconds", type=float, default=120, help="the longest that an answer may take (120)")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="draftloom-bench-") as folder:
        _run(Path(folder), given)


if __name__ == "__main__":
    main()

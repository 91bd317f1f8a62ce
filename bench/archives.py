"""One export of many conversations: `python -m bench archives [--conversations N] [--megabytes M] [--seed S]`.

What it prints: how long a worker takes to list it, how many conversations a second the bulk runner imports without
drafts, what a member who asks for `/health` meanwhile waits, and how much memory each process takes beyond idle.
"""

import argparse
import io
import json
import os
import random
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, NamedTuple

import django
import httpx2
import psutil

from config import embedded
from config.env import VARIABLES

MESSAGES = 20
WORDS = [
    "anchor", "basket", "candle", "drawer", "engine", "feather", "garden", "harbour",
    "island", "jacket", "kettle", "lantern", "meadow", "needle", "orchard", "pillow",
]  # fmt: skip
PAUSE_SECONDS = 0.02
PROCESSES = {"web": "uvicorn", "worker": "celery", "bulk": "bulk", "child": "archive_child"}  # a word of each command


def conversation(number: int, size: int, dice: random.Random) -> dict[str, Any]:
    """A chat of an export, of about `size` bytes, in invented words."""
    nodes: dict[str, Any] = {"n0": {"id": "n0", "parent": None, "message": None, "children": ["n1"]}}
    for at in range(1, MESSAGES + 1):
        text = " ".join(dice.choices(WORDS, k=size // MESSAGES // 9))
        message = {
            "id": f"{number}-{at}",
            "author": {"role": "user" if at % 2 else "assistant", "metadata": {}},
            "create_time": 1_700_000_000 + number * 1000 + at,
            "content": {"content_type": "text", "parts": [text]},
            "recipient": "all",
            "metadata": {"model_slug": "gpt-5"},
        }
        nodes[f"n{at}"] = {"id": f"n{at}", "parent": f"n{at - 1}", "message": message, "children": [f"n{at + 1}"]}
    identity = f"{number:08x}-0000-4000-8000-000000000000"
    return {"title": f"Chat {number}", "mapping": nodes, "current_node": f"n{MESSAGES}", "conversation_id": identity}


def write_export(path: Path, given: argparse.Namespace) -> None:
    dice = random.Random(given.seed)
    size = given.megabytes * 1024 * 1024 // given.conversations
    with path.open("w") as file:
        for number in range(given.conversations):
            file.write(("," if number else "[") + json.dumps(conversation(number, size, dice)))
        file.write("]")


class Onlooker(threading.Thread):
    """Asks for `/health` all the time, and looks at how much memory the processes take."""

    def __init__(self, url: str) -> None:
        super().__init__(daemon=True)
        self.waits: list[float] = []
        self.memory: dict[str, float] = {}
        self._url = f"{url}/health"
        self._over = threading.Event()

    def run(self) -> None:
        with httpx2.Client(trust_env=False, timeout=30) as http:
            while not self._over.is_set():
                began = time.perf_counter()
                http.get(self._url).raise_for_status()
                self.waits.append(time.perf_counter() - began)
                if len(self.waits) % 10 == 1:
                    for name, megabytes in memory().items():
                        self.memory[name] = max(megabytes, self.memory.get(name, 0))
                time.sleep(PAUSE_SECONDS)

    @contextmanager
    def looking(self) -> Iterator[None]:
        self.start()
        try:
            yield
        finally:
            self._over.set()
            self.join()


def memory() -> dict[str, float]:
    """Megabytes of resident memory by name of process, the largest of each name."""
    found: dict[str, float] = {}
    for process in psutil.Process().children(recursive=True):
        try:
            command, resident = " ".join(process.cmdline()), process.memory_info().rss / 2**20
        except psutil.NoSuchProcess:
            continue
        for name, word in PROCESSES.items():
            if word in command:
                found[name] = max(resident, found.get(name, 0))
    return found


def _measure(stack: Any, path: Path, given: argparse.Namespace) -> None:
    alice = stack.client()
    _take_in(alice, io.BytesIO(b"User: Hello.\n\nAssistant: Hello."))  # so that every process is up
    idle, onlooker = memory(), Onlooker(stack.url)
    with onlooker.looking(), path.open("rb") as file:
        times = _take_in(alice, file)
    print(f"{given.conversations:,} conversations, {path.stat().st_size / 2**20:.0f} MiB:")
    print(f"uploaded     {times.uploaded:.1f} s")
    print(f"listed       {times.listed:.1f} s, the upload included")
    print(f"imported     {times.imported:.1f} s, {given.conversations / times.imported:.0f} conversations a second")
    print(f"results      {times.last.get('results', times.last)}")
    _report_onlooker(onlooker, idle)


class Times(NamedTuple):
    """Seconds; `last` is the last event of the import."""

    uploaded: float
    listed: float
    imported: float
    last: dict[str, Any]


def _take_in(member: Any, file: IO[bytes]) -> Times:
    """Uploads an archive, waits until it is listed, and imports all of it."""
    from config.tests.stack import wait_until

    began = time.perf_counter()
    archive = member.http.post("/api/imports", files={"file": ("export.json", file)}, timeout=120).json()
    uploaded = time.perf_counter()
    place = f"/api/imports/{archive['id']}"
    wait_until(lambda: member.get(f"{place}?limit=1").json()["state"] in {"ready", "failed"}, 600)
    listed = time.perf_counter()
    with member.opened("POST", f"{place}/start", json={"all": True}) as (_, events):
        last = list(events)[-1]
    return Times(uploaded - began, listed - began, time.perf_counter() - listed, last)


def _report_onlooker(onlooker: Onlooker, idle: dict[str, float]) -> None:
    waits = sorted(onlooker.waits)
    p50, p99 = (waits[min(int(share * len(waits)), len(waits) - 1)] * 1000 for share in (0.5, 0.99))
    print(f"/health      p50 {p50:.0f} ms, p99 {p99:.0f} ms, {len(waits):,} times")
    for name, most in sorted(onlooker.memory.items()):
        print(f"memory       {name}: {most:.0f} MB at most, {idle.get(name, 0):.0f} MB idle")


def _run(folder: Path, given: argparse.Namespace) -> None:
    nothing = dict.fromkeys(VARIABLES, "")  # above all no other database; set, so that a `.env` does not count either
    ours = {"DJANGO_SETTINGS_MODULE": "config.settings", "APP_ENV": "local", "DATA_DIR": str(folder / "data")}
    os.environ |= nothing | ours
    embedded.ensure(folder / "data")
    django.setup()
    from django.core.management import call_command

    from config.tests.outside import Outside
    from config.tests.stack import Stack

    call_command("migrate", verbosity=0)
    write_export(folder / "export.json", given)
    with Outside() as outside:
        stack = Stack(outside)
        try:
            stack.start()
            stack.start_bulk()
            _measure(stack, folder / "export.json", given)
        finally:
            stack.stop()
            embedded.leave(folder / "data", wait_seconds=10)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench archives", description=__doc__)
    parser.add_argument("--conversations", type=int, default=5000, help="in the archive (5000)")
    parser.add_argument("--megabytes", type=int, default=100, help="of JSON (100)")
    parser.add_argument("--seed", type=int, default=1, help="of the invented words (1)")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="draftloom-bench-") as folder:
        _run(Path(folder), given)


if __name__ == "__main__":
    main()

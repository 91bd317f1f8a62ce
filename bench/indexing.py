"""How text gets into the search index: `python -m bench indexing [--conversations N] [--rows N]`.

On a PostgreSQL of its own: `reindex` of N conversations is killed half-way and called again; then rows are written as
the indexer writes them, and for comparison one by one; then conversations of 30 chunks are indexed as they come.
"""

import argparse
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import django
import psutil

from bench.searching.texts import a_subject, a_text
from config import embedded
from config.env import BASE_DIR, VARIABLES

MESSAGES = 3
CHUNKS_OF_ONE, TIMES, ROUNDS = 30, 10, 9
WRITERS = 2
SHARED_BUFFERS = "1GB"


def _conversations(count: int, messages: int, chance: random.Random) -> list[Any]:
    from accounts.services import get_or_make_user
    from conversations.models import Conversation

    owner, rows = get_or_make_user(email="bench@example.org"), []
    for start in range(0, count, 500):
        subjects = [a_subject(chance) for _ in range(start, min(start + 500, count))]
        rows += Conversation.objects.bulk_create(
            Conversation(
                url="draftloom:import/bench",
                title=a_text(subject, chance)[:60],
                imported_chat=[{"role": "user", "content": a_text(subject, chance)} for _ in range(messages)],
                imported_by_user=owner,
                source="bench",
            )
            for subject in subjects
        )
    return rows


# ── A reindex that is killed ──────────────────────────────────────────────────────────────────────────────────────────


def _reindex(*arguments: str) -> "subprocess.Popen[str]":
    command = [sys.executable, "manage.py", "reindex", *arguments]
    return subprocess.Popen(command, cwd=BASE_DIR, stdout=subprocess.PIPE, text=True)


def _killed(wanted: int) -> float:
    """Seconds that a reindex took that was killed when half was there, and called again."""
    from search.models import SearchChunk

    began, process = time.perf_counter(), _reindex()
    while SearchChunk.objects.count() < wanted // 2 and process.poll() is None:
        time.sleep(0.2)
    process.kill()
    process.communicate()
    print(f"killed with {SearchChunk.objects.count():,} of {wanted:,} chunks in the index", flush=True)
    again = _reindex()
    out, _ = again.communicate()
    print(next(line for line in out.splitlines() if line.startswith("Going on")))
    if again.returncode or SearchChunk.objects.count() != wanted:
        raise SystemExit(f"The second call left {SearchChunk.objects.count():,} chunks of {wanted:,}.")
    return time.perf_counter() - began


def _measure_reindex(count: int) -> None:
    wanted = count * MESSAGES
    seconds = _killed(wanted)
    check = _reindex("--dry-run")
    out, _ = check.communicate()
    print(out.splitlines()[-1])
    print(f"reindex: {wanted:,} chunks in {seconds:.0f} s, {wanted / seconds:,.0f}/s, kill and second start included")


# ── Rows a second ─────────────────────────────────────────────────────────────────────────────────────────────────────


def _prepared(rows: int, chance: random.Random) -> tuple[Any, list[Any], dict[bytes, str | None]]:
    """A conversation whose chunks are not in the index, these chunks, and their vectors."""
    from search import store
    from search.embedding import active_model, embed
    from search.sources import chunks

    (conversation,) = _conversations(1, rows, chance)
    fresh, model = chunks(conversation.pk, "imported_chat"), active_model()
    found = embed(model.name, [chunk.embedded for chunk in fresh], seconds=600)
    vectors: dict[bytes, str | None] = {
        chunk.hash: store.literal(vector) for chunk, vector in zip(fresh, found, strict=True)
    }
    return store.Shelf(conversation.pk, "imported_chat", model.pk), fresh, vectors


def _together(shelf: Any, fresh: list[Any], vectors: dict[bytes, str | None]) -> None:
    """As the indexer does it."""
    from django.db import transaction

    from search import store

    with transaction.atomic():
        store.insert(shelf, fresh, vectors)


def _one_by_one(shelf: Any, fresh: list[Any], vectors: dict[bytes, str | None], *, connect: bool = False) -> None:
    """Each chunk in a transaction of its own; with `connect`, over a connection of its own, too."""
    from django.db import connection

    from search import store

    for chunk in fresh:
        if connect:
            connection.close()
        store.insert(shelf, [chunk], vectors)


@dataclass
class Rate:
    """Milliseconds for each row: as a client waits, and as all processes of the database compute."""

    wall: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)

    def measure(self, write: Callable[[], None], rows: int, data_dir: Path) -> None:
        cpu, wall = _cpu(data_dir), time.perf_counter()
        write()
        self.wall.append((time.perf_counter() - wall) / rows * 1000)
        self.cpu.append((_cpu(data_dir) - cpu) / rows * 1000)

    @property
    def rows_a_second(self) -> float:
        return 1000 / statistics.median(self.wall)


def _cpu(data_dir: Path) -> float:
    """Seconds that the database's processes have computed, those that are gone included."""
    server = psutil.Process(int((data_dir / "postgres" / "postmaster.pid").read_text().split()[0]))
    gone = server.cpu_times()
    living = [sum(process.cpu_times()[:2]) for process in server.children()]
    return float(gone.children_user + gone.children_system + sum(living))


def _measure_rows(rows: int, chance: random.Random, data_dir: Path) -> None:
    """Each way by one writer, then by as many at once as workers begin to index (see `search.tasks`) on two cores."""
    from search.models import SearchChunk

    ways: dict[str, Callable[..., None]] = {
        "a connection and a commit for each": partial(_one_by_one, connect=True),
        "a commit for each": _one_by_one,
        "in one transaction": _together,
    }
    rates = {(way, writers): Rate() for writers in (1, WRITERS) for way in ways}
    with ThreadPoolExecutor(WRITERS) as pool:
        for _ in range(ROUNDS):
            for (way, writers), rate in rates.items():
                works = [_prepared(rows, chance) for _ in range(writers)]
                rate.measure(partial(_at_once, pool, ways[way], works), writers * rows, data_dir)
    print(f"rows, {rows} at a time into {SearchChunk.objects.count():,}, median of {ROUNDS}:")
    slowest = rates["a connection and a commit for each", 1].rows_a_second
    for (way, writers), rate in rates.items():
        print(
            f"  {way:<36}{writers} at once{rate.rows_a_second:6,.0f}/s, {rate.rows_a_second / slowest:4.1f} times the "
            f"first; {statistics.median(rate.cpu):4.1f} ms of the database's CPU a row"
        )


def _at_once(pool: ThreadPoolExecutor, write: Callable[..., None], works: list[tuple[Any, ...]]) -> None:
    """Each of these over a connection of its own; a thread keeps its connection."""
    for done in [pool.submit(write, *work) for work in works]:
        done.result()


# ── One conversation ──────────────────────────────────────────────────────────────────────────────────────────────────


def _measure_one(chance: random.Random) -> None:
    from search import indexing
    from search.embedding import active_model, embed
    from search.outbox import Scope
    from search.sources import chunks

    whole, embedding = [], []
    for conversation in _conversations(TIMES, CHUNKS_OF_ONE, chance):
        texts = [chunk.embedded for chunk in chunks(conversation.pk, "imported_chat")]
        began = time.perf_counter()
        embed(active_model().name, texts, seconds=60)
        embedding.append(time.perf_counter() - began)
        began = time.perf_counter()
        indexing.index_due(seconds=60, scope=Scope(conversation.pk))
        whole.append(time.perf_counter() - began)
    rest = sorted(both - alone for both, alone in zip(whole, embedding, strict=True))
    print(
        f"a conversation of {CHUNKS_OF_ONE} chunks: {_ms(statistics.median(whole))}, of which embedding is "
        f"{_ms(statistics.median(embedding))}; the rest p50 {_ms(statistics.median(rest))}, at most {_ms(rest[-1])}"
    )


def _ms(seconds: float) -> str:
    return f"{seconds * 1000:.0f} ms"


def _give_memory(data_dir: Path) -> None:
    """As a database of this size has it; it takes a restart."""
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute(f"ALTER SYSTEM SET shared_buffers = '{SHARED_BUFFERS}'")
    connection.close()
    embedded.leave(data_dir, wait_seconds=30)
    embedded.ensure(data_dir)


def _run(data_dir: Path, given: argparse.Namespace) -> None:
    ours = {"DJANGO_SETTINGS_MODULE": "config.settings", "APP_ENV": "local", "DATA_DIR": str(data_dir)}
    os.environ |= dict.fromkeys(VARIABLES, "") | ours | {"EMBEDDING_MODEL": "offline"}
    embedded.ensure(data_dir)
    django.setup()
    from django.core.management import call_command

    from search.models import OutboxEntry

    chance = random.Random(8)
    try:
        _give_memory(data_dir)
        call_command("migrate", verbosity=0)
        _conversations(given.conversations, MESSAGES, chance)
        OutboxEntry.objects.all().delete()  # what the triggers have noted: here it is `reindex` that finds them
        _measure_reindex(given.conversations)
        _measure_rows(given.rows, chance, data_dir)
        _measure_one(chance)
    finally:
        embedded.leave(data_dir, wait_seconds=10)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench indexing", description=__doc__)
    parser.add_argument("--conversations", type=int, default=10_000, help="of 3 chunks each (10,000)")
    parser.add_argument("--rows", type=int, default=50, help="written at a time (50)")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="draftloom-bench-") as folder:
        _run(Path(folder), given)


if __name__ == "__main__":
    main()

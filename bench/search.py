"""The one statement of a search, among so many chunks: `python -m bench search [--chunks N] [--queries N]`.

A PostgreSQL of its own is filled with a third of the chunks, measured, filled with the rest and measured again: what a
search costs by meaning and by words, how much of the exact answer it finds, what the old design costs, and the first
search after a restart. CPU is that of the database's process, wall time is as a client sees it.
"""

import argparse
import os
import signal
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import django

from config import embedded
from config.env import VARIABLES

CONVERSATIONS = 20
SERVER = {"shared_buffers": "4GB", "work_mem": "64MB", "max_wal_size": "8GB", "autovacuum": "off"}
HNSW, PRUNED = 4, 1  # index scans over all partitions, and when a source type is given


@dataclass
class Figures:
    """Milliseconds of each query."""

    cpu: list[float] = field(default_factory=list)
    wall: list[float] = field(default_factory=list)

    def __str__(self) -> str:
        cpu, wall = sorted(self.cpu), sorted(self.wall)
        return (
            f"CPU p50 {at(cpu, 0.5):6.1f}  p99 {at(cpu, 0.99):6.1f} ms   "
            f"wall p50 {at(wall, 0.5):6.1f}  p99 {at(wall, 0.99):6.1f} ms"
        )

    @property
    def cpu_mean(self) -> float:
        return sum(self.cpu) / len(self.cpu)


def at(values: Sequence[float], share: float) -> float:
    return values[min(len(values) - 1, int(share * len(values)))]


def measured(runs: Iterator[Callable[[], object]]) -> Figures:
    """Runs each; the first tenth of them warms up and does not count."""
    figures, all_runs = Figures(), list(runs)
    for number, run in enumerate(all_runs):
        cpu, wall = _cpu(), time.perf_counter()
        run()
        if number >= len(all_runs) // 10:
            figures.cpu.append((_cpu() - cpu) * 1000)
            figures.wall.append((time.perf_counter() - wall) * 1000)
    return figures


def _cpu() -> float:
    """Seconds that the process of our connection has computed, to the nanosecond (Linux)."""
    return int(Path(f"/proc/{_backend()}/schedstat").read_text().split()[0]) / 1e9


def _backend() -> int:
    from django.db import connection

    connection.ensure_connection()
    return int(connection.connection.info.backend_pid)


# ── What is asked ─────────────────────────────────────────────────────────────────────────────────────────────────────


def _visible(share: float = 1) -> Any:
    """Those of status `in_progress`, and of these so many by the date of their import."""
    from conversations.models import Conversation

    last = int(share * Conversation.objects.latest("id").pk) if share < 1 else 0
    rows = Conversation.objects.filter(is_locked=False)
    return rows.filter(import_date__lte=Conversation.objects.get(pk=last).import_date) if last else rows


def _find(
    vector: str | None, words: str = "", limit: int = CONVERSATIONS, sources: Sequence[str] = (), visible: Any = None
) -> Any:
    from search.query import parse
    from search.ranking import Page, find

    rows = _visible() if visible is None else visible
    return find(parse(words), vector, rows, sources, Page(limit=limit))


def _exact(vector: str) -> list[int]:
    """The conversations that comparing all vectors finds, the nearest first."""
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("SET statement_timeout = 0")
        cursor.execute(
            "SELECT conversation_id FROM search_chunks s JOIN conversations c ON c.id = s.conversation_id "
            "WHERE NOT c.is_locked GROUP BY conversation_id ORDER BY min(embedding <=> %s::halfvec(1536)) + 0 LIMIT %s",
            [vector, CONVERSATIONS],
        )
        return [row[0] for row in cursor.fetchall()]


def _recall(vectors: Sequence[str]) -> float:
    shares = []
    for vector in vectors:
        order = dict.fromkeys(hit.conversation_id for hit in _find(vector, limit=100).hits)
        shares.append(len(set(list(order)[:CONVERSATIONS]) & set(_exact(vector))) / CONVERSATIONS)
    return sum(shares) / len(shares)


RARE, MIDDLE, COMMON = (2000, 20_000), (200, 2000), (0, 8)


def _measure(corpus: Any, count: int) -> dict[str, Figures]:
    def words(*ranks: tuple[int, int]) -> Iterator[Callable[[], object]]:
        for _ in range(count):
            yield partial(_find, corpus.query(), corpus.some_words(*ranks))

    def meaning(sources: Sequence[str] = (), share: float = 1) -> Iterator[Callable[[], object]]:
        rows = _visible(share)
        for _ in range(count):
            yield partial(_find, corpus.query(), sources=sources, visible=rows)

    found = {
        "by meaning": measured(meaning()),
        "by meaning, drafts only": measured(meaning(sources=["project_draft"])),
        "by meaning, a tenth by date": measured(meaning(share=0.1)),
        "and three words": measured(words(RARE, MIDDLE, MIDDLE)),
        "and five words, two common": measured(words(RARE, MIDDLE, MIDDLE, COMMON, COMMON)),
        "and eight words, two common": measured(words(RARE, *[MIDDLE] * 5, COMMON, COMMON)),
        "and one common word": measured(words(COMMON)),
    }
    for name, figures in found.items():
        print(f"  {name:<28} {figures}", flush=True)
    return found


# ── The plan ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def _scans(vector: str, sources: Sequence[str] = ()) -> int:
    """How many scans of an index of vectors are in the plan."""
    from search.query import parse
    from search.ranking import Page, explain, prepare

    plan = explain(*prepare(parse(""), vector, _visible(), sources, Page()))
    return sum("Index Scan using" in line and "embedding_idx" in line for line in plan)


# ── A restart ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def _restart(data_dir: Path) -> None:
    """Stops the server; the guardian starts it again at once."""
    from django.db import OperationalError, connection

    connection.close()
    pid = int((data_dir / "postgres" / "postmaster.pid").read_text().split()[0])
    os.kill(pid, signal.SIGINT)
    for _ in range(600):
        time.sleep(0.1)
        try:
            connection.ensure_connection()
        except OperationalError:
            continue
        if _backend_is_new(pid, data_dir):
            return
        connection.close()
    raise SystemExit("PostgreSQL did not come back within a minute.")


def _backend_is_new(pid: int, data_dir: Path) -> bool:
    return int((data_dir / "postgres" / "postmaster.pid").read_text().split()[0]) != pid


def _configure(data_dir: Path) -> None:
    from django.db import connection

    with connection.cursor() as cursor:
        for name, value in SERVER.items():
            cursor.execute(f"ALTER SYSTEM SET {name} = '{value}'")
    _restart(data_dir)


# ── All of it ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def _compare(corpus: Any, ours: Figures, queries: int) -> None:
    from bench.searching import old_design

    began = time.perf_counter()
    old_design.build()
    print(f"the old design, built in {time.perf_counter() - began:.0f} s:")
    vectors = [corpus.query() for _ in range(queries)]
    theirs = measured(partial(old_design.search, vector) for vector in vectors)
    print(f"  {'by meaning':<28} {theirs}")
    print(f"  theirs / ours, CPU: {theirs.cpu_mean / ours.cpu_mean:.0f}")


def _fill(corpus: Any, chunks: int) -> None:
    began = time.perf_counter()
    corpus.load(chunks)
    print(f"{chunks:,} chunks of {len(corpus.conversations):,} conversations, in {time.perf_counter() - began:.0f} s:")


def _measure_all(data_dir: Path, given: argparse.Namespace) -> None:
    from accounts.services import get_or_make_user
    from bench.searching.corpus import Corpus
    from search.embedding import active_model

    _configure(data_dir)
    corpus = Corpus(active_model().pk, get_or_make_user(email="bench@example.org").pk)
    _fill(corpus, given.chunks // 3)
    few = _measure(corpus, given.queries)
    _fill(corpus, given.chunks)
    many = _measure(corpus, given.queries)
    for name, figures in many.items():
        print(f"  {name:<28} CPU, all / a third of the chunks: {figures.cpu_mean / few[name].cpu_mean:.2f}")
    vectors = [corpus.query() for _ in range(max(5, given.queries // 5))]
    print(f"recall of the first {CONVERSATIONS} conversations: {_recall(vectors):.3f}")
    print(f"index scans: {_scans(vectors[0])} over all sources, {_scans(vectors[0], ['project_draft'])} over one")
    _restart(data_dir)
    began = time.perf_counter()
    _find(vectors[0], "first search")
    print(f"the first search after a restart of the database: {(time.perf_counter() - began) * 1000:.0f} ms")
    _compare(corpus, many["by meaning"], given.old_queries)


def _run(data_dir: Path, given: argparse.Namespace) -> None:
    ours = {"DJANGO_SETTINGS_MODULE": "config.settings", "APP_ENV": "local", "DATA_DIR": str(data_dir)}
    os.environ |= dict.fromkeys(VARIABLES, "") | ours | {"EMBEDDING_MODEL": "offline"}
    embedded.ensure(data_dir)
    django.setup()
    from django.core.management import call_command

    try:
        call_command("migrate", verbosity=0)
        _measure_all(data_dir, given)
    finally:
        embedded.leave(data_dir, wait_seconds=60)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench search", description=__doc__)
    parser.add_argument("--chunks", type=int, default=300_000, help="in the index at the end (300,000)")
    parser.add_argument("--queries", type=int, default=200, help="of each kind (200)")
    parser.add_argument("--old-queries", type=int, default=10, help="of the old design (10)")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="draftloom-bench-") as folder:
        _run(Path(folder), given)


if __name__ == "__main__":
    main()

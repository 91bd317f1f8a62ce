"""Compares what is stored after a chaos run with the rules, and with what the clients were told."""

import re
import time
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from django.db import connection

from bench.chaos.ledger import Ledger, Told

SQL = Path(__file__).with_name("invariants.sql")
RULE = re.compile(r"^-- RULE ([^\n]+)\n(.+?);$", re.MULTILINE | re.DOTALL)
STORED = {"done": "done", "failed": "error", "cancelled": "cancelled"}
Broken = dict[str, list[Any]]


def rules() -> dict[str, str]:
    """The statement that finds what breaks it, by rule."""
    return {match[1]: match[2] for match in RULE.finditer(SQL.read_text("utf-8"))}


def broken_rules() -> Broken:
    """What breaks the rules of the database: ids, by rule."""
    found = {rule: [row[0] for row in _rows(statement)] for rule, statement in rules().items()}
    return {rule: ids for rule, ids in found.items() if ids}


def broken_promises(ledger: Ledger) -> Broken:
    """Where the database differs from what clients were told: run ids, messages or titles, by what is wrong."""
    chats = [told for told in ledger.runs if told.kind != "import"]
    found = {
        "lost messages": list(_lost(ledger)),
        "doubled messages": list(_doubled(ledger)),
        "texts that differ from what was shown": [told.run_id for told in _differing(chats)],
        "endings that differ from what was told": [told.run_id for told in _told_otherwise(ledger.runs)],
        "lost or doubled versions": list(_versions(ledger)),
        "lost or doubled conversations": list(_conversations(ledger)),
        "runs that never ended": [told.run_id or told.message for told in ledger.runs if told.end is None],
        "answers that no client expects": [f"{count} × {what}" for what, count in ledger.odd.items()],
    }
    return {name: wrong for name, wrong in found.items() if wrong}


def wait_until_over(seconds: float) -> None:
    """Waits for runs that are not over; for a thread of its own. Those that are left then are found as broken rules."""
    end = time.monotonic() + seconds
    try:
        while _rows(rules()["no run is left queued, running or waiting"]) and time.monotonic() < end:
            time.sleep(0.1)
    finally:
        connection.close()


def takeovers() -> int:
    """How often a run was taken from an owner that had died, or was thought dead."""
    return int(_rows("SELECT coalesce(sum(fence - 1), 0) FROM runs WHERE fence > 1")[0][0])


def _questions() -> Counter[str]:
    return Counter(row[0] for row in _rows("SELECT content FROM chat_messages WHERE role = 'user'"))


def _lost(ledger: Ledger) -> Iterable[str]:
    stored = _questions()
    return (told.message for told in ledger.runs if told.kind == "send" and told.run_id and not stored[told.message])


def _doubled(ledger: Ledger) -> Iterable[str]:
    return (message for message, count in _questions().items() if count > 1)


def _differing(chats: list[Told]) -> Iterable[Told]:
    """Turns that ended, whose stored text is not, byte for byte, the text that their client has put together."""
    answers = dict(
        _rows(
            "SELECT run_id::text, content FROM chat_messages WHERE role = 'assistant' AND run_id IS NOT NULL"
            " UNION ALL SELECT run_id::text, content FROM chat_message_revisions WHERE run_id IS NOT NULL"
        )
    )
    for told in chats:
        shown = told.text if told.text.strip() else ""
        if told.end and answers.get(told.run_id, "") != shown:
            yield told


def _told_otherwise(runs: list[Told]) -> Iterable[Told]:
    states = {run_id: (STORED.get(state), code) for run_id, state, code in _rows(
        "SELECT id::text, state, error_code FROM runs")}  # fmt: skip
    for told in runs:
        if told.end and told.end["type"] in STORED.values():
            state, code = states.get(told.run_id, ("", ""))
            if state != told.end["type"] or code != told.end.get("code", ""):
                yield told


def _versions(ledger: Ledger) -> Iterable[str]:
    stored = Counter(row[0] for row in _rows("SELECT title FROM project_draft_versions"))
    for title, is_certain in ledger.edits.items():
        if stored[title] > 1 or (is_certain and not stored[title]):
            yield title
    for told in ledger.runs:
        is_certain = told.ending == "done" and told.version.startswith("Tool")  # a bell may have been refused
        if told.version and (stored[told.version] > 1 or (is_certain and not stored[told.version])):
            yield told.version


def _conversations(ledger: Ledger) -> Iterable[str]:
    """Each import has made one conversation, or, if it failed, perhaps none."""
    names = Counter(name for row in _rows("SELECT title, url FROM conversations") for name in set(row))
    for told in ledger.runs:
        if told.kind == "import" and told.end:
            count = names[told.message]
            if count > 1 or (told.ending == "done" and not count):
                yield told.message


def _rows(statement: str) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(statement)
        return list(cursor.fetchall())

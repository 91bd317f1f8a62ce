"""The list of what is to be indexed: who takes what from it, for how long, and when it is done.

Triggers put a change on it in the transaction that makes the change. An entry is claimed under a lease and a fence, as
runs are, so that an indexer that dies leaves its work to another one, and one that was thought dead changes nothing
more. A claim also puts the entry off, so that one whose indexing fails comes back later each time.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, NamedTuple

from django.db import OperationalError, connection, transaction

LEASE_SECONDS = 30
LONGEST_WAIT_SECONDS = 300
ENQUEUE_ATTEMPTS = 25


class Entry(NamedTuple):
    """A claimed entry; `revision` is the change that the claim saw."""

    conversation_id: int
    source_type: str
    revision: int
    fence: int


class Scope(NamedTuple):
    """Which entries are meant; None is any."""

    conversation_id: int | None = None
    source_type: str | None = None


EVERYTHING = Scope()

_IN_SCOPE = """
    (%(conversation_id)s::bigint IS NULL OR conversation_id = %(conversation_id)s)
    AND (%(source_type)s::text IS NULL OR source_type = %(source_type)s)
"""
_DUE = "due_at <= now() AND (claimed_until IS NULL OR claimed_until < now())"
_IS_DUE = f"SELECT EXISTS (SELECT FROM search_outbox WHERE {_DUE})"
# Materialized: a join may run a subquery again for each row, and each time lock others.
_CLAIM = f"""
    WITH due AS MATERIALIZED (
        SELECT conversation_id, source_type FROM search_outbox
        WHERE {_DUE} AND {_IN_SCOPE}
        ORDER BY is_reindex, due_at LIMIT %(most)s FOR UPDATE SKIP LOCKED
    )
    UPDATE search_outbox o
    SET fence = fence + 1, attempts = LEAST(attempts + 1, 100), claimed_until = now() + %(lease)s * interval '1 second',
        due_at = now() + LEAST(2 ^ LEAST(attempts + 1, 20), %(longest)s) * interval '1 second'
    FROM due
    WHERE (o.conversation_id, o.source_type) = (due.conversation_id, due.source_type)
    RETURNING o.conversation_id, o.source_type, o.revision, o.fence
"""
_MINE = "conversation_id = %(conversation_id)s AND source_type = %(source_type)s AND fence = %(fence)s"
_FINISH = f"DELETE FROM search_outbox WHERE {_MINE} AND revision = %(revision)s"
_RELEASE = f"UPDATE search_outbox SET claimed_until = NULL WHERE {_MINE}"
_RENEW = f"UPDATE search_outbox SET claimed_until = now() + %(lease)s * interval '1 second' WHERE {_MINE}"
_HOLDS = f"SELECT EXISTS (SELECT FROM search_outbox WHERE {_MINE})"

# In the order in which a writer's triggers come, so that neither waits for the other.
_SOURCES = f"""
    SELECT conversation_id, source_type FROM (
        SELECT id AS conversation_id, 'imported_chat' AS source_type, 1 AS position FROM conversations
        UNION SELECT conversation_id, 'draft_chat', 2 FROM project_drafts d
            WHERE EXISTS (SELECT FROM chat_messages WHERE project_draft_id = d.id)
        UNION SELECT conversation_id, 'project_draft', 3 FROM project_drafts WHERE active_version_id IS NOT NULL
        UNION SELECT conversation_id, 'attachment', 4 FROM file_attachments WHERE extracted_text IS NOT NULL
        UNION SELECT conversation_id, source_type,
            array_position(ARRAY['imported_chat', 'draft_chat', 'project_draft', 'attachment'], source_type)
        FROM search_chunks
    ) AS there
    WHERE {_IN_SCOPE} ORDER BY conversation_id, position
"""
_ENQUEUE = f"""
    INSERT INTO search_outbox (conversation_id, source_type, is_reindex)
    SELECT conversation_id, source_type, true FROM ({_SOURCES}) AS sources
    ON CONFLICT (conversation_id, source_type) DO UPDATE SET revision = search_outbox.revision + 1, due_at = now()
"""
_WAITING = f"SELECT count(*) FROM search_outbox WHERE is_reindex AND {_IN_SCOPE}"
_HURRY = f"""
    UPDATE search_outbox SET due_at = now(), attempts = 0 WHERE (conversation_id, source_type) IN (
        SELECT conversation_id, source_type FROM search_outbox WHERE is_reindex AND {_IN_SCOPE} FOR UPDATE SKIP LOCKED
    )
"""
_LEFT = f"""
    SELECT count(*), count(*) FILTER (WHERE attempts > 1 AND claimed_until IS NULL)
    FROM search_outbox WHERE changed_at <= %(since)s AND {_IN_SCOPE}
"""


def is_due() -> bool:
    """Whether `claim` would find something."""
    with connection.cursor() as cursor:
        cursor.execute(_IS_DUE)
        return bool(cursor.fetchone()[0])


def claim(most: int, scope: Scope = EVERYTHING) -> list[Entry]:
    """Up to `most` entries that are due and nobody has, what changed before what was only asked for."""
    parameters = scope._asdict() | {"most": most, "lease": LEASE_SECONDS, "longest": LONGEST_WAIT_SECONDS}
    with connection.cursor() as cursor:
        cursor.execute(_CLAIM, parameters)
        return [Entry(*row) for row in cursor.fetchall()]


def holds(entry: Entry) -> bool:
    """Whether nobody else has claimed the entry since."""
    with connection.cursor() as cursor:
        cursor.execute(_HOLDS, entry._asdict())
        return bool(cursor.fetchone()[0])


def renew(entries: Iterable[Entry]) -> None:
    for entry in entries:
        _execute(_RENEW, entry._asdict() | {"lease": LEASE_SECONDS})


def finish(entry: Entry) -> None:
    """The entry goes, unless there was a change since it was claimed: then it is due again, at once.

    One statement, one row: whoever waits for two of them could wait in a circle.
    """
    if not _execute(_FINISH, entry._asdict()):
        release(entry)


def release(entry: Entry) -> None:
    """Lets others have the entry, when its wait is over."""
    _execute(_RELEASE, entry._asdict())


def enqueue(scope: Scope = EVERYTHING) -> int:
    """Puts all that exists in the scope on the list, behind what has changed; how many entries that are.

    Gives up waiting for another transaction before the database could think of a deadlock (after 1 s), so that it is
    never a member's request that is sacrificed, and tries again. Raises `OperationalError` if that never helps.
    """
    for attempt in range(1, ENQUEUE_ATTEMPTS + 1):
        try:
            with transaction.atomic():
                _execute("SET LOCAL lock_timeout = '200ms'; SET LOCAL statement_timeout = '10min'", {})
                return _execute(_ENQUEUE, scope._asdict())
        except OperationalError:
            if attempt == ENQUEUE_ATTEMPTS:
                raise
    raise AssertionError("the last attempt returns or raises")


def sources(scope: Scope = EVERYTHING) -> list[tuple[int, str]]:
    """Conversation and source type of all that exists in the scope, or is in the index though it exists no more."""
    with connection.cursor() as cursor:
        cursor.execute(_SOURCES, scope._asdict())
        return [(conversation, kind) for conversation, kind in cursor.fetchall()]


def waiting(scope: Scope = EVERYTHING) -> int:
    """How many entries are left of what was asked for, and has not changed since."""
    with connection.cursor() as cursor:
        cursor.execute(_WAITING, scope._asdict())
        return int(cursor.fetchone()[0])


def hurry(scope: Scope = EVERYTHING) -> None:
    """Ends the waits of what was asked for, however often it has failed."""
    _execute(_HURRY, scope._asdict())


def left(since: datetime, scope: Scope = EVERYTHING) -> tuple[int, int]:
    """How many of the entries that were on the list then are left, and how many of these were tried in vain twice."""
    with connection.cursor() as cursor:
        cursor.execute(_LEFT, scope._asdict() | {"since": since})
        count, stuck = cursor.fetchone()
        return count, stuck


def clock() -> datetime:
    """The database's, as `left` compares with it."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT now()")
        now: datetime = cursor.fetchone()[0]
        return now


def _execute(statement: str, parameters: Mapping[str, Any]) -> int:
    """How many rows it was."""
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters or None)
        return int(cursor.rowcount)

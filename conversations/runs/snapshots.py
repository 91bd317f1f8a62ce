"""What the database says of runs, for streams that hear nothing from Redis or come after the log is gone."""

from collections.abc import Collection

from config.live import Entry, Snapshot
from conversations.models import Run
from conversations.runs.events import ApprovalRequired, Cancelled, Event, Failed
from conversations.runs.handlers import handler_of


def load_snapshots(run_ids: Collection[str]) -> dict[str, Snapshot]:
    """Snapshots by run id, in one query (and what a finished run's terminal event needs).

    Those of a deleted conversation are left out, as if they were gone.
    """
    return {str(run.id): _snapshot(run) for run in Run.objects.of_kept().filter(id__in=run_ids)}


def _snapshot(run: Run) -> Snapshot:
    return Snapshot(str(run.id), run.event_seq, run.partial, _terminal(run), _pending(run))


def _terminal(run: Run) -> Entry | None:
    event = terminal_event(run)
    if event is None:
        return None
    left = handler_of(run.kind).salvaged(run) if run.state == Run.State.FAILED else None
    return Entry(run.event_seq, event.type, event.encoded(), left.encoded() if left else b"")


def _pending(run: Run) -> Entry | None:
    if run.state != Run.State.WAITING:
        return None
    event = ApprovalRequired(run_id=str(run.id), **run.step["approval"])
    return Entry(run.event_seq, event.type, event.encoded())


def terminal_event(run: Run) -> Event | None:
    """The last event of a run, from what is stored; None while it is active."""
    if run.state == Run.State.DONE:
        return handler_of(run.kind).terminal(run)
    if run.state == Run.State.CANCELLED:
        return Cancelled(partial=bool(run.partial))
    if run.state == Run.State.FAILED:
        return Failed(
            message=run.result.get("message", "Something went wrong."),
            code=run.error_code,
            partial=bool(run.partial),
            retryable=run.result.get("retryable", False),
            conversation_id=run.conversation_id,
        )
    return None

"""How a view answers with the stream of a run that it starts."""

from collections.abc import Callable

from rest_framework.request import Request

from accounts.authentication import counted_as
from accounts.idempotency import once
from config.api.idempotency import REPLAYED
from config.api.streams import StreamRun, requested_dialect
from conversations.models import Run


def stream_of(request: Request, start: Callable[[], Run]) -> StreamRun:
    """Starts a run and hands it over; with an `Idempotency-Key` that came before, the run of that time."""
    dialect = requested_dialect(request._request)  # refused before anything is stored
    started = once(request, lambda: {"run_id": str(start().id)})
    response = StreamRun(started.outcome["run_id"], user_id=counted_as(request), dialect=dialect)
    if started.is_replay:
        response[REPLAYED] = "true"
    return response

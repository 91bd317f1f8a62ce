"""How a view answers with the stream of a run that it starts."""

from collections.abc import Callable

from rest_framework.request import Request

from accounts.authentication import counted_as, current_user
from accounts.idempotency import once
from config.api.idempotency import REPLAYED
from config.api.streams import StreamRun, requested_dialect
from conversations.models import Run
from conversations.services import get_run


def stream_of(request: Request, start: Callable[[], Run]) -> StreamRun:
    """Starts a run and hands it over; with an `Idempotency-Key` that came before, the run of that time.

    Raises `NotFound` if that one is not to be seen any more.
    """
    dialect = requested_dialect(request._request)  # refused before anything is stored
    started = once(request, lambda: {"run_id": str(start().id)})
    if started.is_replay:
        get_run(user=current_user(request), run_id=started.outcome["run_id"])
    response = StreamRun(started.outcome["run_id"], user_id=counted_as(request), dialect=dialect)
    if started.is_replay:
        response[REPLAYED] = "true"
    return response

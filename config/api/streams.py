"""How a view hands a run over to the dispatcher: an ordinary answer whose header says what to stream."""

from typing import NamedTuple

import orjson
from django.http import HttpRequest, HttpResponse

from config.api.sse import ENCODERS
from config.exceptions import Invalid

HEADER = "X-Draftloom-Stream"
MOST_SEQ = 2**63 - 1


class Handover(NamedTuple):
    """Whose stream of which run, from where, and how it is written."""

    run_id: str
    user_id: int
    after: int
    dialect: str

    def packed(self) -> str:
        return orjson.dumps(list(self)).decode()

    @classmethod
    def unpack(cls, header: bytes) -> "Handover":
        return cls(*orjson.loads(header))


class StreamRun(HttpResponse):
    """Says: go on with the events of this run that are newer than `after`. The body is the dispatcher's to write."""

    def __init__(self, run_id: str, *, user_id: int, after: int = 0, dialect: str = "sse") -> None:
        super().__init__(content_type="text/event-stream")
        self[HEADER] = Handover(run_id, user_id, after, dialect).packed()
        self["X-Run-Id"] = run_id


def requested_dialect(request: HttpRequest) -> str:
    """The dialect that `?dialect=` names. Raises `Invalid` for one we do not speak."""
    dialect = request.GET.get("dialect", "sse")
    if dialect not in ENCODERS:
        raise Invalid(f"There is no stream dialect of this name; use one of: {', '.join(ENCODERS)}.", field="dialect")
    return dialect


def last_event(request: HttpRequest) -> tuple[str, int]:
    """The run and the number of the last event that the client has seen, from `?after=` or `Last-Event-ID`.

    Either is `<run>:<seq>` or the bare number (then the run is ""); without either, ("", 0). Raises `Invalid`.
    """
    given = request.GET.get("after") or request.headers.get("Last-Event-ID") or "0"
    run_id, _, seq = given.rpartition(":")
    if not (seq.isascii() and seq.isdecimal() and len(seq) <= len(str(MOST_SEQ)) and int(seq) <= MOST_SEQ):
        raise Invalid("An event id is `<run>:<number>` or the number alone.", code="invalid_event_id")
    return run_id, int(seq)

"""How a view hands a run over to the dispatcher: an ordinary answer whose header says what to stream."""

from typing import NamedTuple

import orjson
from django.conf import settings
from django.http import HttpRequest, HttpResponse

from config.api.ndjson import MEDIA_TYPE as NDJSON
from config.api.sse import ENCODERS
from config.exceptions import Invalid

HEADER = "X-Draftloom-Stream"
MOST_SEQ = 2**63 - 1
EVENT_STREAM = "text/event-stream"


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


class Dialect(NamedTuple):
    """How a stream is written: a name of `ENCODERS`, and what the answer says it is."""

    name: str
    content_type: str


class StreamRun(HttpResponse):
    """Says: go on with the events of this run that are newer than `after`. The body is the dispatcher's to write."""

    def __init__(self, run_id: str, *, user_id: int, dialect: Dialect, after: int = 0) -> None:
        super().__init__(content_type=dialect.content_type)
        self[HEADER] = Handover(run_id, user_id, after, dialect.name).packed()
        self["X-Run-Id"] = run_id


def requested_dialect(request: HttpRequest) -> Dialect:
    """What `?dialect=` names, else ndjson if `Accept` does, else `STREAM_DIALECT`.

    Ndjson is called an event stream, as the old system did, unless `Accept` asks for it by its own name. There,
    `text/event-stream` alone chooses nothing: the old system's SPA sends it, and reads ndjson. Raises `Invalid` for a
    dialect that we do not speak.
    """
    is_asked_for = _preferred(request) == NDJSON
    name = request.GET.get("dialect", "ndjson" if is_asked_for else settings.STREAM_DIALECT)
    if name not in ENCODERS:
        raise Invalid(f"There is no stream dialect of this name; use one of: {', '.join(ENCODERS)}.", field="dialect")
    return Dialect(name, NDJSON if is_asked_for and name == "ndjson" else EVENT_STREAM)


def _preferred(request: HttpRequest) -> str | None:
    """The one of our two media types that `Accept` names in full and likes better."""
    accepted = (f"{kind.main_type}/{kind.sub_type}".lower() for kind in request.accepted_types)
    return next((name for name in accepted if name in (NDJSON, EVENT_STREAM)), None)


def last_event(request: HttpRequest) -> tuple[str, int]:
    """The run and the number of the last event that the client has seen, from `?after=` or `Last-Event-ID`.

    Either is `<run>:<seq>` or the bare number (then the run is ""); without either, ("", 0). Raises `Invalid`.
    """
    given = request.GET.get("after") or request.headers.get("Last-Event-ID") or "0"
    run_id, _, seq = given.rpartition(":")
    if not (seq.isascii() and seq.isdecimal() and len(seq) <= len(str(MOST_SEQ)) and int(seq) <= MOST_SEQ):
        raise Invalid("An event id is `<run>:<number>` or the number alone.", code="invalid_event_id")
    return run_id, int(seq)

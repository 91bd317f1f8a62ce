"""Headers of requests and answers, as components of the API's document."""

from typing import Any

from config.api.sse import ENCODERS

_TEXT = {"type": "string"}
_SECONDS = {"type": "integer", "minimum": 0}

HEADERS: dict[str, dict[str, Any]] = {
    "X-Request-Id": {
        "description": "Names the request in the server's log: the client's own, or a new one.",
        "schema": {"type": "string", "pattern": "^[A-Za-z0-9-]{1,64}$"},
    },
    "X-Run-Id": {
        "description": "The run that is streamed. `GET /api/runs/{run_id}/events` goes on where a stream broke off.",
        "schema": {"type": "string", "format": "uuid"},
    },
    "Idempotent-Replayed": {
        "description": "Sent if the same `Idempotency-Key` came before: nothing was done again.",
        "schema": {"type": "string", "const": "true"},
    },
    "Location": {"description": "The address of what was made, or of where to go.", "schema": _TEXT},
    "Retry-After": {"description": "In how many seconds to try again.", "schema": _SECONDS},
    "WWW-Authenticate": {"description": "How to sign in: always `Cookie`.", "schema": _TEXT},
}
"""Of answers. A header of a success is named by `Operation.headers`, or follows from what the operation is."""

IDEMPOTENCY_KEY = "IdempotencyKey"
DIALECT = "Dialect"
LAST_EVENT_ID = "LastEventId"


PARAMETERS: dict[str, dict[str, Any]] = {
    IDEMPOTENCY_KEY: {
        "name": "Idempotency-Key",
        "in": "header",
        "description": "Chosen by the client. Sent again with the same request within a day, nothing is done "
        "again, and the answer is as before.",
        "schema": {"type": "string", "pattern": "^[\\x21-\\x7e]{1,255}$"},
    },
    DIALECT: {
        "name": "dialect",
        "in": "query",
        "description": "How the stream is written.",
        "schema": {"type": "string", "enum": list(ENCODERS)},
    },
    LAST_EVENT_ID: {
        "name": "Last-Event-ID",
        "in": "header",
        "description": "The id of the last event seen, as an `EventSource` sends it.",
        "schema": _TEXT,
    },
}
"""What several operations read beside their own parameters."""

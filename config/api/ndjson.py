"""The dialect of the SPA that was written for the system before this one: a line of JSON, `{"type", "data"}`, an event.

Only that system's events are written, in its words and its order. Its client can take no text back, can't rejoin, and
knows no approval: what follows from that is decided here.
"""

import json
from collections.abc import Callable, Iterable
from typing import Any

import orjson

from config.live import Entry

MEDIA_TYPE = "application/x-ndjson"
STATUSES = frozenset(
    {
        "analyzing_request",
        "executing_tools",
        "updating_project_draft",
        "creating_linear_project",
        "generating_response",
    }
)
CODES = frozenset({"CHAT_NOT_FOUND"})
CANCELLED = "This was stopped. What was written so far is kept."
CUT_SHORT = "The server closed this connection. What you asked for goes on: load the page again to see it."
APPROVAL = (
    "The assistant waits for your approval of `{tool}`. Allow or refuse it on the page at / of this server, or by "
    "POST /api/runs/{run_id}/approve."
)


class ShownText:
    """The text that a client shows, to which it can only add."""

    def __init__(self) -> None:
        self._shown: list[str] = []
        self._anew: str | None = None

    def begin_anew(self) -> None:
        """What is added next is the text from its start."""
        self._shown, self._anew = ["".join(self._shown)], ""

    def add(self, piece: str) -> str:
        """What to write for `piece`: nothing while that only repeats what is shown."""
        if self._anew is None:
            self._shown.append(piece)
            return piece
        shown, self._anew = self._shown[0], self._anew + piece
        if self._anew.startswith(shown):
            return self._go_on(self._anew[len(shown) :])
        return "" if shown.startswith(self._anew) else self.settle()

    def settle(self) -> str:
        """What to write when no more comes, so that the text as it is now stands last: all of it, if it differs."""
        if not self._anew:
            return ""
        self._shown, self._anew = [self._anew], None
        return f"\n\n{self._shown[0]}"

    def _go_on(self, rest: str) -> str:
        self._shown.append(rest)
        self._anew = None
        return rest


class Ndjson:
    def __init__(self, run_id: str) -> None:
        self.is_over = False
        self._text = ShownText()
        self._question = b""

    def opening(self) -> bytes:
        return b""

    def encode(self, entries: Iterable[Entry]) -> bytes:
        lines = b"".join(map(self._encoded, entries))
        if self._question:  # nothing came after it: nobody has answered yet
            self.is_over = True
        return lines + self._question

    def heartbeat(self) -> bytes:
        return b"\n"

    def farewell(self) -> bytes:
        return b"" if self.is_over else _line("error", CUT_SHORT)

    def _encoded(self, entry: Entry) -> bytes:
        self._question = b""
        if entry.type == "content":
            return _content(self._text.add(orjson.loads(entry.data)["content"]))
        if entry.type == "reset":
            self._text.begin_anew()
        elif entry.type == "approval_required":
            self._question = _line("error", APPROVAL.format_map(orjson.loads(entry.data)))
        elif entry.is_terminal:
            self.is_over = True
            return _content(self._text.settle()) + _last(entry)
        elif written := _WRITTEN.get(entry.type):
            return written(orjson.loads(entry.data))
        return b""


Fields = dict[str, Any]


def _line(kind: str, data: Any, **more: str) -> bytes:
    """In ASCII, so that the client's decoder never meets half a character at the end of a piece."""
    return json.dumps({"type": kind, "data": data} | more).encode() + b"\n"


def _content(text: str) -> bytes:
    return _line("content", text) if text else b""


def _last(entry: Entry) -> bytes:
    """The terminal line; a failure that has left something is told by that."""
    event = orjson.loads(entry.salvaged or entry.data)
    kind = event.pop("type")
    if kind == "error":
        return _line("error", event["message"], **({"code": event["code"]} if event["code"] in CODES else {}))
    if kind == "cancelled":
        return _line("error", CANCELLED)
    if answer := event.get("response"):
        return _line("status", "done") + _line("done", [answer["project_updated"], answer["message"]["content"]])
    return _line(kind, event)


def _status(event: Fields) -> bytes:
    return _line("status", event["status"]) if event["status"] in STATUSES else b""


def _progress(event: Fields) -> bytes:
    """Of the phases the client knows one."""
    del event["type"]
    return _line("progress", event) if event["phase"] == "summarizing" else b""


_WRITTEN: dict[str, Callable[[Fields], bytes]] = {
    "status": _status,
    "state": lambda event: _line("state", event["state"]),
    "progress": _progress,
    "project_updated": lambda _: _line("project_updated", "true"),
    "conversation_locked": lambda event: _line("conversation_locked", event["linear_url"]),
}

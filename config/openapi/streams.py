"""Which events a stream may hold, as components of the API's document."""

from collections.abc import Mapping
from typing import Any

from chat.events import ChatDone, ConversationLocked, ProjectUpdated, ReasoningTold, ToolCallTold
from config.openapi.events import component_of, discriminator, event_schema, one_of
from conversations.runs.events import (
    ApprovalRequired,
    Cancelled,
    Content,
    Event,
    Failed,
    FellBack,
    Reset,
    RunStarted,
    Status,
    SummaryDone,
    UsageTold,
)
from drafts.events import (
    BulkDone,
    ConflictTold,
    ConversationTold,
    ImportDone,
    ModelLimit,
    Progress,
    StateTold,
    TrialDone,
)

ANY_RUN = "RunEvent"
OLD_LINE = "OldStreamLine"
_ALWAYS: tuple[type[Event], ...] = (RunStarted, Status, Reset, Failed, Cancelled)
STREAMS: Mapping[str, tuple[type[Event], ...]] = {
    "ChatEvent": (
        *_ALWAYS, Content, ReasoningTold, ToolCallTold, ProjectUpdated, ApprovalRequired, ConversationLocked, FellBack,
        UsageTold, ChatDone,
    ),
    "ImportEvent": (
        *_ALWAYS, StateTold, Content, Progress, FellBack, UsageTold, ConflictTold, ModelLimit, ImportDone,
    ),
    "ArchiveEvent": (*_ALWAYS, StateTold, Progress, ConversationTold, BulkDone),
    "SummaryEvent": (*_ALWAYS, Progress, SummaryDone),
    "TrialEvent": (*_ALWAYS, Progress, TrialDone),
}  # fmt: skip
"""By the name of the union, in which `type` tells the events apart. Of any run, watched by its id: `ANY_RUN`."""

_DESCRIPTIONS = {
    "ChatEvent": "What a chat turn tells.",
    "ImportEvent": "What the import of one chat, or the writing of its draft, tells.",
    "ArchiveEvent": "What the import from an archive tells.",
    "SummaryEvent": "What the writing of a summary tells.",
    "TrialEvent": "What the trial of a prompt tells.",
    ANY_RUN: "What a run of any kind tells. Each kind has a `done` of its own; the event `run` says the kind.",
}
_OLD_LINE = {
    "description": "A line of the dialect `ndjson`, which clients of the former API read. What `data` is follows from "
    "`type`; events that this dialect does not know are left out.",
    "type": "object",
    "properties": {
        "type": {"type": "string"},
        "data": {},
        "code": {
            "type": "string",
            "const": "CHAT_NOT_FOUND",
            "description": "Of an `error`: no such chat.",
        },
    },
    "required": ["data", "type"],
}
_LAST = "The stream ends with exactly one of `done`, `error`, `cancelled`, `conflict`, `model_limit_conflict`."


def events_of(stream: str) -> list[type[Event]]:
    """The events that a stream of this name may hold, each once."""
    if stream != ANY_RUN:
        return list(STREAMS[stream])
    return list(dict.fromkeys(event for events in STREAMS.values() for event in events))


def components() -> dict[str, dict[str, Any]]:
    """The schemas of all events and of all unions."""
    schemas = {component_of(event): event_schema(event) for event in events_of(ANY_RUN)}
    return schemas | {name: _union(name) for name in (*STREAMS, ANY_RUN)} | {OLD_LINE: _OLD_LINE}


def _union(stream: str) -> dict[str, Any]:
    told = {"description": f"{_DESCRIPTIONS[stream]} {_LAST}"} | one_of(events_of(stream))
    return told if stream == ANY_RUN else told | {"discriminator": discriminator(STREAMS[stream])}

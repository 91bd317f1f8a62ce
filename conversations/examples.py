"""What the API's document shows of conversations and runs."""

from collections.abc import Mapping
from typing import Any

from config.api.operation import Operation
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
from llmconfig.examples import TOTALS

URL = "https://chatgpt.com/share/68d1a7c2-4b5e-8001-9c3d-0123456789ab"
LINEAR_URL = "https://linear.app/example/project/offline-first-notes-3f2a"
RUN_ID = "019a9f3e-5a1c-7d42-8c0e-6b1f2a3c4d5e"
SUMMARY = {"summary": "Ada and the assistant choose SQLite for the notes on the device, and sync by version vectors."}
_PERSON = {"user_id": 7, "user_name": "Ada Lovelace", "user_email": "ada@example.org"}
_CONVERSATION: dict[str, Any] = {
    "id": 42,
    "url": URL,
    "title": "Notes that work offline",
    "import_date": "2026-11-22T09:58:15.339917+00:00",
    "created_at": "2026-11-22T09:58:15.339917+00:00",
    "updated_at": "2026-11-22T10:04:52.871034+00:00",
    "is_locked": False,
}
CONVERSATION = (
    _CONVERSATION
    | {"has_images": False, "has_pdfs": True}
    | _PERSON
    | {
        "imported_chat": [
            {"role": "user", "content": "How do I make a notes app work offline?"},
            {"role": "assistant", "content": "Keep the notes on the device, and **sync** when there is a network."},
        ],
        "source": "chatgpt",
        "import_report": {
            "parser": "chatgpt-share/1",
            "messages": 2,
            "omitted": {"thought": 1},
            "warnings": [],
            "model": "gpt-4o",
            "created_at": None,
        },
    }
)
LISTED = (
    _CONVERSATION
    | _PERSON
    | {
        "project_draft_title": "Offline-first notes",
        "project_draft_description": "## Goal\n\nNotes are readable and writable without a network.",
        "linear_url": None,
        "last_user_message_content": "Make the goal shorter.",
        "last_assistant_message_content": "Done: the goal is one sentence now.",
    }
)
USAGE = {"input_tokens": 1412, "output_tokens": 388, "cost_usd": 0.0074}
RUN: dict[str, Any] = {
    "id": RUN_ID,
    "kind": "chat_turn",
    "conversation_id": 42,
    "state": "done",
    "error_code": None,
    "partial": "",
    "usage": USAGE,
    "created_at": "2026-11-22T10:04:41.020113+00:00",
    "finished_at": "2026-11-22T10:04:52.871034+00:00",
    "last_event_id": f"{RUN_ID}:1048600",
    "approval": None,
}
LOCKED = {409: ["conversation_locked"]}
PAGED = {400: ["invalid_limit", "invalid_offset"], 422: ["invalid_limit", "invalid_offset"]}
BY_CURSOR = {400: ["invalid_limit"], 422: ["invalid_limit", "invalid_cursor"]}
CURSOR = "WzE3NjM4MDU4OTI4NzEwMzQsNDJd"
STARTS_RUN = {409: ["conversation_locked", "run_in_progress", "approval_pending"], 429: ["too_many_runs"]}

EVENTS: tuple[Event, ...] = (
    RunStarted(RUN_ID, "chat_turn", 42),
    Status("analyzing_request"),
    Content("The goal is "),
    FellBack("anthropic/claude-sonnet-4-5", "openai/gpt-4o", "overloaded"),
    Reset(),
    ApprovalRequired(RUN_ID, "create_linear_project", {}, 118),
    UsageTold(1412, 388, 0.0074),
    SummaryDone(42, "imported"),
    Failed("The model does not answer at the moment. Try again.", "overloaded", True, True, 42),
    Cancelled(True),
)
"""One of each class."""

OPERATIONS: Mapping[str, Operation] = {
    "conversation_list": Operation(
        description="Each answer names the next page by `next`. Pages by `cursor` neither repeat nor leave out what "
        "stays where it is; `offset` is for those who want to jump.",
        answer={"conversations": [LISTED], "next": CURSOR},
        codes=PAGED | {422: [*PAGED[422], "invalid_cursor"]},
    ),
    "conversation_retrieve": Operation(
        description="Asked for a part of the chat by `messages`, the answer names the next one.",
        answer=CONVERSATION,
        codes={422: ["invalid_messages"]},
    ),
    "conversation_partial_update": Operation(
        request={"title": CONVERSATION["title"]}, answer={"conversation": CONVERSATION}, codes=LOCKED
    ),
    "conversation_destroy": Operation(
        description="By whoever imported it, or an operator. It is hidden at once with all that belongs to it, and "
        "gone for good after `restorable_until`.",
        answer={"message": "The conversation was deleted.", "restorable_until": "2026-12-22T10:31:07.114520+00:00"},
        codes=LOCKED | {409: [*LOCKED[409], "project_in_progress"]},
    ),
    "conversation_restore": Operation(description="By whoever may delete it.", answer={"conversation": CONVERSATION}),
    "conversation_imported_chat_summary": Operation(answer=SUMMARY, codes={404: ["summary_not_found"]}),
    "conversation_summary": Operation(request=SUMMARY, answer=SUMMARY, codes=LOCKED),
    "conversation_runs": Operation(answer={"runs": [RUN], "next": None}, codes=BY_CURSOR),
    "conversation_usage": Operation(answer={"usage": TOTALS, "tasks": {"project_draft_chat": TOTALS}}),
    "run_list": Operation(answer={"runs": [RUN], "next": None}, codes=BY_CURSOR),
    "run_retrieve": Operation(answer=RUN),
    "run_events": Operation(
        description="Begins with what is newer than `after`, or than the header `Last-Event-ID`; without either, at "
        "the start. 204 if the run is over and there is nothing newer. Leaving cancels nothing.",
        stream="RunEvent",
        resumes=True,
    ),
    "run_cancel": Operation(
        description="Also of a run that is over, which stays as it is.",
        answer=RUN | {"state": "cancelled", "partial": "The goal is "},
    ),
}

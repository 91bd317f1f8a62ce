"""What the API's document shows of imports, archives, drafts and projects."""

from collections.abc import Mapping
from typing import Any

from config.api.operation import Operation
from conversations.examples import CONVERSATION, LINEAR_URL, LOCKED, PAGED, RUN_ID, STARTS_RUN, URL
from conversations.runs.events import Event
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
from llmconfig.examples import NAME, UNKNOWN_MODEL

IMPORT_ID = "019a9f40-0b7d-7e11-9a57-5d4c3b2a1908"
DESCRIPTION = "## Goal\n\nNotes are readable and writable without a network.\n"
EDIT = {"title": "Offline-first notes", "description": DESCRIPTION}
VERSION: dict[str, Any] = EDIT | {
    "version_id": 118,
    "is_manual_edit": False,
    "version_number": 3,
    "created_at": "2026-11-22T10:04:52.871034+00:00",
    "created_by_user_id": 7,
    "created_by_user_name": "Ada Lovelace",
    "created_by_user_email": "ada@example.org",
    "run_id": RUN_ID,
    "model": "openai/gpt-4o",
    "prompt_version": 3,
    "restored_from": None,
}
FIRST_VERSION = VERSION | {
    "version_id": 101,
    "version_number": 1,
    "title": "Offline notes",
    "created_at": "2026-11-22T09:58:21.402118+00:00",
}
CHANGED_LINE = {
    "op": "change",
    "from_line": 3,
    "to_line": 3,
    "segments": [
        {"op": "equal", "text": "Notes are readable "},
        {"op": "insert", "text": "and writable "},
        {"op": "equal", "text": "without a network.\n"},
    ],
}
COMPARISON = {
    "from": FIRST_VERSION | {"description": DESCRIPTION.replace("and writable ", "")},
    "to": VERSION,
    "title": {
        "segments": [
            {"op": "equal", "text": "Offline"},
            {"op": "insert", "text": "-first"},
            {"op": "equal", "text": " notes"},
        ]
    },
    "description": {
        "is_coarse": False,
        "hunks": [{"from_start": 3, "from_lines": 1, "to_start": 3, "to_lines": 1, "lines": [CHANGED_LINE]}],
    },
}
DRAFT: dict[str, Any] = {
    "project_draft_id": 40,
    "conversation_id": 42,
    "active_version": VERSION,
    "created_at": "2026-11-22T09:58:21.402118+00:00",
    "updated_at": "2026-11-22T10:04:52.871034+00:00",
}
PROJECT = EDIT | {
    "id": 5,
    "conversation_id": 42,
    "linear_project_id": "8c5f2c1e-31b4-4a6e-9d57-0f8e7d6c5b4a",
    "linear_url": LINEAR_URL,
    "created_at": "2026-11-22T10:31:07.114520+00:00",
}
ARCHIVE = {
    "id": IMPORT_ID,
    "filename": "chatgpt-export.zip",
    "size": 18_237_441,
    "state": "ready",
    "error_code": None,
    "error": None,
    "warnings": [],
    "conversations": 412,
    "run_id": None,
    "created_at": "2026-11-22T09:41:02.660417+00:00",
    "expires_at": "2026-11-23T09:41:02.660417+00:00",
}
ENTRY = {
    "key": 0,
    "title": CONVERSATION["title"],
    "source": "chatgpt",
    "source_id": "68d1a7c2-4b5e-8001-9c3d-0123456789ab",
    "messages": 2,
    "created_at": "2026-09-22T18:05:00+00:00",
    "updated_at": "2026-09-22T18:20:00+00:00",
    "omitted": {"thought": 1},
    "warnings": [],
    "error_code": None,
    "conversation_id": 42,
    "result": {"status": "created", "reason": None, "conversation_id": 42},
}
UNREADABLE = {
    400: ["malformed"],
    422: [
        *("no_messages", "several_conversations", "unknown_format", "format_changed", "too_large"),
        *("archive_too_large", "damaged_archive", "empty_archive", "encrypted_archive", "nested_archive"),
        *("no_conversations", "too_many_members"),
        *UNKNOWN_MODEL[422],
    ],
}
IMPORTS = {429: ["too_many_runs"]}

EVENTS: tuple[Event, ...] = (
    StateTold("generating"),
    Progress("summarizing", 3, 8),
    ConflictTold([{"id": 42, "title": CONVERSATION["title"], "updated_at": CONVERSATION["updated_at"], "url": URL}]),
    ModelLimit("This chat is longer than GPT-4o can read at once.", "Choose another model, or let it be summarised."),
    ConversationTold(0, CONVERSATION["title"], "created", "", 42),
    BulkDone(IMPORT_ID, {"created": 409, "unchanged": 3}),
    ImportDone(CONVERSATION, DRAFT, []),
    TrialDone(4, 1),
)
"""One of each class."""

OPERATIONS: Mapping[str, Operation] = {
    "import_link": Operation(
        description="What is wrong with the link itself, or with the page behind it, is told by an event `error`.",
        request=NAME | {"url": URL, "accept_summarization": False, "duplicate_resolution": "prompt"},
        stream="ImportEvent",
        honours_key=True,
        codes=IMPORTS | {422: UNKNOWN_MODEL[422]},
    ),
    "import_file_file": Operation(
        description="One conversation, in any format that an archive may have, too. Send exactly one of `file` and "
        "`text`. Several conversations in one file: `POST /api/imports`.",
        request={"text": "User: How do I make a notes app work offline?\n\nAssistant: Keep the notes on the device."},
        form={"file": "(the bytes of the file)", "duplicate_resolution": "create_new"},
        stream="ImportEvent",
        honours_key=True,
        codes=IMPORTS | UNREADABLE,
    ),
    "slack_import_create": Operation(
        description="Send exactly one of `url` and `messages`. What was imported before is not imported again.",
        request={
            "user_id": 7,
            "messages": [
                {"user": "U01ABCDEF", "author": "Ada", "text": "Can notes work offline?", "ts": "1763805495.1"}
            ],
            "title": CONVERSATION["title"],
        },
        answer={"id": 42, "message": "Conversation imported successfully"},
        codes=IMPORTS | {400: ["CHAT_NOT_FOUND", "parse_failed"], 422: ["provider_not_configured"]},
        for_services=True,
    ),
    "archive_list": Operation(answer={"imports": [ARCHIVE]}),
    "archive_create": Operation(
        description="The export of a whole account, or any file with conversations. It is kept for a day.",
        form={"file": "(the bytes of the file)"},
        answer=ARCHIVE | {"state": "uploaded", "conversations": 0},
        honours_key=True,
        headers=["Location"],
        codes={409: ["too_many_imports"], 503: ["unavailable"]},
    ),
    "archive_retrieve": Operation(
        answer=ARCHIVE | {"unreadable": 0, "results": {"created": 1}, "entries": [ENTRY], "total": 412}, codes=PAGED
    ),
    "archive_destroy": Operation(answer={"message": "The archive was deleted."}, codes={409: ["run_in_progress"]}),
    "archive_start": Operation(
        description="Send exactly one of `entries` and `all`.",
        request={"entries": [0, 1, 7], "generate_drafts": False, "duplicate_resolution": "update_existing"},
        stream="ArchiveEvent",
        honours_key=True,
        codes={
            409: ["run_in_progress", "import_not_ready"],
            422: ["unknown_entry", *UNKNOWN_MODEL[422]],
            429: ["too_many_runs"],
        },
    ),
    "project_draft_retrieve": Operation(answer={"project_draft": DRAFT}, codes={404: ["draft_not_found"]}),
    "project_draft_partial_update": Operation(
        description="The same text as before makes no version.",
        request=EDIT,
        answer={"project_draft": DRAFT},
        codes=LOCKED | {404: ["draft_not_found"]},
    ),
    "project_draft_versions": Operation(answer={"versions": [VERSION]}, codes={404: ["draft_not_found"]}),
    "project_draft_activate": Operation(
        answer={"project_draft": DRAFT}, honours_key=True, codes=LOCKED | {404: ["draft_not_found"]}
    ),
    "project_draft_version_compare": Operation(
        description="Lines as in a unified diff; a line that has become another shows its words.",
        answer=COMPARISON,
        codes={404: ["draft_not_found", "version_not_found"], 422: ["validation_error", "invalid_id"]},
    ),
    "project_draft_version_markdown": Operation(
        description="The title as its heading, then the description.",
        answer=f"# {VERSION['title']}\n\n{DESCRIPTION}",
        codes={404: ["draft_not_found", "version_not_found"], 422: ["invalid_id"]},
    ),
    "project_draft_generate": Operation(
        request=NAME,
        stream="ImportEvent",
        honours_key=True,
        codes=STARTS_RUN | {404: ["draft_not_found"], 422: [*UNKNOWN_MODEL[422], "context_too_long"]},
    ),
    "project_retrieve": Operation(answer={"project": PROJECT}, codes={404: ["project_not_found"]}),
    "project_create": Operation(
        description="Waits for Linear, for up to 40 seconds. There is one project for each conversation.",
        request=EDIT,
        answer={"project": PROJECT},
        honours_key=True,
        codes={
            404: ["draft_not_found"],
            409: [
                "conversation_locked",
                "run_in_progress",
                "approval_pending",
                "project_exists",
                "project_in_progress",
            ],
            503: ["linear_not_configured", "linear_refused", "linear_unavailable", "project_in_doubt"],
        },
    ),
}

"""What the API's document shows of the chat about a draft, of its files, and of decisions about runs."""

from collections.abc import Mapping
from typing import Any

from chat.events import ChatDone, ConversationLocked, ProjectUpdated, ReasoningTold, ToolCallTold
from config.api.operation import Operation
from conversations.examples import BY_CURSOR, LINEAR_URL, LOCKED, RUN, RUN_ID, STARTS_RUN, USAGE
from conversations.runs.events import Event
from drafts.examples import DRAFT, EDIT
from llmconfig.examples import NAME, UNKNOWN_MODEL

FILE = {
    "id": 9,
    "filename": "sync.pdf",
    "file_size": 48_211,
    "file_type": "application/pdf",
    "s3_key": "conversations/42/files/9f1c2b7a-sync.pdf",
    "created_at": "2026-11-22T10:03:58.220914+00:00",
    "conversation_id": 42,
    "chat_message_id": None,
    "uploaded_by_user_id": 7,
    "status": "ready",
    "status_detail": None,
    "page_count": 3,
    "thumbnail_url": None,
}
ANSWER: dict[str, Any] = {
    "id": 77,
    "role": "assistant",
    "content": "Done: the goal is one sentence now.",
    "sequence_number": 2,
    "created_at": "2026-11-22T10:04:52.871034+00:00",
    "sent_by_user_id": 7,
    "sent_by_user_name": "Ada Lovelace",
    "sent_by_user_email": "ada@example.org",
    "attachments": [],
    "model": "openai/gpt-4o",
    "prompt_version": 3,
    "fallback_from": "",
    "run": {"id": RUN_ID, "state": "done", "error_code": None},
    "usage": USAGE,
}
QUESTION = ANSWER | {
    "id": 76,
    "role": "user",
    "content": "Make the goal shorter.",
    "sequence_number": 1,
    "attachments": [FILE | {"chat_message_id": 76}],
    "model": "",
    "prompt_version": None,
    "usage": None,
}
MODEL_REFUSED = {422: [*UNKNOWN_MODEL[422], "context_too_long"]}

EVENTS: tuple[Event, ...] = (
    ReasoningTold("They want one sentence."),
    ToolCallTold("update_project_draft", EDIT, "succeeded", "The draft was updated."),
    ProjectUpdated(DRAFT),
    ConversationLocked(LINEAR_URL),
    ChatDone({"message": ANSWER, "project_updated": True}),
)
"""One of each class."""

OPERATIONS: Mapping[str, Operation] = {
    "chat_list": Operation(
        description="With `limit`, the last ones; `next` leads to those before. Each page is in the order it was said.",
        answer={"chat_messages": [QUESTION, ANSWER], "next": None},
        codes=BY_CURSOR,
    ),
    "chat_stream": Operation(
        description="Leaving cancels nothing: `POST /api/runs/{run_id}/cancel` does. A request with the header "
        "`Last-Event-ID` of a run of this conversation watches that run, and sends nothing.",
        request=NAME | {"message": QUESTION["content"], "attachment_ids": [9]},
        stream="ChatEvent",
        resumes=True,
        honours_key=True,
        codes=STARTS_RUN | MODEL_REFUSED | {404: ["attachments_not_found"]},
    ),
    "chat_regenerate": Operation(
        description="With `llm_provider` and `llm_model`, by that model. The earlier answer is kept as a revision.",
        request=NAME,
        stream="ChatEvent",
        honours_key=True,
        codes=STARTS_RUN | MODEL_REFUSED | {409: [*STARTS_RUN[409], "nothing_to_regenerate"]},
    ),
    "run_decision_approve": Operation(
        description="An approval is for exactly the call, and the version of the draft, that the run asks about.",
        request={"approve": True},
        answer=RUN | {"state": "queued", "finished_at": None, "usage": None},
        honours_key=True,
        codes={409: [*LOCKED[409], "not_waiting", "draft_changed"]},
    ),
    "run_decision_retry": Operation(
        stream="RunEvent",
        honours_key=True,
        codes=STARTS_RUN | MODEL_REFUSED | {409: [*STARTS_RUN[409], "nothing_to_retry"]},
    ),
    "conversation_files_list": Operation(answer={"files": [FILE], "file_count": 1}),
    "conversation_files_upload": Operation(
        description="One file, as the part `file`. A message names it in `attachment_ids`.",
        form={"file": "(the bytes of the file)"},
        answer={"file": FILE | {"status": "pending", "page_count": None}, "message": "The file was uploaded."},
        codes={
            400: ["no_file", "empty_file"],
            403: ["conversation_locked"],
            413: ["quota_exceeded"],
            415: ["file_type_not_allowed"],
            422: ["image_too_large"],
            503: ["storage_unavailable"],
        },
    ),
    "file_download": Operation(codes={404: ["file_not_stored"], 503: ["storage_unavailable"]}),
    "file_thumbnail": Operation(codes={404: ["no_thumbnail", "file_not_stored"], 503: ["storage_unavailable"]}),
    "file_extract": Operation(
        answer={"file": FILE | {"status": "pending"}, "message": "The file is being read."}, codes=LOCKED
    ),
    "file_destroy": Operation(codes={409: [*LOCKED[409], "file_sent"]}),
}

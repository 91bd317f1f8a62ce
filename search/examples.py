"""What the API's document shows of searching."""

from collections.abc import Mapping

from config.api.operation import Operation

CREATOR = {"created_by_user_name": "Ada Lovelace", "created_by_user_email": "ada@example.org"}
HIT = CREATOR | {
    "id": 0,
    "content_type": "imported_chat",
    "content_snippet": "Keep the notes on the device, and sync when there is a network.",
    "highlights": [[9, 14], [34, 38]],
    "score": 0.71,
    "matched_by": ["words", "meaning"],
    "created_at": "2026-11-22T09:58:15.339917+00:00",
    "conversation_id": 42,
    "conversation_title": "Notes that work offline",
    "message_index": 1,
    "sequence_number": None,
    "version_id": None,
    "file_id": None,
}
SIMILAR = CREATOR | {
    "conversation_id": 57,
    "conversation_title": "Local-first to-do lists",
    "score": 0.83,
    "is_close": True,
    "created_at": "2026-11-02T16:12:40.007311+00:00",
}

OPERATIONS: Mapping[str, Operation] = {
    "search_list": Operation(
        description="What cannot be searched is refused with `results` (empty) and `total_count` (0) as well.",
        answer={
            "results": [HIT],
            "stats": {
                "query": "notes sync",
                "total_results": 1,
                "execution_time_ms": 12.4,
                "results_by_type": {"imported_chat": 1},
            },
            "total_count": 1,
            "total_is_capped": False,
            "has_more": False,
            "degraded": False,
        },
        codes={400: ["blank_query"], 503: ["search_timeout"]},
    ),
    "search_similar": Operation(
        answer={"results": [SIMILAR], "indexed": True},
        codes={400: ["invalid_id"], 404: ["conversation_not_found"], 422: ["invalid_id", "invalid"]},
    ),
}

"""What Celery's beat starts, and how often."""

from datetime import timedelta
from typing import Any

BEAT_SCHEDULE: dict[str, dict[str, Any]] = {
    "clear-sessions": {"task": "accounts.tasks.clear_sessions", "schedule": timedelta(hours=1)},
    "index-changes": {"task": "search.tasks.index_changes", "schedule": timedelta(minutes=1)},  # workers look, too
    "refresh-common-words": {"task": "search.tasks.refresh_common_words", "schedule": timedelta(hours=1)},
    "expire-approvals": {"task": "chat.tasks.expire_approvals", "schedule": timedelta(minutes=10)},
    "sweep-extractions": {"task": "chat.tasks.sweep_extractions", "schedule": timedelta(minutes=1)},
    "sweep-objects": {"task": "chat.tasks.sweep_objects", "schedule": timedelta(minutes=1)},
    "sweep-lost-calls": {"task": "llmconfig.tasks.sweep_lost_calls", "schedule": timedelta(minutes=15)},
    "read-waiting-archives": {"task": "drafts.tasks.read_waiting_archives", "schedule": timedelta(seconds=10)},
    "delete-expired-archives": {"task": "drafts.tasks.delete_expired_archives", "schedule": timedelta(minutes=10)},
    "settle-projects": {"task": "drafts.tasks.settle_projects", "schedule": timedelta(seconds=15)},
    "advance-summaries": {
        "task": "conversations.tasks.advance_summaries",
        "schedule": timedelta(seconds=5),
        "options": {"expires": 5},
    },
    "purge-deleted": {"task": "conversations.tasks.purge_deleted", "schedule": timedelta(minutes=30)},
    "trim-runs": {"task": "conversations.tasks.trim_runs", "schedule": timedelta(days=1)},
}

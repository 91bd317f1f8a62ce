"""The rows and the events of all apps together."""

from collections.abc import Mapping

from accounts import examples as accounts
from chat import examples as chat
from config.api.operation import Operation
from conversations import examples as conversations
from conversations.runs.events import Event
from drafts import examples as drafts
from llmconfig import examples as llmconfig
from search import examples as search

OPERATIONS: Mapping[str, Operation] = {
    "integration_list": Operation(
        answer={
            "integrations": [
                {
                    "name": "linear",
                    "configured": True,
                    "reachable": True,
                    "last_success_at": "2026-11-22T09:40:10.415520+00:00",
                    "last_error": {"code": "timeout", "at": "2026-11-21T23:02:55.018221+00:00"},
                }
            ]
        },
        codes={403: ["forbidden"]},
    ),
    **accounts.OPERATIONS,
    **chat.OPERATIONS,
    **conversations.OPERATIONS,
    **drafts.OPERATIONS,
    **llmconfig.OPERATIONS,
    **search.OPERATIONS,
}
"""By `operationId`."""

EVENTS: tuple[Event, ...] = (*conversations.EVENTS, *drafts.EVENTS, *chat.EVENTS)
"""One of each class."""

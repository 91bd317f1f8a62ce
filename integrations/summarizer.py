"""The summariser: a service that follows a growing conversation and keeps a summary of it (contract.md 5.4)."""

import re
from collections.abc import Sequence
from typing import Any, NamedTuple, TypeGuard

from django.conf import settings

from integrations.http import Answer, Service, ServiceAway

READ_SECONDS, SECONDS = 45.0, 60.0  # contract.md's 120 seconds would exceed the time of a worker's task
_REFUSALS = frozenset({400, 409, 422})
_EXPECTED = re.compile(r"expected index (\d{1,9})\b.*\bgot (\d{1,9})\b", re.IGNORECASE | re.DOTALL)
DOCUMENT_TYPES = ("pdf", "image", "text")


class IndexMismatch(ServiceAway):
    """The service has another number of messages than we thought: it wants to go on from `expected`."""

    def __init__(self, service: str, expected: int) -> None:
        super().__init__(service, "index_mismatch", retryable=True)
        self.expected = expected


class State(NamedTuple):
    """What the service knows of a conversation: it has taken the first `processed` messages into `summary`."""

    external_id: int
    summary: str
    processed: int


def is_configured() -> bool:
    return bool(settings.METACOGNITION_API_URL)


def manage_conversation(external_id: int | None, index: int, messages: Sequence[dict[str, str]]) -> State:
    """Tells the service `messages`, the first of which is number `index`, and returns what it knows by now.

    Without messages it only asks; with None for `external_id` it begins a conversation. Blocks for up to a minute.
    Raises `IndexMismatch` and `ServiceAway`.
    """
    service = _service()
    question = {"summary_id": external_id, "index_of_first_new_message": index, "new_messages": list(messages)}
    # Told twice, the messages of a known conversation give a mismatch, which is repaired; a new one would be doubled.
    answer = service.call("/manage_conversation", question, is_idempotent=external_id is not None, also=_REFUSALS)
    body = _success(service, answer)
    number, processed = body.get("summary_id"), body.get("latest_processed_message_idx")
    summary = body.get("latest_summary") or ""
    if not _is_count(number) or not isinstance(summary, str) or not (processed is None or _is_index(processed)):
        raise service.failed("malformed")
    if external_id not in (None, number):
        raise service.failed("malformed")
    return State(number, summary.strip(), 0 if processed is None else processed + 1)


def upload_document(*, content: str, filename: str, document_type: str) -> int:
    """The service's number of a document, one of `DOCUMENT_TYPES`. Raises `ServiceAway`."""
    service = _service()
    document = {"content": content, "description": filename, "document_type": document_type}
    body = service.call("/upload_document", document).body
    number = body.get("document_id") if isinstance(body, dict) else None
    if not _is_count(number):
        raise service.failed("malformed")
    return number


def link_document(external_id: int, document_id: int) -> None:
    """Adds a document to a conversation. Raises `ServiceAway`."""
    link = {"conversation_id": external_id, "document_id": document_id}
    _service().call("/add_document_to_conversation", link, is_idempotent=True)


def _service() -> Service:
    token = settings.METACOGNITION_AUTH_TOKEN
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    return Service("summarizer", settings.METACOGNITION_API_URL, headers, read_seconds=READ_SECONDS, seconds=SECONDS)


def _success(service: Service, answer: Answer) -> dict[str, Any]:
    body = answer.body if isinstance(answer.body, dict) else {}
    if answer.status == 200 and body.get("status") == "success":
        return body
    if match := _EXPECTED.search(str(body.get("message", ""))):
        raise IndexMismatch(service.name, int(match[1]))
    raise service.failed("refused" if body.get("status") == "error" else "malformed")


def _is_count(value: Any) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool) and 0 < value < 2**31


def _is_index(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and -1 <= value < 2**31

"""Every refusal of the API's document: a problem document for each status, with an example for each code."""

from collections.abc import Iterator, Mapping, Sequence
from http import HTTPStatus
from typing import Any

from config.api.operation import Operation
from config.api.problems import MEDIA_TYPE, explanation, problem, title

GENERAL: Mapping[int, Sequence[str]] = {
    400: ("bad_request", "malformed"),
    401: ("not_authenticated", "authentication_failed"),
    403: ("forbidden", "missing_scope", "foreign_origin"),
    404: ("not_found",),
    408: ("request_timeout",),
    409: ("conflict",),
    413: ("too_large",),
    415: ("unsupported_type",),
    422: ("validation_error", "unstorable_text"),
    429: ("throttled", "too_many_requests"),
    500: ("server_error",),
    503: ("database_unavailable",),
}
"""The codes that any operation with such an answer may give."""
OF_PARAMETERS: Mapping[str, Mapping[int, Sequence[str]]] = {
    "conversation_id": {400: ("invalid_id",), 404: ("conversation_not_found",), 422: ("invalid_id",)},
    "file_id": {400: ("invalid_id",), 404: ("file_not_found",), 422: ("invalid_id",)},
    "session_id": {400: ("invalid_id",), 422: ("invalid_id",)},
    "version_id": {400: ("invalid_id",), 404: ("version_not_found",), 422: ("invalid_id",)},
    "version": {422: ("invalid_id",)},
    "run_id": {404: ("run_not_found",), 422: ("invalid_id",)},
    "import_id": {404: ("import_not_found",), 422: ("invalid_id",)},
}
"""Of a path, by the parameter's name."""
OF_CONDITIONS: Mapping[str, Mapping[int, Sequence[str]]] = {
    "If-Match": {400: ("invalid_etag",), 412: ("precondition_failed",)},
    "If-None-Match": {400: ("invalid_etag",)},
}
"""Of a request's headers, by their names."""
OF_KEYS: Mapping[int, Sequence[str]] = {400: ("invalid_idempotency_key",), 422: ("idempotency_key_reused",)}
OF_EVENT_IDS: Mapping[int, Sequence[str]] = {422: ("invalid_event_id",)}
OF_STREAMS: Mapping[int, Sequence[str]] = {429: ("too_many_streams",), 503: ("too_many_streams",)}
MEMBERS: Mapping[str, Mapping[str, Any]] = {
    "precondition_failed": {
        "current": {"system_prompt": "You help.", "is_default": False, "version": 4},
        "etag": '"mXgVv2uQp1wTn0aZ"',
    },
    "missing_scope": {"required_scope": "conversations:write"},
    "approval_pending": {"run_id": "019a9f3e-5a1c-7d42-8c0e-6b1f2a3c4d5e"},
    "attachments_not_found": {"ids": [9]},
    "run_in_progress": {"run_id": "019a9f3e-5a1c-7d42-8c0e-6b1f2a3c4d5e"},
    "blank_query": {"results": [], "total_count": 0},
    "search_timeout": {"results": [], "total_count": 0},
    "parse_failed": {"reason": "bot_challenge"},
    "project_exists": {"linear_url": "https://linear.app/example/project/offline-first-notes-3f2a"},
    "too_many_streams": {"run_id": "019a9f3e-5a1c-7d42-8c0e-6b1f2a3c4d5e"},
    "validation_error": {"errors": [{"field": "title", "detail": "This field is required."}]},
}
"""What a problem with this code says beside the members that all have; an example shows it."""
_PROBLEM = {"$ref": "#/components/schemas/Problem"}
_HEADERS = {401: "WWW-Authenticate", 429: "Retry-After", 503: "Retry-After"}


def structural(operation: Mapping[str, Any], row: Operation) -> Iterator[Mapping[int, Sequence[str]]]:
    """The codes that follow from the operation's parameters and from what it honours."""
    for parameter in operation.get("parameters", []):
        if parameter.get("in") == "path":
            yield OF_PARAMETERS.get(parameter["name"], {})
        if parameter.get("in") == "header":
            yield OF_CONDITIONS.get(parameter["name"], {})
    if row.honours_key:
        yield OF_KEYS
    if row.stream:
        yield OF_STREAMS
    if row.resumes:
        yield OF_EVENT_IDS


def response_name(status: int) -> str:
    """The name of the component that answers with nothing but the general codes."""
    return HTTPStatus(status).phrase.replace(" ", "")


def response(status: int, codes: Sequence[str], declared: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """The answer of one status with these codes; a view may have `declared` headers and a schema of its own for it."""
    names = ["X-Request-Id", *([_HEADERS[status]] if status in _HEADERS else [])]
    return {
        "description": f"{HTTPStatus(status).phrase}: {', '.join(f'`{code}`' for code in codes)}.",
        "headers": {name: {"$ref": f"#/components/headers/{name}"} for name in names}
        | (declared or {}).get("headers", {}),
        "content": {
            MEDIA_TYPE: {
                "schema": _schema_of(declared),
                "examples": {code: {"$ref": f"#/components/examples/{example_name(status, code)}"} for code in codes},
            }
        },
    }


def is_shared(status: int, codes: Sequence[str], declared: Mapping[str, Any]) -> bool:
    """Whether this answer is the one of all operations, a component."""
    is_plain = _schema_of(declared) == _PROBLEM and not declared.get("headers")
    return is_plain and list(GENERAL.get(status, ())) == list(codes)


def _schema_of(declared: Mapping[str, Any] | None) -> Any:
    return (declared or {}).get("content", {}).get(MEDIA_TYPE, {}).get("schema", _PROBLEM)


def general_responses() -> dict[str, Any]:
    return {response_name(status): response(status, codes) for status, codes in GENERAL.items()}


def example_name(status: int, code: str) -> str:
    return f"{status}_{code}"


def example(status: int, code: str) -> dict[str, Any]:
    """A problem document with this code; its `detail` is the explanation of the code's page."""
    detail, members = explanation(code) or "", MEMBERS.get(code)
    value = problem(status, code, detail, request_id="0f8c0a5b7a5d4e0f9a3b1c2d4e5f6071", extra=members)
    return {"summary": title(code, status), "value": value}


def merged(*tables: Mapping[int, Sequence[str]]) -> dict[int, list[str]]:
    """The codes of several tables by status, each once."""
    statuses = sorted({status for table in tables for status in table})
    return {
        status: list(dict.fromkeys(code for table in tables for code in table.get(status, ()))) for status in statuses
    }


def pairs(table: Mapping[int, Sequence[str]]) -> Iterator[tuple[int, str]]:
    return ((status, code) for status, codes in table.items() for code in codes)

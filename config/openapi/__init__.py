"""Completes the API's document by what no single view knows: examples, refusals by code, events, headers.

drf-spectacular makes a document of the views (`config.api.schema`); `complete` is its hook, called with the whole.
"""

from collections.abc import Iterator
from http import HTTPStatus
from typing import Any

from config.api.operation import Operation
from config.openapi import refusals, streams
from config.openapi.events import component_of, reference
from config.openapi.headers import DIALECT, HEADERS, IDEMPOTENCY_KEY, LAST_EVENT_ID, PARAMETERS
from config.openapi.operations import EVENTS, OPERATIONS

Document = dict[str, Any]
EVENT_STREAM = "text/event-stream"
NDJSON = "application/x-ndjson"
STREAM_DESCRIPTION = "A stream of server-sent events. The `data` of each is the JSON described here, in one line."
_NOTHING_MORE = Operation()


def complete(result: Document, **hook: Any) -> Document:
    """The document with the row of `OPERATIONS` worked into each operation, and with the components that they name."""
    problems = set(refusals.pairs(refusals.GENERAL))
    for operation in operations(result):
        row = OPERATIONS.get(operation["operationId"], _NOTHING_MORE)
        _describe(operation, row)
        if row.stream:
            _stream(operation, row.stream)
        _add_headers(operation, row)
        problems |= _refuse(operation, row)
        _add_parameters(operation, row)
    _add_components(result["components"], problems)
    return result


def operations(document: Document) -> Iterator[Document]:
    return (operation for path in document["paths"].values() for operation in path.values())


def _describe(operation: Document, row: Operation) -> None:
    if row.description:
        operation["description"] = row.description
    for media_type, body in operation.get("requestBody", {}).get("content", {}).items():
        example = row.form if media_type.startswith("multipart/") else row.request
        body |= {"example": example} if example is not None else {}
    for status, answer in _successes(operation):
        answer["description"] = answer["description"] or HTTPStatus(status).phrase
        for body in answer.get("content", {}).values():
            body |= {"example": row.answer} if row.answer is not None else {}
    if row.for_services:
        operation["security"] = [way for way in operation["security"] if "session" not in way]


def _stream(operation: Document, stream: str) -> None:
    possible = streams.events_of(stream)
    names = [component_of(type(event)) for event in EVENTS if type(event) in possible]
    answer = operation["responses"]["200"]
    answer["description"] = STREAM_DESCRIPTION
    answer["content"] = {
        EVENT_STREAM: {"schema": reference(stream), "examples": {name: _example(name) for name in names}},
        NDJSON: {"schema": reference(streams.OLD_LINE), "example": {"type": "content", "data": "The goal is "}},
    }


def _add_headers(operation: Document, row: Operation) -> None:
    names = ["X-Request-Id", *row.headers, *(["X-Run-Id"] if row.stream else [])]
    if row.honours_key:
        names.append("Idempotent-Replayed")
    for status, answer in _successes(operation):
        moved = ["Location"] if status in (302, 303) else []
        headers = {name: {"$ref": f"#/components/headers/{name}"} for name in [*names, *moved]}
        answer["headers"] = answer.get("headers", {}) | headers


def _add_parameters(operation: Document, row: Operation) -> None:
    """Those that the view does not declare itself."""
    declared = {parameter["name"] for parameter in operation.get("parameters", [])}
    shared = {IDEMPOTENCY_KEY: row.honours_key, LAST_EVENT_ID: row.resumes, DIALECT: bool(row.stream)}
    names = [name for name, is_read in shared.items() if is_read and PARAMETERS[name]["name"] not in declared]
    if names:
        references = [{"$ref": f"#/components/parameters/{name}"} for name in names]
        operation["parameters"] = operation.get("parameters", []) + references


def _refuse(operation: Document, row: Operation) -> set[tuple[int, str]]:
    """Documents the refusals; returns their statuses and codes."""
    general = {status: codes for status, codes in refusals.GENERAL.items() if str(status) in operation["responses"]}
    codes = refusals.merged(general, *refusals.structural(operation, row), row.codes)
    for status, names in codes.items():
        declared = operation["responses"].get(str(status), {})
        shared = {"$ref": f"#/components/responses/{refusals.response_name(status)}"}
        is_shared = refusals.is_shared(status, names, declared)
        operation["responses"][str(status)] = shared if is_shared else refusals.response(status, names, declared)
    operation["responses"] = dict(sorted(operation["responses"].items()))
    return set(refusals.pairs(codes))


def _add_components(components: Document, problems: set[tuple[int, str]]) -> None:
    events = {component_of(type(event)): {"value": event.data()} for event in EVENTS}
    shown = {refusals.example_name(*problem): refusals.example(*problem) for problem in sorted(problems)}
    components.setdefault("schemas", {}).update(streams.components())
    components["examples"] = shown | events
    components["headers"] = HEADERS
    components["responses"] = refusals.general_responses()
    components["parameters"] = PARAMETERS


def _successes(operation: Document) -> Iterator[tuple[int, Document]]:
    return ((int(status), answer) for status, answer in operation["responses"].items() if int(status) < 400)


def _example(name: str) -> Document:
    return {"$ref": f"#/components/examples/{name}"}

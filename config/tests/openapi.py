"""The API's document as tests read it: its operations, and whether a value is what it says."""

from collections.abc import Iterator
from functools import cache
from typing import Any

from jsonschema import Draft202012Validator, FormatChecker

from config.openapi.export import document as make_document
from config.tests.api_routes import Route

Document = dict[str, Any]
FORMATS = FormatChecker(["date-time", "date", "uuid"])


@cache
def document() -> Document:
    return make_document()


def operations() -> dict[str, tuple[Route, Document]]:
    """Each operation with its route, by `operationId`."""
    return {
        operation["operationId"]: (Route(method, path), operation)
        for path, item in document()["paths"].items()
        for method, operation in item.items()
    }


def resolved(part: Document) -> Document:
    """What a `$ref` refers to; anything else is itself."""
    found = part
    while "$ref" in found:
        _, kind, name = found["$ref"].removeprefix("#/").split("/")
        found = document()["components"][kind][name]
    return found


def parameters(operation: Document) -> list[Document]:
    return [resolved(parameter) for parameter in operation.get("parameters", [])]


def answers(operation: Document) -> Iterator[tuple[int, Document]]:
    return ((int(status), resolved(answer)) for status, answer in operation["responses"].items())


def bodies(part: Document) -> Iterator[tuple[str, Document]]:
    """The media types of a request body or an answer."""
    return iter(part.get("content", {}).items())


def examples(body: Document) -> list[Any]:
    """The examples of a media type."""
    named = [resolved(example)["value"] for example in body.get("examples", {}).values()]
    return [body["example"], *named] if "example" in body else named


def faults(schema: Document, value: Any) -> list[str]:
    """What is wrong with a value; empty if it is what the schema says."""
    found = _whole().evolve(schema=schema).iter_errors(value)
    return [f"{'.'.join(map(str, fault.absolute_path)) or 'the whole'}: {fault.message[:300]}" for fault in found]


@cache
def _whole() -> Draft202012Validator:
    """Made once: it knows where the references of all schemas lead."""
    return Draft202012Validator(document(), format_checker=FORMATS)


def unknown_members(schema: Document, value: Any) -> list[str]:
    """Members of an answer that the document does not tell of. It allows them; we want to know."""
    schema = resolved(schema)
    if isinstance(value, list):
        return [name for item in value for name in unknown_members(schema.get("items", {}), item)]
    if not isinstance(value, dict):
        return []
    for choice in schema.get("oneOf", []):
        if choice.get("type") != "null" and not faults(choice, value):
            return unknown_members(choice, value)
    known = schema.get("properties", {})
    unknown = sorted(set(value) - set(known)) if known else []
    return unknown + [name for key in known.keys() & value.keys() for name in unknown_members(known[key], value[key])]


def event_faults(stream: str, events: list[dict[str, Any]]) -> list[str]:
    """What of real events is not as the document has those of a stream; `event_id` is of the stream's frames."""
    schema, found = {"$ref": f"#/components/schemas/{stream}"}, []
    for event in ({name: value for name, value in event.items() if name != "event_id"} for event in events):
        wrong = faults(schema, event) or unknown_members(schema, event)
        found += [f"{event['type']}: {fault}" for fault in wrong]
    return found

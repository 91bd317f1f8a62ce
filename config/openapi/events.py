"""JSON Schemas of the events of streams, made of the classes that the server sends."""

import dataclasses
import inspect
import types
from collections.abc import Iterable, Mapping
from typing import Annotated, Any, Union, get_args, get_origin, get_type_hints, is_typeddict

from drf_spectacular.plumbing import resolve_type_hint
from rest_framework.serializers import Serializer

from conversations.runs.events import Event

Schema = dict[str, Any]


def component_of(event: type[Event]) -> str:
    """The name of the event's schema: `Content` is `ContentEvent`."""
    return f"{event.__name__}Event"


def event_schema(event: type[Event]) -> Schema:
    """The schema of the event's JSON. Its description is the class's docstring."""
    hints = get_type_hints(event, include_extras=True)
    members = {field.name: _member(hints[field.name]) for field in dataclasses.fields(event)}
    description = inspect.getdoc(event) or ""
    return {"description": description} | _object({"type": {"type": "string", "const": event.type}} | members)


def one_of(events: Iterable[type[Event]]) -> Schema:
    return {"oneOf": [reference(component_of(event)) for event in events]}


def discriminator(events: Iterable[type[Event]]) -> Schema:
    """That `type` says which of these an event is."""
    mapping = {event.type: reference(component_of(event))["$ref"] for event in events}
    return {"propertyName": "type", "mapping": mapping}


def reference(component: str) -> Schema:
    return {"$ref": f"#/components/schemas/{component}"}


def _object(members: Mapping[str, Schema]) -> Schema:
    return {"type": "object", "properties": dict(members), "required": sorted(members)}


def _member(hint: Any) -> Schema:
    origin, arguments = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        (kind,) = (argument for argument in arguments if argument is not types.NoneType)
        return _or_null(_member(kind))
    if origin is Annotated:
        return _annotated(arguments[1])
    if origin is list:
        return {"type": "array", "items": _member(arguments[0])}
    if is_typeddict(hint):
        return _object({name: _member(kind) for name, kind in get_type_hints(hint, include_extras=True).items()})
    schema: Schema = resolve_type_hint(hint)  # type: ignore[no-untyped-call]
    return schema


def _annotated(about: Any) -> Schema:
    """`about` is a serializer's class, or the words (a tuple, or Django's choices) that a string is one of."""
    if isinstance(about, type) and issubclass(about, Serializer):
        return reference(about.__name__.removesuffix("Serializer"))
    return {"type": "string", "enum": list(getattr(about, "values", about))}


def _or_null(schema: Schema) -> Schema:
    if "$ref" in schema:
        return {"oneOf": [schema, {"type": "null"}]}
    return schema | {"type": [schema["type"], "null"]}

"""Whether the events of a stream are what the schema says of them, in either dialect."""

import json
from collections.abc import Iterator
from typing import Any

from jsonschema_rs import Draft202012Validator
from schemathesis import Response

STREAMS = ("text/event-stream", "application/x-ndjson")


def media_type_of(response: Response) -> str:
    return response.headers.get("content-type", [""])[0].partition(";")[0]


class Events:
    """`document` is the OpenAPI document that the schemas of events are in."""

    def __init__(self, document: dict[str, Any]) -> None:
        self._components = document["components"]

    def wrong(self, operation: dict[str, Any], response: Response) -> str:
        """The first event that is not what the operation documents; empty if there is none."""
        media_type = media_type_of(response)
        answer = operation["responses"].get(str(response.status_code), {})
        schema = answer.get("content", {}).get(media_type, {}).get("schema", {})
        if schema.get("type") == "string":  # it is a stream, and no more is promised
            return ""
        validator = Draft202012Validator({**schema, "components": self._components})
        for event in events(media_type, response.content):
            for fault in validator.iter_errors(event):
                return f"{fault.message[:500]}\n{json.dumps(event)[:500]}"
        return ""


def events(media_type: str, content: bytes) -> Iterator[Any]:
    """The whole events at the beginning of a stream."""
    lines = content.split(b"\n")[:-1]
    if media_type == "application/x-ndjson":
        yield from (json.loads(line) for line in lines if line.strip())
    else:
        yield from (json.loads(line[5:]) for line in lines if line.startswith(b"data:"))

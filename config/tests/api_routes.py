"""Every route, as the URL configuration has it: tests of all routes take new ones in by themselves."""

import json
import re
from collections.abc import Iterator
from typing import Any, NamedTuple

from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver

METHODS = ("get", "post", "put", "patch", "delete")
PARAMETER = re.compile(r"<\w+:(\w+)>")
BODY: dict[str, Any] = {
    "title": "Another title",
    "description": "Another description",
    "summary": "Another summary",
    "message": "Another message",
    "llm_provider": "demo",
    "llm_model": "demo-1",
    "url": "https://chatgpt.com/share/68d1a7c2-4b5e-8001-9c3d-0123456789ab",
    "accept_summarization": False,
    "duplicate_resolution": "create_new",
    "text": "User: A question.\n\nAssistant: An answer.",
    "approve": False,
    "prompt_type": "project_draft_chat",
    "system_prompt": "You help.",
    "entries": [0],
    "user_id": 1_000_000,
}
"""A value for each required member of any route's JSON body, and for those that only some bodies need."""


class Route(NamedTuple):
    """`template` is a path with its parameters in braces, as in an OpenAPI document."""

    method: str
    template: str

    @property
    def parameters(self) -> list[str]:
        return re.findall(r"{(\w+)}", self.template)

    def path(self, ids: dict[str, Any]) -> str:
        return self.template.format_map(ids)

    def __str__(self) -> str:
        return f"{self.method.upper()} {self.template}"


def api_routes() -> list[Route]:
    return [Route(method, template) for template, methods in api_paths().items() for method in methods]


def api_paths() -> dict[str, list[str]]:
    """The methods of each path under `/api/`."""
    patterns = _patterns(get_resolver().url_patterns, "/")
    return {PARAMETER.sub(r"{\1}", path): _methods(pattern) for path, pattern in patterns if path.startswith("/api/")}


def page_paths() -> list[str]:
    """A path of everything that is not under `/api/`, with 1 for each parameter."""
    paths = [re.sub(r"<[^>]*>", "1", path) for path, _ in _patterns(get_resolver().url_patterns, "/")]
    return [path for path in paths if not path.startswith("/api/") and "(?P" not in path]


def _patterns(entries: list[Any], prefix: str) -> Iterator[tuple[str, URLPattern]]:
    for entry in entries:
        path = prefix + str(entry.pattern)
        if isinstance(entry, URLResolver):
            yield from _patterns(entry.url_patterns, path)
        else:
            yield path, entry


def _methods(pattern: URLPattern) -> list[str]:
    view: Any = pattern.callback
    names = getattr(view, "actions", None) or dir(view.cls)
    return [method for method in METHODS if method in names]


FORMS = {"POST /api/conversations/{conversation_id}/files"}
"""Routes that read a form with a file and no JSON."""


QUERIES = {
    "GET /api/conversations/{conversation_id}/project-draft/versions/compare": "?from={version_id}&to={version_id}",
}
"""What a route needs in its query."""


def send(client: Client, route: Route, ids: dict[str, Any], body: Any = BODY, query: str = "", **options: Any) -> Any:
    """Asks a route as an ordinary client would: with a JSON body if its method has one, or with a small file."""
    path = route.path(ids) + (query or QUERIES.get(str(route), "").format_map(ids))
    if str(route) in FORMS and body is BODY:
        return client.post(path, {"file": SimpleUploadedFile("note.txt", b"A note.")}, **options)
    if route.method == "get":
        return client.get(path, **options)
    return client.generic(route.method.upper(), path, _json(body), content_type="application/json", **options)


def _json(body: Any) -> bytes | str:
    return body if isinstance(body, bytes) else json.dumps(body)


def row_counts() -> dict[str, int]:
    """How many rows each table of the database has."""
    names = [name for name in connection.introspection.table_names() if name != "django_migrations"]
    counts = " UNION ALL ".join(f"SELECT '{name}', count(*) FROM {name}" for name in names)
    with connection.cursor() as cursor:
        cursor.execute(counts)
        return dict(cursor.fetchall())


def check_refused(response: Any, *statuses: int) -> dict[str, Any]:
    """The problem document of a refusal; any 4xx unless `statuses` says which."""
    assert response.status_code in (statuses or range(400, 500)), (response.status_code, response.content[:300])
    assert response["Content-Type"] == "application/problem+json"
    document: dict[str, Any] = response.json()
    assert document["status"] == response.status_code
    assert document["type"] == f"/problems/{document['code']}"
    assert document["error"] == document["detail"] != ""
    assert document["request_id"] == response["X-Request-Id"]
    return document

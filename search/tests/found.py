"""Asking for `GET /api/search` as tests do, and what matters of its answer."""

from typing import Any

from django.test import Client


def ask(client: Client, q: str, **parameters: Any) -> dict[str, Any]:
    response = client.get("/api/search", {"q": q} | parameters)
    assert response.status_code == 200, (q, parameters, response.content[:300])
    body: dict[str, Any] = response.json()
    assert body["stats"]["total_results"] == body["total_count"]
    assert body["has_more"] == (
        body["total_count"] > int(parameters.get("offset", 0)) + int(parameters.get("limit", 20))
    )
    return body


def hits(client: Client, q: str, **parameters: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = ask(client, q, **parameters)["results"]
    return found


def titles(client: Client, q: str, **parameters: Any) -> list[str]:
    """The titles of what was found, each once, in their order."""
    return list(dict.fromkeys(hit["conversation_title"] for hit in hits(client, q, **parameters)))


def keys(found: list[dict[str, Any]]) -> list[tuple[int, str]]:
    return [(hit["conversation_id"], hit["content_type"]) for hit in found]


def marked(hit: dict[str, Any]) -> list[str]:
    return [hit["content_snippet"][start:end] for start, end in hit["highlights"]]

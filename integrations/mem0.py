"""Mem0: what a team remembers about a subject, found by keywords (contract.md 5.3)."""

import math
from collections.abc import Sequence
from typing import Any

from django.conf import settings

from integrations.http import Service

THRESHOLD, MOST_MEMORIES = 0.38, 4  # contract.md 5.3
MEMORY_CHARACTERS = 4_000  # a prompt has no room for a book
READ_SECONDS, SECONDS = 10.0, 20.0


def is_configured() -> bool:
    return bool(settings.MEM0_API_URL)


def search_memories(keywords: Sequence[str]) -> list[dict[str, Any]]:
    """At most four hits that are near enough, the nearest first, as Mem0 gave them; `memory` holds the words.

    Blocks for up to 20 seconds. Raises `ServiceAway`, with the code `malformed` for an answer without a list of hits.
    """
    service = Service("mem0", settings.MEM0_API_URL, read_seconds=READ_SECONDS, seconds=SECONDS)
    question = {"query": ", ".join(keywords), "user_id": settings.MEM0_USER_ID, "metadata": {"type": "summary"}}
    body = service.call("/search", question, is_idempotent=True).body
    hits = body.get("results") if isinstance(body, dict) else None
    if not isinstance(hits, list):
        raise service.failed("malformed")
    near = [hit for hit in hits if _is_hit(hit) and hit["score"] >= THRESHOLD]
    return [_shortened(hit) for hit in sorted(near, key=lambda hit: -hit["score"])[:MOST_MEMORIES]]


def _is_hit(hit: Any) -> bool:
    if not isinstance(hit, dict) or not isinstance(hit.get("memory"), str) or not hit["memory"].strip():
        return False
    score = hit.get("score")
    return isinstance(score, int | float) and not isinstance(score, bool) and math.isfinite(score)


def _shortened(hit: dict[str, Any]) -> dict[str, Any]:
    return hit | {"memory": hit["memory"][:MEMORY_CHARACTERS]}

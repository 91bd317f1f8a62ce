"""Values that mean something in a scene, by the name of a member or a parameter."""

import uuid
from collections.abc import Callable
from random import Random
from typing import Any

from bench.fuzz.scenes import Scene

MODELS = [("openai", "gpt-4o"), ("openai", "gpt-4o"), ("demo", "demo-1"), ("anthropic", "claude-opus-4-1")]
MESSAGES = [
    "Is a lamp needed?",
    "update the draft",
    "create the project",
    "[[empty]]",
    "[[status=500]]",
    "[[cut_after=2]]",
]
"""To the fake model of the tests these are orders: see `config.tests.outside`."""
TEXTS = ["User: A question.\n\nAssistant: An answer.", "# A title\n\nUser: Hello", "Only a note."]
THREAD = [{"role": "user", "content": "Hello"}, {"role": "assistant", "content": "Hi"}]
STATES = ["active", "queued", "running", "waiting", "done", "failed", "cancelled"]
WORDS = ["lighthouse", "lamp", '"a lamp"', "https://chatgpt.com/share/x", "7"]
RESOLUTIONS = ["create_new", "update_existing", "cancel"]
WHEN = "2026-01-01T00:00:00Z"

TAGS = ["*", '"1"', '"x", W/"y"', "1", '"', ""]
ACCEPTED = ["application/json", "text/html", "application/x-ndjson", "*/*", "no/thing"]

Make = Callable[[Random, Scene], Any]
IN_BODY: dict[str, Make] = {
    "message": lambda random, scene: random.choice(MESSAGES),
    "text": lambda random, scene: random.choice(TEXTS),
    "url": lambda random, scene: f"https://chatgpt.com/share/{any_uuid(random)}",
    "messages": lambda random, scene: THREAD,
    "title": lambda random, scene: random.choice(["A lamp", "A lighthouse"]),
    "description": lambda random, scene: random.choice(["## Goal\n\nA lamp.", "Light"]),
    "summary": lambda random, scene: "A lighthouse is to be built.",
    "system_prompt": lambda random, scene: "You help.",
    "note": lambda random, scene: "Shorter",
    "accept_summarization": lambda random, scene: random.random() < 0.5,
    "generate_drafts": lambda random, scene: random.random() < 0.5,
    "approve": lambda random, scene: random.random() < 0.5,
    "all": lambda random, scene: True,
    "entries": lambda random, scene: random.choice([[0], [0, 1], [7]]),
    "attachment_ids": lambda random, scene: random.choice([[], [scene.ids["file_id"]]]),
    "user_id": lambda random, scene: scene.owner.pk,
    "target_conversation_id": lambda random, scene: scene.ids["conversation_id"],
    "duplicate_resolution": lambda random, scene: random.choice(RESOLUTIONS),
}
IN_QUERY: dict[str, Make] = {
    "state": lambda random, scene: random.choice(STATES),
    "q": lambda random, scene: random.choice(WORDS),
    "limit": lambda random, scene: random.choice([1, 2, 20]),
    "offset": lambda random, scene: random.choice([0, 1]),
    "messages": lambda random, scene: random.choice(["0,1", "1,1", "1", "0,1000"]),
    "date_from": lambda random, scene: WHEN,
    "date_to": lambda random, scene: WHEN,
    "from": lambda random, scene: random.choice(scene.versions),
    "to": lambda random, scene: random.choice(scene.versions),
    "after": lambda random, scene: f"{scene.ids['run_id']}:1",
}
HEADERS: dict[str, Make] = {
    "Idempotency-Key": lambda random, scene: random.choice(["one", "two", "", "\u00fc", any_uuid(random)]),
    "Last-Event-ID": lambda random, scene: random.choice(
        [f"{scene.ids['run_id']}:2", f"{scene.ids['run_id']}:9999", ""]
    ),
    "If-Match": lambda random, scene: random.choice(TAGS),
    "If-None-Match": lambda random, scene: random.choice(TAGS),
    "Accept": lambda random, scene: random.choice(ACCEPTED),
}


def any_uuid(random: Random) -> str:
    return str(uuid.UUID(int=random.getrandbits(128), version=4))

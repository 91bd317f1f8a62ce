"""Leads generated requests to what is there: chance finds no id of a run, no name of a model and no archive."""

import uuid
from collections.abc import Callable, MutableMapping
from random import Random
from typing import Any, NamedTuple

from accounts.models import User
from bench.fuzz.scenes import ANSWERED, CREATED, FAILED, WAITING, Caller, Scene, World
from integrations.tests.fixtures.archives import export, zipped

MODELS = [("openai", "gpt-4o"), ("openai", "gpt-4o"), ("demo", "demo-1"), ("anthropic", "claude-opus-4-1")]
MESSAGES = [
    "Is a lamp needed?",
    "update the draft",
    "create the project",
    "[[empty]]",
    "[[status=500]]",
    "[[cut_after=2]]",
]
TEXTS = ["User: A question.\n\nAssistant: An answer.", "# A title\n\nUser: Hello", "Only a note."]
STATES = ["active", "queued", "running", "waiting", "done", "failed", "cancelled"]
WHEN = "2026-01-01T00:00:00Z"

KIND = {  # of the scene in which an operation has something to do
    "project_retrieve": CREATED,
    "project_create": ANSWERED,
    "run_decision_approve": WAITING,
    "run_cancel": WAITING,
    "run_decision_retry": FAILED,
    "chat_regenerate": FAILED,
    "chat_stream": ANSWERED,
}
NEEDED = {  # who may ask it at all
    "integration_list": "operator",
    "auth_cleanup": "operator",
    "llm_default_update": "operator",
    "llm_prompt_activate": "operator",
    "llm_prompt_create": "operator",
    "llm_prompt_destroy": "operator",
    "slack_import_create": "key",
}
ENDS_SESSIONS = {"auth_logout", "session_destroy", "session_destroy_others", "auth_login_link"}
ENDS_SCENES = {"conversation_destroy", "file_destroy", "archive_destroy", "project_create", "run_cancel"}

ALTERNATIVES = [("url", "messages"), ("entries", "all"), ("text", "file")]  # one of them makes sense, not both

Files = dict[str, tuple[str, bytes, str]]


class Aim(NamedTuple):
    """Where one request goes: on behalf of whom, to which scene, with which further headers, and with which file."""

    caller: Caller
    scene: Scene
    headers: dict[str, str]
    files: Files


class Aimer:
    """Chooses by dice of its own, so that what Hypothesis draws stays as it is."""

    def __init__(self, world: World, random: Random) -> None:
        self._world, self._random = world, random

    def aim(self, operation: str, path: str, owner: User | None = None) -> Aim:
        """`owner` is for whom it is asked, if not for the owner of a scene."""
        scene = self._world.scene(kind=KIND.get(operation, "") if self._random.random() < 0.8 else "")
        if operation in ENDS_SCENES:
            scene.left = min(scene.left, 4)
        caller = self._world.caller(owner or scene.owner, needed=NEEDED.get(operation, ""))
        return Aim(caller, scene, self._headers(scene), self._files(path))

    def fill(self, values: MutableMapping[str, Any], scene: Scene, *, whole: bool) -> None:
        """Puts values that mean something in the place of those that are there: of all, or each as the dice will."""
        model = dict(zip(("llm_provider", "llm_model"), self._random.choice(MODELS), strict=True))
        for name in list(values):
            if whole or self._random.random() < 0.5:
                value = model.get(name, scene.ids.get(name))
                values[name] = self._value(name, scene, values[name]) if value is None else value

    def fill_body(self, body: dict[str, Any], scene: Scene, known: list[str], *, chance: float) -> None:
        """As `fill`. With this chance the body is one that a client would send: it has most of the members that are
        `known`, no others, and of two that exclude each other one."""
        whole = self._random.random() < chance
        if whole:
            wanted = [name for name in known if name in body or (name in _VALUES and self._random.random() < 0.6)]
            kept = {name: body.get(name) for name in wanted}
            body.clear()
            body.update(kept)
        self.fill(body, scene, whole=whole)
        for either, other in ALTERNATIVES:
            if whole and either in body and other in body:
                del body[self._random.choice([either, other])]

    def _value(self, name: str, scene: Scene, generated: Any) -> Any:
        if name in {"token", "session_id"}:
            return self._world.fresh(name, scene)
        make = _VALUES.get(name)
        return make(self._random, scene) if make else generated

    def _headers(self, scene: Scene) -> dict[str, str]:
        dice, headers = self._random.random(), {}
        if dice < 0.06:
            headers["Idempotency-Key"] = self._random.choice(
                ["one", "two", "", "\u00fc", str(uuid.UUID(int=self._random.getrandbits(128)))]
            )
        elif dice < 0.12:
            headers["Last-Event-ID"] = self._random.choice(
                [f"{scene.ids['run_id']}:2", f"{scene.ids['run_id']}:9999999", "x", ""]
            )
        elif dice < 0.18:
            name = self._random.choice(["If-Match", "If-None-Match"])
            headers[name] = self._random.choice(["*", '"1"', '"x", W/"y"', "1", '"', ""])
        elif dice < 0.22:
            headers["Accept"] = self._random.choice(
                ["application/json", "text/html", "application/x-ndjson", "*/*", "no/thing"]
            )
        return headers

    def _files(self, path: str) -> Files:
        if self._random.random() < 0.35:
            return {}
        if path.endswith("/files"):
            return {
                "file": self._random.choice(
                    [("note.txt", b"A note.", "text/plain"), ("note.md", b"# A note", "text/markdown")]
                )
            }
        if path.endswith("/imports"):
            return {"file": ("export.zip", zipped({"conversations.json": export(1, 2)}), "application/zip")}
        if path.endswith("/import-file"):
            return {"file": ("chat.md", self._random.choice(TEXTS).encode(), "text/markdown")}
        return {}


_VALUES: dict[str, Callable[[Random, Scene], Any]] = {
    "message": lambda random, scene: random.choice(MESSAGES),
    "text": lambda random, scene: random.choice(TEXTS),
    "url": lambda random, scene: f"https://chatgpt.com/share/{uuid.UUID(int=random.getrandbits(128), version=4)}",
    "messages": lambda random, scene: [{"role": "user", "content": "Hello"}, {"role": "assistant", "content": "Hi"}],
    "summary": lambda random, scene: "A lighthouse is to be built.",
    "system_prompt": lambda random, scene: "You help.",
    "note": lambda random, scene: "Shorter",
    "accept_summarization": lambda random, scene: random.random() < 0.5,
    "generate_drafts": lambda random, scene: random.random() < 0.5,
    "all": lambda random, scene: True,
    "title": lambda random, scene: random.choice(["A lamp", "A lighthouse"]),
    "description": lambda random, scene: random.choice(["## Goal\n\nA lamp.", "Light"]),
    "attachment_ids": lambda random, scene: random.choice([[], [scene.ids["file_id"]]]),
    "entries": lambda random, scene: random.choice([[0], [0, 1], [7]]),
    "approve": lambda random, scene: random.random() < 0.5,
    "user_id": lambda random, scene: scene.owner.pk,
    "target_conversation_id": lambda random, scene: scene.ids["conversation_id"],
    "duplicate_resolution": lambda random, scene: random.choice(["create_new", "update_existing", "cancel"]),
    "state": lambda random, scene: random.choice(STATES),
    "q": lambda random, scene: random.choice(["lighthouse", "lamp", '"a lamp"', str(scene.ids["conversation_id"])]),
    "limit": lambda random, scene: random.choice([1, 2, 20]),
    "offset": lambda random, scene: random.choice([0, 1]),
    "date_from": lambda random, scene: WHEN,
    "date_to": lambda random, scene: WHEN,
    "from": lambda random, scene: random.choice([1, 2]),
    "to": lambda random, scene: random.choice([1, 2]),
    "after": lambda random, scene: f"{scene.ids['run_id']}:1",
}

"""Leads generated requests to what is there: chance finds no id of a run, no name of a model and no archive."""

from collections.abc import MutableMapping
from random import Random
from typing import Any, NamedTuple

from accounts.models import User
from bench.fuzz.scenes import ANSWERED, CREATED, DELETED, FAILED, WAITING, Caller, Scene, World
from bench.fuzz.values import HEADERS, IN_BODY, IN_QUERY, MODELS, TEXTS, Make
from integrations.tests.fixtures.archives import export, zipped

KIND = {  # of the scene in which an operation has something to do
    "project_retrieve": CREATED,
    "project_create": ANSWERED,
    "run_decision_approve": WAITING,
    "run_cancel": WAITING,
    "run_decision_retry": FAILED,
    "chat_regenerate": FAILED,
    "chat_stream": ANSWERED,
    "conversation_restore": DELETED,
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

UNGUESSED = {"cursor", "idempotency-key", "if-match", "if-none-match", "last-event-id"}
"""Of these no generated value can be right."""

File = tuple[str, bytes, str]
Files = dict[str, File]
FILES: dict[str, list[File]] = {  # that are uploaded, by the end of the path
    "/files": [("note.txt", b"A note.", "text/plain"), ("note.md", b"# A note", "text/markdown")],
    "/imports": [("export.zip", zipped({"conversations.json": export(1, 2)}), "application/zip")],
    "/import-file": [("chat.md", text.encode(), "text/markdown") for text in TEXTS],
}


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
        caller = self._world.caller(owner or scene.owner, needed=NEEDED.get(operation, ""))
        return Aim(caller, scene, self._headers(scene), self._files(path))

    def fill_path(self, path: dict[str, Any], scene: Scene) -> None:
        """Leads to the scene."""
        path.update({name: self._value(name, scene, {}, value) for name, value in path.items()})

    def thin(self, values: MutableMapping[str, Any]) -> None:
        """Leaves most values out that would only have the request refused."""
        for name in [name for name in values if name.lower() in UNGUESSED and self._random.random() < 0.8]:
            del values[name]

    def fill_query(self, query: dict[str, Any], scene: Scene, *, chance: float) -> None:
        """Puts values that mean something in the place of generated ones: with this chance of all, else of some."""
        whole = self._random.random() < chance
        for name in [name for name in query if whole or self._random.random() < 0.5]:
            query[name] = self._value(name, scene, IN_QUERY, query[name])

    def fill_body(self, body: dict[str, Any], scene: Scene, known: list[str], *, chance: float) -> None:
        """As `fill_query`. If all are replaced, the body is one that a client would send: it has most of the members
        that are `known`, no others, and of two that exclude each other one."""
        whole = self._random.random() < chance
        if whole:
            wanted = {name for name in known if name in body or (name in IN_BODY and self._random.random() < 0.6)}
            for excluded in (self._random.choice(pair) for pair in ALTERNATIVES if wanted.issuperset(pair)):
                wanted.discard(excluded)
            kept = {name: body.get(name) for name in known if name in wanted}
            body.clear()
            body.update(kept)
        model = dict(zip(("llm_provider", "llm_model"), self._random.choice(MODELS), strict=True))
        for name in [name for name in body if whole or self._random.random() < 0.5]:
            body[name] = model.get(name) or self._value(name, scene, IN_BODY, body[name])

    def _value(self, name: str, scene: Scene, table: dict[str, Make], generated: Any) -> Any:
        if name in {"token", "session_id"}:
            return self._world.fresh(name, scene)
        if name in table:
            return table[name](self._random, scene)
        return scene.ids.get(name, generated)

    def _headers(self, scene: Scene) -> dict[str, str]:
        if self._random.random() > 0.2:
            return {}
        name = self._random.choice(list(HEADERS))
        return {name: HEADERS[name](self._random, scene)}

    def _files(self, path: str) -> Files:
        for end, files in FILES.items():
            if path.endswith(end) and self._random.random() < 0.65:
                return {"file": self._random.choice(files)}
        return {}

"""Sends hostile bodies to a running server over a socket of their own, and says what is wrong with the answer."""

import json
import socket
from collections.abc import Iterator
from random import Random
from typing import Any, NamedTuple

from django.contrib.auth.models import Permission
from django.db import transaction
from drf_spectacular.generators import SchemaGenerator

from accounts.models import User
from accounts.services import get_or_make_user, open_session
from config.tests.api_routes import BODY, FORMS, Route, api_routes, row_counts
from config.tests.hostile import Hostile, odd, spoilt
from config.tests.making import make_archive, make_conversation, make_draft, make_file, make_run, make_turn
from config.tests.stack import Member

SECONDS = 20
CONVERSATION, PROMPT = "/api/conversations/{conversation_id}", "/api/llm-prompts/{prompt_type}"
KEPT = {
    f"PATCH {CONVERSATION}": (CONVERSATION, ["title"]),
    f"PATCH {CONVERSATION}/project-draft": (f"{CONVERSATION}/project-draft", ["title", "description"]),
    f"PATCH {CONVERSATION}/summary": (f"{CONVERSATION}/imported_chat_summary", ["summary"]),
    f"POST {PROMPT}": (PROMPT, ["system_prompt"]),
}
"""Where the text can be read again that these routes store, and the members that are text."""


def stored_rows() -> dict[str, int]:
    """How many rows each table has; but those of the index, which follow the others in their own time."""
    return {table: rows for table, rows in row_counts().items() if not table.startswith("search_")}


NOTHING: dict[str, Any] = {
    **dict.fromkeys(["conversation_id", "version_id", "file_id", "session_id", "version"], 10**9),
    **dict.fromkeys(["run_id", "import_id"], "01a2033d-ae82-716c-8809-2432d111e240"),
    "prompt_type": "project_draft_chat",
    "token": "unknown",
}
"""Parameters of a path that leads nowhere."""


class Answer(NamedTuple):
    """`status` is 0 if the server hung up without one."""

    status: int
    content_type: str
    body: bytes


class Target:
    """A running server, with a member and things of hers that every route would find."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.alice = get_or_make_user(email="alice@example.org")
        self.alice.user_permissions.set(Permission.objects.filter(content_type__app_label="llmconfig"))
        self.cookie, self._strangers = open_session(user=self.alice), open_session(user=_stranger())
        self._reader = Member(f"http://127.0.0.1:{port}", self.cookie)
        self.ids = _everything_of(self.alice)
        self.bodies = dict(_valid_bodies())

    def send(self, route: Route, hostile: Hostile) -> Answer:
        """A route that takes no body is sent one all the same, about nothing that there is."""
        cookie, ids = (self.cookie, self.ids) if route in self.bodies else (self._strangers, NOTHING)
        head = (
            f"{route.method.upper()} {route.path(ids)} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
            f"Cookie: session_token={cookie}\r\n{hostile.head}\r\n"
        )
        with socket.create_connection(("127.0.0.1", self.port), timeout=SECONDS) as connection:
            try:
                connection.sendall(head.encode("latin-1") + hostile.content)
                if hostile.unfinished:
                    connection.shutdown(socket.SHUT_WR)
            except OSError:
                pass  # refused before all of it was sent: the answer is there to be read
            return _parse(b"".join(_received(connection)))

    def is_kept(self, route: Route, meant: dict[str, Any]) -> bool:
        """Whether the server has stored what was meant."""
        path, names = KEPT[str(route)]
        stored = self._reader.get(path.format_map(self.ids)).json()
        stored = stored.get("project_draft", {}).get("active_version") or stored
        return all(stored[name] == meant[name] for name in names)

    def spoilt(self, random: Random, count: int) -> Iterator[tuple[Route, Hostile]]:
        """So many broken bodies, over the routes that take one in turn."""
        routes = sorted(self.bodies)
        for number in range(count):
            route = routes[number % len(routes)]
            yield route, spoilt(random, self.bodies[route])

    def unasked(self, random: Random, count: int) -> Iterator[tuple[Route, Hostile]]:
        """So many broken bodies, over the routes that change something and take none. Nobody is signed out."""
        others = [route for route in api_routes() if route.method != "get" and route not in self.bodies]
        routes = [route for route in others if str(route) != "POST /api/auth/logout"]
        for number in range(count):
            yield routes[number % len(routes)], spoilt(random, {"a": 1})

    def odd(self, random: Random, count: int) -> Iterator[tuple[Route, Hostile]]:
        """So many unusual bodies, over the routes whose text can be read again."""
        routes = [route for route in api_routes() if str(route) in KEPT]
        for number in range(count):
            route = routes[number % len(routes)]
            yield route, odd(random, self.bodies[route], KEPT[str(route)][1])

    def wrong_with(self, route: Route, hostile: Hostile, answer: Answer) -> str:
        """What is wrong with the answer; empty if nothing is."""
        if answer.status >= 500:
            return "a server's error"
        if answer.status == 0:
            return "" if hostile.unfinished else "no answer"
        if answer.status >= 400:
            return "" if hostile.unfinished or _is_problem(answer) else "no problem document"
        if hostile.meant is None:
            return "accepted" if route in self.bodies else ""
        return "" if self.is_kept(route, hostile.meant) else "stored otherwise"


def _stranger() -> User:
    return get_or_make_user(email="mallory@example.org")


@transaction.atomic
def _everything_of(alice: User) -> dict[str, Any]:
    conversation = make_conversation(alice)
    draft = make_draft(conversation, "One", "Two")
    make_turn(draft, "A question", "An answer")
    return {
        "conversation_id": conversation.pk,
        "file_id": make_file(conversation).pk,
        "version_id": draft.versions.earliest("version_number").pk,
        "run_id": make_run(alice, conversation).id,
        "session_id": 10**9,
        "import_id": make_archive(alice, "One").id,
        "prompt_type": "project_draft_chat",
        "version": 0,
    }


def _valid_bodies() -> Iterator[tuple[Route, dict[str, Any]]]:
    """An acceptable JSON body of each route that takes one; forms take none, and refuse whatever JSON they are sent."""
    document: dict[str, Any] = SchemaGenerator().get_schema(request=None, public=True)
    for route in api_routes():
        content = document["paths"][route.template][route.method].get("requestBody", {}).get("content", {})
        if str(route) in FORMS or (content and "application/json" not in content):
            yield route, {"file": "A note."}
        elif content:
            name = content["application/json"]["schema"]["$ref"].rpartition("/")[2]
            schema = document["components"]["schemas"][name]
            yield route, {name: BODY[name] for name in schema["properties"] if name in BODY}


def _received(connection: socket.socket) -> Iterator[bytes]:
    try:
        while piece := connection.recv(65_536):
            yield piece
    except ConnectionResetError:
        pass  # it hung up while there was something unread


def _parse(answer: bytes) -> Answer:
    head, _, body = answer.partition(b"\r\n\r\n")
    line, *fields = head.decode("latin-1").split("\r\n")
    headers = dict(field.lower().split(": ", 1) for field in fields)
    return Answer(int(line.split(" ")[1]) if line else 0, headers.get("content-type", ""), body)


def _is_problem(answer: Answer) -> bool:
    if answer.content_type != "application/problem+json":
        return False
    document = json.loads(answer.body)
    return bool(document["status"] == answer.status and document["code"] and document["detail"])

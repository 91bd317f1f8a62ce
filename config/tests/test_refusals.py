"""Every way of refusing answers alike: whoever reads one refusal of the API can read them all."""

import json
from collections.abc import Callable
from typing import Any, NamedTuple

import pytest
from django.db import connection
from django.test import Client

from accounts import keys
from accounts.models import User
from config.limits import Rate
from config.redis import client as redis_client
from config.tests import openapi
from config.tests.api_routes import check_refused
from config.tests.making import make_conversation, make_draft, make_run
from config.tests.stack import Stack, chat_path
from config.tests.test_access_matrix import with_key
from conftest import signed_in
from conversations.models import Run

JSON = "application/json"
PROBLEM = {"$ref": "#/components/schemas/Problem"}


class Scene(NamedTuple):
    """Alice with her browser, and a conversation of hers with a draft, in which a run is waiting."""

    alice: User
    browser: Client
    conversation: int
    settings: Any

    def draft(self, body: Any = None, **options: Any) -> Any:
        path = f"/api/conversations/{self.conversation}/project-draft"
        return self.browser.patch(path, json.dumps(body) if body is not None else "", content_type=JSON, **options)

    def lock(self) -> None:
        with connection.cursor() as cursor:
            cursor.execute("UPDATE conversations SET is_locked = true WHERE id = %s", [self.conversation])


@pytest.fixture
def scene(alice: User, settings: Any) -> Scene:
    for key in redis_client().scan_iter("rate:*"):
        redis_client().delete(key)
    settings.ALLOWED_HOSTS = ["testserver"]
    conversation = make_conversation(alice)
    make_draft(conversation)
    return Scene(alice, signed_in(alice), conversation.pk, settings)


def too_often(scene: Scene) -> Any:
    scene.settings.LIMIT_SIGN_INS = Rate(1, 60)
    asked = [Client(REMOTE_ADDR="192.0.2.9").get("/api/auth/login") for _ in range(2)]
    return asked[-1]


def without_scope(scene: Scene) -> Any:
    key = keys.create(service_name="reader", scopes=["search:read"], user=scene.alice)
    return with_key(key).get("/api/conversations")


def locked(scene: Scene) -> Any:
    scene.lock()
    return scene.draft({"title": "A", "description": "B"})


def running(scene: Scene) -> Any:
    make_run(scene.alice, None, conversation_id=scene.conversation, state=Run.State.RUNNING)
    body = {"message": "Hello", "llm_provider": "demo", "llm_model": "demo-1"}
    return scene.browser.post(chat_path(scene.conversation), body, content_type=JSON)


def too_many_fields(scene: Scene) -> Any:
    form = {f"field{number}": "x" for number in range(1001)}
    return scene.browser.post(f"/api/conversations/{scene.conversation}/files", form)


def without_database(scene: Scene) -> Any:
    """The statement takes longer than it may, which is how a database that does not answer shows, too."""
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL statement_timeout = 1")
        cursor.execute("CREATE OR REPLACE FUNCTION pg_temp.slow() RETURNS trigger LANGUAGE plpgsql AS "
                       "'BEGIN PERFORM pg_sleep(1); RETURN NEW; END'")  # fmt: skip
        cursor.execute("CREATE TRIGGER slow BEFORE UPDATE ON conversations EXECUTE FUNCTION pg_temp.slow()")
    path = f"/api/conversations/{scene.conversation}"
    return scene.browser.patch(path, {"title": "Another"}, content_type=JSON)


WAYS: dict[str, tuple[int, str, Callable[[Scene], Any]]] = {
    "nobody": (401, "not_authenticated", lambda scene: Client().get("/api/conversations")),
    "a bad key": (401, "authentication_failed", lambda scene: with_key("dl_no").get("/api/conversations")),
    "a key that may not": (403, "missing_scope", without_scope),
    "not an operator": (403, "forbidden", lambda scene: scene.browser.get("/api/integrations")),
    "another site": (
        403, "foreign_origin", lambda scene: scene.draft({}, headers={"Origin": "https://evil.example"})
    ),
    "no such path of the API": (404, "not_found", lambda scene: scene.browser.get("/api/nothing")),
    "no such page": (404, "not_found", lambda scene: scene.browser.get("/nothing")),
    "no such thing": (404, "conversation_not_found", lambda scene: scene.browser.get("/api/conversations/999999")),
    "an id of zero": (400, "invalid_id", lambda scene: scene.browser.get("/api/conversations/0")),
    "no id": (422, "invalid_id", lambda scene: scene.browser.get("/api/conversations/first")),
    "another method": (405, "method_not_allowed", lambda scene: scene.browser.put("/api/conversations")),
    "another method of a page": (405, "method_not_allowed", lambda scene: scene.browser.post("/api/runs")),
    "another host": (400, "invalid_host", lambda scene: scene.browser.get("/api/auth/me", headers={"Host": "a.b"})),
    "no JSON": (400, "malformed", lambda scene: scene.browser.patch(
        f"/api/conversations/{scene.conversation}", "{", content_type=JSON)),
    "no JSON type": (415, "unsupported_type", lambda scene: scene.browser.patch(
        f"/api/conversations/{scene.conversation}", "title=x", content_type="application/x-www-form-urlencoded")),
    "a broken form": (400, "malformed", lambda scene: scene.browser.post(
        f"/api/conversations/{scene.conversation}/files", b"--x", content_type="multipart/form-data; boundary=")),
    "too many fields": (400, "bad_request", too_many_fields),
    "members missing": (422, "validation_error", lambda scene: scene.draft({})),
    "text with NUL": (422, "unstorable_text", lambda scene: scene.draft({"title": "\x00", "description": "x"})),
    "not now": (409, "conversation_locked", locked),
    "not meanwhile": (409, "run_in_progress", running),
    "too often": (429, "too_many_requests", too_often),
    "no database": (503, "database_unavailable", without_database),
    "not configured": (503, "google_not_configured", lambda scene: scene.browser.get("/api/auth/login")),
}  # fmt: skip


@pytest.mark.parametrize("way", WAYS)
def test_it_refuses_in_one_shape(scene: Scene, way: str) -> None:
    status, code, ask = WAYS[way]
    response = ask(scene)
    document = check_refused(response, status)
    assert document["code"] == code
    assert openapi.faults(PROBLEM, document) == []
    assert response.headers.get("Cache-Control") == ("no-cache" if way != "no such page" else None)
    assert ("Retry-After" in response) is (status in {429, 503})
    assert ("WWW-Authenticate" in response) is (status == 401)
    assert "Allow" in response or status != 405
    page = Client().get(document["type"])
    assert (page.status_code, document["title"] in page.content.decode()) == (200, True)


def test_it_refuses_in_the_same_shape_before_django_is_asked(stack: Stack) -> None:
    alice = stack.client()
    refused = [
        (413, "too_large", alice.http.post("/api/auth/logout", content=b"x" * 3_000_000)),
        (415, "unsupported_type", alice.http.post("/api/auth/logout", headers={"Content-Encoding": "br"})),
        (404, "not_found", alice.get("/api/nothing", headers={"Accept": "text/html"})),
        (405, "method_not_allowed", alice.http.request("TRACE", "/api/runs")),
    ]
    for status, code, response in refused:
        document = response.json()
        assert (response.status_code, document["status"], document["code"]) == (status, status, code)
        assert response.headers["content-type"] == "application/problem+json"
        assert document["request_id"] == response.headers["x-request-id"] != ""
        assert document["type"] == f"/problems/{code}"
        assert openapi.faults(PROBLEM, document) == []

from typing import Any

import pytest
from django.conf import settings
from django.test import Client

from accounts.models import User, UserSession
from conftest import signed_in

SPA = "https://spa.example"
OWN = "http://testserver"
JSON: dict[str, Any] = {"content_type": "application/json"}  # the client would send an empty form


@pytest.fixture
def with_spa(settings: Any) -> None:
    settings.CORS_ALLOWED_ORIGINS = [SPA]


# ── Signing in comes first ────────────────────────────────────────────────────────────────────────────────────────────

CLOSED = [
    ("GET", "/api/auth/me"),
    ("GET", "/api/conversations"),
    ("GET", "/api/conversations/"),
    ("GET", "/api/conversations/7"),
    ("GET", "/api/conversations/not-a-number"),
    ("DELETE", "/api/conversations/-1"),
    ("POST", "/api/conversations/import"),
    ("PATCH", "/api/conversations/7/project-draft"),
    ("GET", "/api/llm-defaults/providers"),
    ("GET", "/api/no-such-thing"),
    ("GET", "/api/"),
    ("GET", "/api/auth/"),
    ("GET", "/api/auth/status/more"),
    ("GET", "/api/auth/statusx"),
    ("GET", "/api/auth/login-link"),
    ("GET", "/api/auth/login-link/a/b"),
    ("GET", "/api//auth/status"),
    ("GET", "/api/auth/../conversations"),
    ("GET", "/api/%00"),
    ("GET", "/api/auth/status%0A"),
    ("OPTIONS", "/api/conversations"),
    ("TRACE", "/api/conversations"),
]


@pytest.mark.parametrize(("method", "path"), CLOSED)
def test_nobody_learns_what_exists_before_signing_in(db: None, method: str, path: str) -> None:
    response = Client().generic(method, path, "{", content_type="application/json")
    assert response.status_code == 401
    assert response.headers["Content-Type"] == "application/problem+json"
    assert response.headers["WWW-Authenticate"] == "Cookie"
    document = response.json()
    assert (document["code"], document["status"], document["detail"]) == ("not_authenticated", 401, "Sign in first.")
    assert document["request_id"] == response.headers["X-Request-Id"]


def test_every_refusal_is_the_same(db: None) -> None:
    bodies = []
    for method, path in CLOSED:
        response = Client().generic(method, path, headers={"X-Request-Id": "the-same"})
        bodies.append(response.content)
    assert len(set(bodies)) == 1


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/health",
        "/docs",
        "/redoc",
        "/openapi.json",
        "/api/auth/status",
        "/api/auth/status/",
        "/problems/not_found",
    ],
)
def test_some_pages_are_for_everybody(db: None, path: str) -> None:
    assert Client().get(path).status_code == 200


def test_signing_out_is_for_everybody(db: None) -> None:
    assert Client().post("/api/auth/logout", **JSON).status_code == 200


@pytest.mark.parametrize(
    "path", ["/api/auth/login-link/x", "/api/integrations/linear/webhook", "/api/integrations/slack/events"]
)
def test_links_and_webhooks_have_keys_of_their_own(db: None, path: str) -> None:
    assert Client().post(path).status_code in {403, 404, 405, 503}


def test_who_is_signed_in_learns_that_a_thing_is_missing(alices: Client) -> None:
    assert alices.get("/api/no-such-thing").status_code == 404


def test_a_page_of_an_allowed_origin_may_read_the_refusal(db: None, with_spa: None) -> None:
    for path in ("/api/conversations", "/api/no-such-thing"):
        response = Client().get(path, headers={"Origin": SPA})
        assert response.status_code == 401
        assert response.headers["Access-Control-Allow-Origin"] == SPA
        assert response.headers["Access-Control-Allow-Credentials"] == "true"
        assert "origin" in response.headers["Vary"]


def test_a_page_of_another_origin_may_not(db: None, with_spa: None) -> None:
    response = Client().get("/api/conversations", headers={"Origin": "https://evil.example"})
    assert response.status_code == 401
    assert "Access-Control-Allow-Origin" not in response.headers


def test_a_preflight_needs_no_session(db: None, with_spa: None) -> None:
    headers = {"Origin": SPA, "Access-Control-Request-Method": "PATCH"}
    response = Client().options("/api/conversations/7", headers=headers)
    assert response.status_code == 200
    assert "PATCH" in response.headers["Access-Control-Allow-Methods"]


# ── Where a write comes from ──────────────────────────────────────────────────────────────────────────────────────────

FOREIGN = [
    {"Origin": "https://evil.example"},
    {"Origin": "null"},
    {"Origin": ""},
    {"Origin": "https://testserver"},
    {"Origin": "http://testserver:81"},
    {"Origin": "http://testserver.evil.example"},
    {"Origin": "http://eviltestserver"},
    {"Origin": f"{SPA}.evil.example"},
    {"Origin": "http://spa.example"},
    {"Origin": "https://evil.example", "Referer": f"{OWN}/"},
    {"Origin": "https://evil.example", "Sec-Fetch-Site": "same-origin"},
    {"Referer": "https://evil.example/page"},
    {"Referer": "https://evil.example/http://testserver/"},
    {"Referer": "http://testserver@evil.example/"},
    {"Referer": "http://[evil"},
    {"Referer": "evil"},
    {"Referer": "about:blank"},
    {"Sec-Fetch-Site": "cross-site"},
    {"Referer": "", "Sec-Fetch-Site": "cross-site"},
]
FRIENDLY = [
    {},
    {"Origin": OWN},
    {"Origin": SPA},
    {"Origin": SPA, "Sec-Fetch-Site": "cross-site"},
    {"Origin": OWN, "Referer": "https://evil.example/"},
    {"Referer": f"{OWN}/"},
    {"Referer": f"{SPA}/conversations/7"},
    {"Sec-Fetch-Site": "same-origin"},
    {"Sec-Fetch-Site": "none"},
]


@pytest.mark.parametrize("headers", FOREIGN)
def test_a_write_from_a_foreign_page_changes_nothing(alice: User, with_spa: None, headers: dict[str, str]) -> None:
    client = signed_in(alice)
    response = client.post("/api/auth/logout", headers=headers, **JSON)
    assert response.status_code == 403
    assert response.headers["Content-Type"] == "application/problem+json"
    assert response.json()["code"] == "foreign_origin"
    assert UserSession.objects.filter(user=alice).exists()
    assert client.get("/api/auth/me").status_code == 200


@pytest.mark.parametrize("headers", FRIENDLY)
def test_a_write_from_our_own_page_is_done(alice: User, with_spa: None, headers: dict[str, str]) -> None:
    client = signed_in(alice)
    assert client.post("/api/auth/logout", headers=headers, **JSON).status_code == 200
    assert not UserSession.objects.filter(user=alice).exists()


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "MERGE"])
@pytest.mark.parametrize("path", ["/api/conversations/7", "/api/no-such-thing", "/api/conversations/7/"])
def test_every_way_of_writing_is_guarded(alices: Client, method: str, path: str) -> None:
    response = alices.generic(method, path, headers={"Origin": "https://evil.example"})
    assert (response.status_code, response.json()["code"]) == (403, "foreign_origin")


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS"])
def test_reading_is_left_to_the_browsers_rules(alices: Client, method: str) -> None:
    response = alices.generic(method, "/api/auth/me", headers={"Origin": "https://evil.example"})
    assert response.status_code == 200


def test_a_stale_cookie_is_guarded_too(db: None) -> None:
    client = Client()
    client.cookies[settings.SESSION_COOKIE_NAME] = "stale"
    assert client.post("/api/auth/logout", headers={"Origin": "https://evil.example"}).status_code == 403


def test_without_a_cookie_there_is_nothing_to_abuse(db: None) -> None:
    headers = {"Origin": "https://evil.example"}
    assert Client().post("/api/conversations/import", headers=headers).status_code == 401


def test_behind_a_proxy_the_origin_is_the_one_of_the_browser(alices: Client) -> None:
    headers = {"Origin": "https://app.example", "Host": "app.example", "X-Forwarded-Proto": "https"}
    assert alices.post("/api/auth/logout", headers=headers, **JSON).status_code == 200


def test_a_page_of_an_allowed_origin_may_read_that_it_was_refused(alices: Client, with_spa: None) -> None:
    response = alices.post("/api/auth/logout", headers={"Origin": "https://evil.example"})
    assert "Access-Control-Allow-Origin" not in response.headers
    response = alices.post("/api/no-such-thing", headers={"Origin": SPA})
    assert response.status_code == 404
    assert response.headers["Access-Control-Allow-Origin"] == SPA

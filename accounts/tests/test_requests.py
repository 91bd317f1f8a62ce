"""What the web's usual attacks come to: forged requests, foreign origins, guessing, framing."""

import json
from typing import Any

import pytest
from django.conf import settings as configured
from django.test import Client

from accounts import services
from accounts.models import User, UserSession
from config.limits import Rate
from config.redis import client as redis_client
from config.tests.api_routes import row_counts
from config.tests.making import make_conversation, make_draft
from conftest import signed_in

SPA = "https://spa.example"
HOSTILE = [
    "https://evil.example",
    "http://evil.example",
    "null",
    "file://",
    "https://spa.example.evil.example",
    "https://evilspa.example",
    "https://spa.examples",
    "https://spa.example:444",
    "http://spa.example",
    "https://sub.spa.example",
    "https://spa.example@evil.example",
    "https://evil.example#https://spa.example",
    "https://evil.example?https://spa.example",
    "https://SPA.example.",
    "https://spa.example,https://evil.example",
    "https://spa.example\\.evil.example",
    "https://spa_example",
    "http://testserver.evil.example",
    "https://testserver",
    "http://testserver:8000",
    "http://127.0.0.1",
    "moz-extension://testserver",
]
BODY = {"title": "Forged", "description": "Forged", "message": "Forged", "text": "User: a\n\nAssistant: b"}
FORMS = {
    "application/x-www-form-urlencoded": "title=Forged&description=Forged&message=Forged",
    "multipart/form-data; boundary=b": '--b\r\nContent-Disposition: form-data; name="text"\r\n\r\nUser: a\r\n--b--\r\n',
    "text/plain": json.dumps(BODY),
    "application/json": json.dumps(BODY),
}


@pytest.fixture(autouse=True)
def spa(settings: Any) -> None:
    settings.CORS_ALLOWED_ORIGINS = [SPA]


def targets(user: User) -> list[tuple[str, str]]:
    """Writes that a forger would like."""
    conversation = make_conversation(user)
    make_draft(conversation)
    one = f"/api/conversations/{conversation.pk}"
    return [
        ("POST", "/api/conversations/import-file"),
        ("POST", f"{one}/project-draft/chat/stream"),
        ("POST", f"{one}/project-draft/generate"),
        ("PATCH", one),
        ("PATCH", f"{one}/project-draft"),
        ("DELETE", one),
        ("DELETE", "/api/auth/sessions"),
        ("POST", "/api/auth/logout"),
    ]


@pytest.mark.parametrize("content_type", FORMS)
def test_a_hostile_page_changes_nothing(alice: User, alices: Client, content_type: str) -> None:
    services.open_session(user=alice)
    paths, before = targets(alice), row_counts()
    for origin in HOSTILE:
        for method, path in paths:
            response = alices.generic(method, path, FORMS[content_type], content_type, headers={"Origin": origin})
            assert (response.status_code, response.json()["code"]) == (403, "foreign_origin"), (origin, path)
            assert "Access-Control-Allow-Origin" not in response.headers
    assert row_counts() == before


@pytest.mark.parametrize("origin", HOSTILE)
def test_a_hostile_page_may_read_nothing(alices: Client, origin: str) -> None:
    for path in ("/api/auth/me", "/api/conversations", "/api/auth/status"):
        response = alices.get(path, headers={"Origin": origin})
        assert "Access-Control-Allow-Origin" not in response.headers
    asked = {"Origin": origin, "Access-Control-Request-Method": "DELETE", "Access-Control-Request-Headers": "x-api-key"}
    assert "Access-Control-Allow-Origin" not in Client().options("/api/conversations/1", headers=asked).headers


@pytest.mark.parametrize("content_type", ["application/x-www-form-urlencoded", "text/plain"])
def test_what_a_form_can_send_is_not_read_even_from_our_own_page(
    alice: User, alices: Client, content_type: str
) -> None:
    paths, before = targets(alice)[:5], row_counts()
    for method, path in paths:
        response = alices.generic(method, path, FORMS[content_type], content_type, headers={"Origin": SPA})
        assert (response.status_code, response.json()["code"]) == (415, "unsupported_type")
    assert row_counts() == before


# ── Headers ───────────────────────────────────────────────────────────────────────────────────────────────────────────

SAFE = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
}
ANSWERS = {
    "/": 200,
    "/docs": 200,
    "/health": 200,
    "/openapi.json": 200,
    "/admin/login/": 200,
    "/admin/": 302,
    "/nothing": 404,
    "/api/auth/status": 200,
    "/api/auth/login-link/spent": 410,
    "/api/conversations": 401,
    "/api/nothing": 401,
    "/static/nothing": 404,
}


@pytest.mark.parametrize("path", ANSWERS)
def test_it_sends_security_headers_with_every_answer(db: None, path: str) -> None:
    response = Client().get(path)
    assert response.status_code == ANSWERS[path]
    itself = {"Cross-Origin-Opener-Policy": "unsafe-none"} if path == "/docs" else {}  # Swagger's page opens others
    assert {name: response.headers.get(name) for name in SAFE} == SAFE | itself


def test_it_sends_them_with_refusals_too(alices: Client) -> None:
    refusals = {
        403: alices.delete("/api/conversations/1", headers={"Origin": "https://evil.example"}),
        404: alices.get("/api/conversations/1"),
        405: alices.put("/api/conversations"),
        401: Client().get("/api/conversations", headers={"X-API-Key": "bad"}),
    }
    for status, response in refusals.items():
        assert response.status_code == status
        assert {name: response.headers.get(name) for name in SAFE} == SAFE


def test_it_keeps_browsers_on_https_in_production(db: None, settings: Any) -> None:
    settings.SECURE_HSTS_SECONDS, settings.SECURE_HSTS_INCLUDE_SUBDOMAINS = 31_536_000, True
    response = Client().get("/api/auth/status", secure=True)
    assert response.headers["Strict-Transport-Security"] == "max-age=31536000; includeSubDomains"


def test_it_lets_no_script_read_the_session_cookie(alice: User) -> None:
    client, token = Client(), services.issue_login_link(user=alice)
    cookie = client.get(f"/api/auth/login-link/{token}").cookies[configured.SESSION_COOKIE_NAME]
    assert (cookie["httponly"], cookie["samesite"], cookie["path"]) == (True, "Lax", "/")


# ── How often ─────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def three_a_minute(settings: Any) -> Any:
    def forget() -> None:
        for key in redis_client().scan_iter("rate:sign-ins:*"):
            redis_client().delete(key)

    forget()
    settings.LIMIT_SIGN_INS = Rate(3, 60)
    yield
    forget()


@pytest.mark.parametrize("path", ["/api/auth/login", "/api/auth/callback", "/api/auth/login-link/guessed"])
def test_it_lets_an_address_try_to_sign_in_only_so_often(db: None, three_a_minute: None, path: str) -> None:
    client = Client(REMOTE_ADDR="192.0.2.7")
    assert [client.get(path).status_code == 429 for _ in range(5)] == [False] * 3 + [True] * 2
    refused = client.get(f"{path}/")
    assert (refused.status_code, refused.json()["code"]) == (429, "too_many_requests")
    assert 1 <= int(refused["Retry-After"]) <= 60
    assert Client(REMOTE_ADDR="192.0.2.8").get(path).status_code != 429


def test_it_signs_nobody_in_who_tried_too_often(alice: User, three_a_minute: None) -> None:
    token, client = services.issue_login_link(user=alice), Client(REMOTE_ADDR="192.0.2.7")
    for _ in range(3):
        client.get("/api/auth/login-link/guessed")
    assert client.get(f"/api/auth/login-link/{token}").status_code == 429
    assert not UserSession.objects.filter(user=alice).exists()
    other = Client(REMOTE_ADDR="192.0.2.8")
    assert other.get(f"/api/auth/login-link/{token}").status_code == 302  # the link was not spent


def test_it_does_not_count_those_who_are_signed_in(alice: User, three_a_minute: None) -> None:
    client = signed_in(alice)
    assert {client.get("/api/auth/me").status_code for _ in range(10)} == {200}
    assert {client.get("/api/auth/status").status_code for _ in range(10)} == {200}

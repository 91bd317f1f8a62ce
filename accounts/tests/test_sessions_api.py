"""Where somebody is signed in: `/api/auth/sessions`, `/api/auth/cleanup`, and the commands beside them."""

from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
from django.conf import settings
from django.core.management import CommandError, call_command
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts import services
from accounts.models import AuditEvent, LoginLink, User, UserSession
from accounts.sessions import SessionStore, digest
from conftest import make_user, signed_in

COOKIE = settings.SESSION_COOKIE_NAME
SESSIONS = "/api/auth/sessions"


def coming_from(user: User, agent: str, address: str = "192.0.2.7") -> Client:
    """A browser of this name and address, signed in with a link."""
    client = Client(headers={"User-Agent": agent}, REMOTE_ADDR=address)
    assert client.get(f"/api/auth/login-link/{services.issue_login_link(user=user)}").status_code == 302
    return client


def listed(client: Client) -> list[dict[str, Any]]:
    response = client.get(SESSIONS)
    assert response.status_code == 200
    sessions: list[dict[str, Any]] = response.json()["sessions"]
    return sessions


def id_of(client: Client) -> int:
    return UserSession.objects.get(session_key=digest(client.cookies[COOKIE].value)).pk


def is_signed_in(client: Client) -> bool:
    return bool(client.get("/api/auth/me").status_code == 200)


def run(command: str, *words: str) -> str:
    out = StringIO()
    call_command(command, *words, stdout=out)
    return out.getvalue()


# ── The list ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_it_tells_of_each_browser_where_and_since_when(alice: User) -> None:
    phone, laptop = coming_from(alice, "Phone/1.0"), coming_from(alice, "Laptop/2.0", "2001:db8::7")
    first, second = listed(phone)
    assert set(first) == {"id", "user_agent", "address", "created_at", "last_used_at", "expires_at", "is_current"}
    assert (first["id"], first["user_agent"], first["address"]) == (id_of(laptop), "Laptop/2.0", "2001:db8::7")
    assert (second["user_agent"], second["address"]) == ("Phone/1.0", "192.0.2.7")
    assert (first["is_current"], second["is_current"]) == (False, True)


def test_it_holds_no_key(alice: User) -> None:
    client = coming_from(alice, "Phone/1.0")
    text = client.get(SESSIONS).content.decode()
    assert client.cookies[COOKIE].value not in text
    assert digest(client.cookies[COOKIE].value) not in text


def test_it_leaves_out_those_of_others_and_those_that_are_over(alice: User, bobs: Client) -> None:
    client, old = coming_from(alice, "Phone/1.0"), coming_from(alice, "Old/1.0")
    UserSession.objects.filter(pk=id_of(old)).update(expire_date=timezone.now())
    assert [session["user_agent"] for session in listed(client)] == ["Phone/1.0"]


def test_it_keeps_the_start_of_whatever_a_browser_calls_itself(alice: User) -> None:
    (session,) = listed(coming_from(alice, "<script>" + "x" * 5_000))
    assert session["user_agent"] == "<script>" + "x" * 292


def test_a_session_made_by_a_command_has_no_browser(alices: Client) -> None:
    (session,) = listed(alices)
    assert (session["user_agent"], session["address"], session["is_current"]) == ("", "", True)


@pytest.mark.parametrize(("method", "path"), [("get", ""), ("delete", ""), ("delete", "/1")])
def test_it_is_for_who_is_signed_in(db: None, method: str, path: str) -> None:
    assert getattr(Client(), method)(SESSIONS + path).status_code == 401


# ── The last use ──────────────────────────────────────────────────────────────────────────────────────────────────────


def last_use() -> Any:
    return UserSession.objects.get().last_used_at


def test_signing_in_is_a_use(alices: Client) -> None:
    assert timezone.now() - last_use() < timedelta(seconds=10)


def test_a_use_is_written_once_a_minute(alices: Client) -> None:
    before = timezone.now() - timedelta(seconds=61)
    UserSession.objects.update(last_used_at=before)
    alices.get("/api/auth/me")
    noted = last_use()
    assert noted > before + timedelta(seconds=60)
    with CaptureQueriesContext(connection) as queries:
        alices.get("/api/auth/me")
    assert [query["sql"] for query in queries if query["sql"].startswith("UPDATE")] == []
    assert last_use() == noted


def test_a_use_within_the_minute_is_not_written(alices: Client) -> None:
    recently = timezone.now() - timedelta(seconds=50)
    UserSession.objects.update(last_used_at=recently)
    alices.get("/api/auth/me")
    assert last_use() == recently


def test_a_session_of_before_is_used_now(alices: Client) -> None:
    UserSession.objects.update(last_used_at=None)
    alices.get("/api/auth/me")
    assert last_use() is not None


def test_a_session_ends_when_it_was_made_to_end(alice: User) -> None:
    store = SessionStore(services.open_session(user=alice))
    soon = timezone.now() + timedelta(minutes=1)
    UserSession.objects.update(expire_date=soon)
    store["seen"] = True
    store.save()
    assert UserSession.objects.get().expire_date == soon
    assert SessionStore(store.session_key)["seen"] is True


# ── Signing out elsewhere ─────────────────────────────────────────────────────────────────────────────────────────────


def test_it_signs_one_browser_out_at_once(alice: User) -> None:
    phone, laptop, third = (coming_from(alice, name) for name in ("Phone", "Laptop", "Third"))
    assert phone.delete(f"{SESSIONS}/{id_of(laptop)}").json() == {"message": "The session was ended."}
    assert [is_signed_in(client) for client in (phone, laptop, third)] == [True, False, True]


def test_it_signs_this_browser_out_if_asked(alice: User) -> None:
    client = coming_from(alice, "Phone")
    assert client.delete(f"{SESSIONS}/{id_of(client)}").status_code == 200
    assert not is_signed_in(client)
    assert not UserSession.objects.exists()


def test_a_session_of_somebody_else_is_not_there(alices: Client, bobs: Client) -> None:
    missing = alices.delete(f"{SESSIONS}/{2**62}")
    refused = alices.delete(f"{SESSIONS}/{id_of(bobs)}")
    assert (refused.status_code, refused.json()["detail"]) == (404, missing.json()["detail"])
    assert is_signed_in(bobs)


def test_not_even_an_operator_ends_one_of_somebody_else_here(olivias: Client, bobs: Client) -> None:
    assert olivias.delete(f"{SESSIONS}/{id_of(bobs)}").status_code == 404
    assert is_signed_in(bobs)


def test_one_that_is_over_is_not_there(alices: Client, alice: User) -> None:
    old = signed_in(alice)
    UserSession.objects.filter(pk=id_of(old)).update(expire_date=timezone.now())
    assert alices.delete(f"{SESSIONS}/{id_of(old)}").status_code == 404


@pytest.mark.parametrize(("session_id", "status"), [("0", 400), ("-1", 400), ("x", 422), ("1e3", 422), ("9" * 40, 404)])
def test_an_id_is_an_id(alices: Client, session_id: str, status: int) -> None:
    assert alices.delete(f"{SESSIONS}/{session_id}").status_code == status


def test_it_signs_all_other_browsers_out(alice: User, bobs: Client) -> None:
    phone, laptop, third = (coming_from(alice, name) for name in ("Phone", "Laptop", "Third"))
    assert phone.delete(SESSIONS).json() == {"message": "Other sessions ended: 2."}
    assert [is_signed_in(client) for client in (phone, laptop, third)] == [True, False, False]
    assert is_signed_in(bobs)
    assert phone.delete(SESSIONS).json() == {"message": "Other sessions ended: 0."}


def test_the_audit_tells_who_signed_whom_out(alice: User) -> None:
    phone, laptop, _ = (coming_from(alice, name) for name in ("Phone", "Laptop", "Third"))
    ended = id_of(laptop)
    phone.delete(f"{SESSIONS}/{ended}")
    phone.delete(f"{SESSIONS}/{ended}")
    phone.delete(SESSIONS)
    told = AuditEvent.objects.filter(action="session.revoked", user=alice).order_by("id")
    assert [event.resource for event in told] == [f"session {ended}", "1 other sessions"]


def test_a_foreign_page_signs_nobody_out(alice: User) -> None:
    phone, laptop = coming_from(alice, "Phone"), coming_from(alice, "Laptop")
    for path in (SESSIONS, f"{SESSIONS}/{id_of(laptop)}"):
        assert phone.delete(path, headers={"Origin": "https://evil.example"}).status_code == 403
    assert is_signed_in(laptop)


# ── Cleaning up ───────────────────────────────────────────────────────────────────────────────────────────────────────


def leave_behind(user: User) -> None:
    """Two sessions and a link that are over."""
    past = timezone.now() - timedelta(seconds=1)
    for _ in range(2):
        SessionStore().create()
    UserSession.objects.filter(user=None).update(expire_date=past)
    services.issue_login_link(user=user)
    LoginLink.objects.update(expires_at=past)


def test_an_operator_cleans_up(olivias: Client, bob: User) -> None:
    leave_behind(bob)
    response = olivias.delete("/api/auth/cleanup")
    assert (response.status_code, response.json()) == (200, {"message": "Deleted what was over: 3."})
    assert UserSession.objects.count() == 1
    assert not LoginLink.objects.exists()
    assert is_signed_in(olivias)


def test_a_member_does_not_clean_up(alices: Client, bob: User) -> None:
    leave_behind(bob)
    response = alices.delete("/api/auth/cleanup")
    assert (response.status_code, response.json()["code"]) == (403, "forbidden")
    assert UserSession.objects.count() == 3


def test_nobody_unknown_cleans_up(db: None) -> None:
    assert Client().delete("/api/auth/cleanup").status_code == 401


def test_a_command_cleans_up(bob: User) -> None:
    leave_behind(bob)
    assert run("clearsessions") == "Deleted what was over: 3.\n"
    assert not UserSession.objects.exists()


# ── Making operators ──────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_command_makes_an_operator_of_a_member(alice: User, alices: Client) -> None:
    assert alices.get("/admin/").status_code == 302
    assert "alice@example.org is an operator" in run("make_operator", "Alice@Example.org")
    assert alices.get("/admin/").status_code == 200
    assert User.objects.get() == alice


def test_a_command_makes_the_first_operator(db: None) -> None:
    said = run("make_operator", "first@example.org")
    assert User.objects.get(email="first@example.org").is_operator
    assert "manage.py login_link first@example.org" in said


def test_nobody_is_made_an_operator_twice(db: None) -> None:
    make_user("olivia@example.org", operator=True)
    run("make_operator", "olivia@example.org")
    assert User.objects.get().groups.count() == 2


def test_only_an_address_becomes_an_operator(db: None) -> None:
    with pytest.raises(CommandError, match="'carol' is not an e-mail address"):
        run("make_operator", "carol")
    assert not User.objects.exists()


def test_nobody_deactivated_becomes_an_operator(alice: User) -> None:
    User.objects.update(is_active=False)
    with pytest.raises(CommandError, match="is deactivated"):
        run("make_operator", alice.email)
    assert not User.objects.get().groups.filter(name="Operator").exists()

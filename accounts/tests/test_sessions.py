import hashlib
from datetime import timedelta
from typing import Any

import pytest
from django.conf import settings
from django.contrib.sessions.backends.base import CreateError, UpdateError
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts import services, tasks
from accounts.models import LoginLink, User, UserSession
from accounts.sessions import SessionStore

COOKIE = settings.SESSION_COOKIE_NAME


def cookie_of(client: Client) -> str:
    return client.cookies[COOKIE].value


def sign_in(client: Client, user: User) -> str:
    """Signs in with a link; the session's key."""
    client.get(f"/api/auth/login-link/{services.issue_login_link(user=user)}")
    return cookie_of(client)


# ── The rows ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_table_holds_only_the_digest_of_a_key(alice: User) -> None:
    key = sign_in(Client(), alice)
    with connection.cursor() as cursor:
        cursor.execute("SELECT * FROM user_sessions")
        (row,) = cursor.fetchall()
    assert hashlib.sha256(key.encode()).hexdigest() in row
    assert not any(key in str(value) for value in row)


def test_the_digest_is_no_key(alice: User) -> None:
    services.open_session(user=alice)
    client = Client()
    client.cookies[COOKIE] = UserSession.objects.get().session_key
    assert client.get("/api/auth/me").status_code == 401


def test_a_row_names_its_user_and_its_end(alice: User) -> None:
    services.open_session(user=alice)
    row = UserSession.objects.get()
    assert row.user == alice
    left = row.expire_date - timezone.now()
    assert timedelta(0) < timedelta(seconds=settings.SESSION_COOKIE_AGE) - left < timedelta(seconds=10)


def test_a_session_before_signing_in_has_no_user(db: None) -> None:
    store = SessionStore()
    store["seen"] = True
    store.save()
    assert UserSession.objects.get().user is None
    again = SessionStore(store.session_key)
    assert again["seen"] is True
    assert again.owner is None


def test_a_key_that_nobody_gave_out_is_not_taken_over(db: None) -> None:
    store = SessionStore("chosen-by-somebody-else")
    store["seen"] = True
    store.save()
    assert store.session_key != "chosen-by-somebody-else"
    assert not store.exists("chosen-by-somebody-else")


def test_a_key_is_given_out_once(db: None) -> None:
    store = SessionStore()
    store.create()
    with pytest.raises(CreateError):
        SessionStore(store.session_key).save(must_create=True)
    assert UserSession.objects.count() == 1


def test_a_deleted_session_does_not_come_back(alice: User) -> None:
    store = SessionStore(services.open_session(user=alice))
    store["seen"] = True
    SessionStore().delete(store.session_key)
    with pytest.raises(UpdateError):
        store.save()
    assert not UserSession.objects.exists()


def test_deleting_without_a_key_deletes_nothing(alice: User) -> None:
    services.open_session(user=alice)
    SessionStore().delete()
    assert UserSession.objects.count() == 1


def test_a_session_that_is_over_opens_nothing(alices: Client) -> None:
    UserSession.objects.update(expire_date=timezone.now())
    assert alices.get("/api/auth/me").status_code == 401


def test_clearing_takes_what_is_over_and_nothing_else(alice: User, bob: User) -> None:
    for user in (alice, bob):
        services.open_session(user=user)
        services.issue_login_link(user=user)
    past = timezone.now() - timedelta(seconds=1)
    UserSession.objects.filter(user=alice).update(expire_date=past)
    LoginLink.objects.filter(user=alice).update(expires_at=past)
    assert tasks.clear_sessions() == 2
    assert (UserSession.objects.get().user, LoginLink.objects.get().user) == (bob, bob)


# ── Signing in ────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_key_changes_at_each_sign_in(alice: User) -> None:
    client = Client()
    first = sign_in(client, alice)
    second = sign_in(client, alice)
    assert first != second
    assert UserSession.objects.count() == 1
    client.cookies[COOKIE] = first
    assert client.get("/api/auth/me").status_code == 401


def test_a_key_from_before_signing_in_is_worth_nothing_after(alice: User) -> None:
    planted = SessionStore()
    planted["seen"] = True
    planted.save()
    client = Client()
    client.cookies[COOKIE] = str(planted.session_key)
    assert sign_in(client, alice) != planted.session_key
    assert not SessionStore().exists(planted.session_key)


def test_two_browsers_have_sessions_of_their_own(alice: User) -> None:
    one, other = Client(), Client()
    assert sign_in(one, alice) != sign_in(other, alice)
    one.post("/api/auth/logout", content_type="application/json")
    assert other.get("/api/auth/me").status_code == 200


def test_the_cookie_is_for_the_server_only(alice: User) -> None:
    client = Client()
    sign_in(client, alice)
    cookie = client.cookies[COOKIE]
    assert (cookie["httponly"], cookie["samesite"], cookie["path"]) == (True, "Lax", "/")
    assert cookie["max-age"] == settings.SESSION_COOKIE_AGE


def test_signing_in_is_remembered_as_the_last_time(alice: User) -> None:
    sign_in(Client(), alice)
    alice.refresh_from_db()
    assert alice.last_login is not None
    assert timezone.now() - alice.last_login < timedelta(seconds=10)


def test_a_request_reads_the_session_and_its_user_at_once(alices: Client, alice: User) -> None:
    with CaptureQueriesContext(connection) as queries:
        assert alices.get("/api/auth/me").json() == {"id": alice.pk, "email": "alice@example.org", "name": "alice"}
    assert len(queries) == 1


# ── Signing out ───────────────────────────────────────────────────────────────────────────────────────────────────────


def assert_cookie_is_cleared(response: Any) -> None:
    cookie = response.cookies[COOKIE]
    assert (cookie.value, cookie["max-age"], cookie["path"], cookie["samesite"]) == ("", 0, "/", "Lax")


def test_signing_out_deletes_the_session_and_the_cookie(alices: Client) -> None:
    key = cookie_of(alices)
    response = alices.post("/api/auth/logout", content_type="application/json")
    assert (response.status_code, response.json()) == (200, {"message": "Signed out."})
    assert_cookie_is_cleared(response)
    assert not UserSession.objects.exists()
    alices.cookies[COOKIE] = key
    assert alices.get("/api/auth/me").status_code == 401


@pytest.mark.parametrize("cookie", ["", "stale"])
def test_signing_out_clears_the_cookie_also_without_a_session(db: None, cookie: str) -> None:
    client = Client()
    if cookie:
        client.cookies[COOKIE] = cookie
    response = client.post("/api/auth/logout", content_type="application/json")
    assert response.status_code == 200
    assert_cookie_is_cleared(response)


def test_signing_out_clears_the_cookie_of_a_session_that_is_over(alices: Client) -> None:
    UserSession.objects.update(expire_date=timezone.now())
    response = alices.post("/api/auth/logout", content_type="application/json")
    assert response.status_code == 200
    assert_cookie_is_cleared(response)


def test_a_link_to_the_address_does_not_sign_anybody_out(alices: Client) -> None:
    assert alices.get("/api/auth/logout").status_code == 405
    assert alices.get("/api/auth/me").status_code == 200


# ── Who is it? ────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_status_tells_who_is_signed_in(alices: Client, alice: User) -> None:
    user = {"id": alice.pk, "email": "alice@example.org", "name": "alice"}
    assert alices.get("/api/auth/status").json() == {"authenticated": True, "user": user, "google": False}


@pytest.mark.parametrize("cookie", ["", "stale", "x" * 5_000, "%00", "ü"])
def test_status_answers_everybody(db: None, cookie: str) -> None:
    headers = {"Cookie": f"{COOKIE}={cookie}"}
    response = Client().get("/api/auth/status", headers=headers)
    assert (response.status_code, response.json()) == (200, {"authenticated": False, "user": None, "google": False})


def test_me_is_for_who_is_signed_in(db: None) -> None:
    response = Client().get("/api/auth/me")
    assert (response.status_code, response.json()["code"]) == (401, "not_authenticated")


def test_whoever_is_deactivated_is_out_at_the_next_request(alices: Client, alice: User) -> None:
    assert alices.get("/api/auth/me").status_code == 200
    User.objects.filter(pk=alice.pk).update(is_active=False)
    assert alices.get("/api/auth/me").status_code == 401
    assert alices.get("/api/auth/status").json()["authenticated"] is False


def test_an_operator_without_the_role_is_out_of_the_back_office_at_once(olivias: Client, olivia: User) -> None:
    assert olivias.get("/admin/").status_code == 200
    olivia.groups.clear()
    assert olivias.get("/admin/").status_code == 302

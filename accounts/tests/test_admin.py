import hashlib

import pytest
from django.apps import apps
from django.conf import settings
from django.contrib import admin
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.auth.models import Group
from django.contrib.contenttypes.models import ContentType
from django.test import Client
from django.utils import timezone

from accounts import services
from accounts.admin import excerpt
from accounts.models import LoginLink, ServiceKey, User, UserSession
from config.tests.admin_pages import (
    Make,
    address,
    check_closed,
    check_pages,
    check_read_only,
    detail_page,
    list_page,
    page,
)

KEY_HASH = hashlib.sha256(b"a service's key").hexdigest()
OURS = ["accounts", "llmconfig", "conversations", "drafts", "chat", "search"]


def make_user(number: int) -> User:
    return services.get_or_make_user(email=f"person{number}@example.org", operator=number % 2 == 0)


def make_session(number: int) -> UserSession:
    services.open_session(user=make_user(number))
    return UserSession.objects.latest("id")


def make_link(number: int) -> LoginLink:
    services.issue_login_link(user=make_user(number))
    return LoginLink.objects.latest("id")


def make_key(number: int) -> ServiceKey:
    return ServiceKey.objects.create(
        service_name="slack", prefix=f"dl_{number}", api_key_hash=KEY_HASH, scopes=["import"], user=make_user(number)
    )


def make_entry(number: int) -> LogEntry:
    user = make_user(number)
    content_type = ContentType.objects.get_for_model([User, LoginLink, ServiceKey][number % 3])
    return LogEntry.objects.create(
        user=user,
        content_type=content_type,
        object_id=str(user.pk),
        object_repr=user.email,
        action_flag=CHANGE,
        change_message='[{"changed": {"fields": ["Name"]}}]',
    )


MAKERS = [make_user, make_session, make_link, make_key, make_entry]


@pytest.mark.parametrize("make", MAKERS)
def test_it_shows_a_list_without_a_query_for_each_row(olivias: Client, make: Make) -> None:
    check_pages(olivias, make)


@pytest.mark.parametrize("make", MAKERS)
def test_it_lets_nobody_but_operators_in(bobs: Client, make: Make) -> None:
    check_closed(bobs, Client(), make(1))


def test_it_keeps_the_log_as_it_is(olivias: Client) -> None:
    check_read_only(olivias, make_entry(1))


SHOWN_ELSEWHERE = {  # or of no use to people
    "SearchChunk", "OutboxEntry", "CommonWord", "ArchiveEntry", "StoredObject", "TrialDraft",
}  # fmt: skip


def test_it_has_a_page_for_every_model_that_people_look_at() -> None:
    models = {model for label in OURS for model in apps.get_app_config(label).get_models()}
    assert {model.__name__ for model in models if model not in admin.site._registry} <= SHOWN_ELSEWHERE
    assert len(models) >= 15


@pytest.mark.parametrize("word", ["session_key", "session_data", "token_hash", "api_key_hash", "password"])
def test_it_names_no_secret_column_on_any_page(olivias: Client, word: str) -> None:
    for make in MAKERS:
        row = make(1)
        assert word not in list_page(olivias, type(row))
        assert word not in detail_page(olivias, row)


def test_it_shows_no_digest_of_a_secret(olivias: Client) -> None:
    session, link, key = make_session(1), make_link(1), make_key(1)
    urls = [address("changelist", type(row)) for row in (session, link, key)]
    urls += [address("change", type(row), row.pk) for row in (session, link, key)]
    urls += [address("delete", UserSession, session.pk), address("delete", LoginLink, link.pk)]
    shown = "".join(page(olivias, url) for url in urls)
    for secret in (session.session_key, session.session_data, link.token_hash, key.api_key_hash):
        assert secret not in shown


def test_it_writes_no_session_key_into_the_log(olivias: Client) -> None:
    session = make_session(1)
    olivias.post(address("delete", UserSession, session.pk), {"post": "yes"})
    entry = LogEntry.objects.get()
    assert entry.object_repr == f"Session {session.pk}"


def test_deleting_a_session_signs_that_browser_out(alice: User, alices: Client, olivias: Client) -> None:
    session = UserSession.objects.get(user=alice)
    assert alices.get("/api/auth/me").status_code == 200
    response = olivias.post(address("delete", UserSession, session.pk), {"post": "yes"})
    assert response.status_code == 302
    assert alices.get("/api/auth/me").status_code == 401


def test_deleting_a_link_revokes_it(alice: User, olivias: Client) -> None:
    token = services.issue_login_link(user=alice)
    olivias.post(address("delete", LoginLink, LoginLink.objects.get().pk), {"post": "yes"})
    assert Client().get(f"/api/auth/login-link/{token}").status_code == 410


def test_nobody_makes_a_session_a_link_or_a_key_there(olivias: Client) -> None:
    for model in (UserSession, LoginLink, ServiceKey):
        assert olivias.get(address("add", model)).status_code == 403


def test_it_switches_a_key_off_and_changes_nothing_else_of_it(olivias: Client) -> None:
    key = make_key(1)
    form = {"expires_at_0": "", "expires_at_1": "", "scopes": "everything", "api_key_hash": "0" * 64, "prefix": "dl_x"}
    assert olivias.post(address("change", ServiceKey, key.pk), form).status_code == 302
    key.refresh_from_db()
    assert (key.is_active, key.scopes, key.api_key_hash, key.prefix) == (False, ["import"], KEY_HASH, "dl_1")


def test_a_new_person_is_a_member_with_an_address_in_small_letters(olivias: Client) -> None:
    member = Group.objects.get(name="Member")
    assert f'<option value="{member.pk}" selected' in page(olivias, address("add", User))
    form = {"email": "Carol@Example.ORG", "name": "Carol", "is_active": "on", "groups": [member.pk]}
    assert olivias.post(address("add", User), form).status_code == 302
    carol = User.objects.get(name="Carol")
    assert carol.email == "carol@example.org"
    assert services.get_or_make_user(email="CAROL@example.org") == carol


def test_it_refuses_an_address_that_differs_only_in_case(olivias: Client, alice: User) -> None:
    form = {"email": alice.email.upper(), "name": "Other", "is_active": "on"}
    assert olivias.post(address("add", User), form).status_code == 200
    assert not User.objects.filter(name="Other").exists()


def test_it_deactivates_a_person_but_does_not_delete_one(olivias: Client, alice: User, alices: Client) -> None:
    form = {"email": alice.email, "name": "Alice", "google_id": "forged"}
    assert olivias.post(address("change", User, alice.pk), form).status_code == 302
    alice = User.objects.get(pk=alice.pk)
    assert (alice.is_active, alice.google_id) == (False, None)
    assert alices.get("/api/auth/me").status_code == 401
    assert olivias.post(address("delete", User, alice.pk), {"post": "yes"}).status_code == 403


def test_it_makes_an_operator_of_a_member(olivias: Client, bob: User, bobs: Client) -> None:
    form = {"email": bob.email, "name": "Bob", "is_active": "on", "groups": [Group.objects.get(name="Operator").pk]}
    assert bobs.get("/admin/").status_code == 302
    olivias.post(address("change", User, bob.pk), form)
    assert bobs.get("/admin/").status_code == 200


def test_it_marks_operators_in_the_list(olivias: Client, alice: User) -> None:
    shown = list_page(olivias, User)
    assert shown.count('class="field-operates"') == 2
    assert shown.count('<td class="field-operates"><img src="/static/admin/img/icon-yes.svg"') == 1


def test_the_sign_in_page_says_how_to_get_in(db: None) -> None:
    response = Client().get("/admin/", follow=True)
    assert response.status_code == 200
    assert response.redirect_chain == [("/admin/login/?next=/admin/", 302)]
    shown = response.content.decode()
    assert "manage.py login_link you@example.org --operator" in shown
    assert "<form" not in shown.replace('<form id="logout-form"', "")
    assert "Draftloom" in shown


def test_the_sign_in_page_tells_a_member_what_is_missing(bobs: Client) -> None:
    shown = page(bobs, "/admin/login/?next=/admin/")
    assert "bob@example.org</strong>, who is not an operator" in shown
    assert "manage.py login_link bob@example.org --operator" in shown


def test_a_posted_password_opens_nothing(olivia: User) -> None:
    client = Client()
    response = client.post("/admin/login/", {"username": olivia.email, "password": ""})
    assert response.status_code == 200
    response = client.post("/admin/login/", {"username": olivia.email, "password": "x", "next": "/admin/"})
    assert response.status_code == 200
    assert settings.SESSION_COOKIE_NAME not in client.cookies


def test_there_is_no_password_to_change(olivias: Client) -> None:
    assert "password_change" not in page(olivias, "/admin/")
    assert "There are no passwords" in page(olivias, "/admin/password_change/")


def test_it_sends_an_operator_on_from_the_sign_in_page(olivias: Client) -> None:
    assert olivias.get("/admin/login/").headers["Location"] == "/admin/"


def test_a_write_without_the_forms_token_is_refused(olivia: User) -> None:
    client = Client(enforce_csrf_checks=True)
    client.cookies[settings.SESSION_COOKIE_NAME] = services.open_session(user=olivia)
    link = make_link(1)
    assert client.post(address("delete", LoginLink, link.pk), {"post": "yes"}).status_code == 403
    assert LoginLink.objects.filter(pk=link.pk).exists()


def test_a_browser_tells_the_admin_where_its_forms_come_from(olivias: Client) -> None:
    response = olivias.get("/admin/accounts/user/")
    assert response.headers["Referrer-Policy"] == "no-referrer"  # with which a form comes from the origin "null"
    assert '<meta name="referrer" content="same-origin">' in response.content.decode()
    assert '<meta name="referrer" content="same-origin">' in page(olivias, address("add", User))


def test_an_excerpt_says_what_it_leaves_out() -> None:
    assert excerpt("whole", 5) == "whole"
    assert excerpt("longer", 5) == "longe\n… the first 5 of 6 characters"


def test_it_finds_people_by_address(olivias: Client, alice: User, bob: User) -> None:
    shown = list_page(olivias, User, "?q=alice")
    assert "alice@example.org" in shown
    assert "bob@example.org" not in shown


def test_it_says_what_a_log_entry_changed(olivias: Client) -> None:
    entry = make_entry(1)
    assert entry.action_time <= timezone.now()
    assert "Changed Name." in list_page(olivias, LogEntry)

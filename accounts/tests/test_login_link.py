import hashlib
from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
from django.conf import settings
from django.core.management import CommandError, call_command
from django.test import Client
from django.utils import timezone

from accounts import services
from accounts.models import LoginLink, User, UserSession
from config.exceptions import Gone

pytestmark = pytest.mark.django_db


def run(*words: str) -> str:
    out = StringIO()
    call_command("login_link", *words, stdout=out)
    return out.getvalue()


def link_of(*words: str) -> str:
    """The path of the link that the command prints."""
    return run(*words).split()[-1].removeprefix(settings.OWN_URL)


def groups_of(email: str) -> set[str]:
    return set(User.objects.get(email=email).groups.values_list("name", flat=True))


def me(client: Client) -> Any:
    return client.get("/api/auth/me").json()


# ── The command ───────────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_link_is_the_last_word_and_signs_in() -> None:
    client, url = Client(), run("carol@example.org").split()[-1]
    assert url.startswith(f"{settings.OWN_URL}/api/auth/login-link/")
    response = client.get(url.removeprefix(settings.OWN_URL))
    assert (response.status_code, response.headers["Location"]) == (302, "/")
    assert me(client)["email"] == "carol@example.org"


def test_it_makes_a_member_who_is_named_after_the_address() -> None:
    run("Carol@Example.org")
    carol = User.objects.get()
    assert (carol.email, carol.name, carol.google_id) == ("carol@example.org", "carol", None)
    assert groups_of("carol@example.org") == {"Member"}
    assert not carol.is_operator


def test_it_finds_the_same_person_in_any_case(alice: User) -> None:
    run("ALICE@example.ORG")
    assert User.objects.get() == alice


def test_it_makes_an_operator_who_lands_in_the_back_office() -> None:
    client = Client()
    response = client.get(link_of("carol@example.org", "--operator"))
    assert response.headers["Location"] == "/admin/"
    assert client.get("/admin/").status_code == 200
    assert groups_of("carol@example.org") == {"Member", "Operator"}


def test_a_link_for_an_operator_leaves_the_role(olivia: User) -> None:
    run(olivia.email)
    assert groups_of(olivia.email) == {"Member", "Operator"}


def test_it_prints_a_cookie_that_is_a_session(alice: User) -> None:
    name, _, value = run(alice.email, "--cookie").strip().partition("=")
    assert name == "session_token"
    client = Client()
    client.cookies[name] = value
    assert me(client)["email"] == alice.email
    assert not LoginLink.objects.exists()


@pytest.mark.parametrize(
    "email", ["", "carol", "carol@", "@example.org", "carol@example.org, bob@example.org", "a b@c.de"]
)
def test_it_refuses_what_is_no_address(email: str) -> None:
    with pytest.raises(CommandError, match="is not an e-mail address"):
        run(email)
    assert not User.objects.exists()


def test_it_takes_an_address_of_this_machine() -> None:
    run("me@localhost")
    assert User.objects.get().email == "me@localhost"


def test_it_makes_no_link_for_somebody_who_was_deactivated(alice: User) -> None:
    User.objects.update(is_active=False)
    with pytest.raises(CommandError, match="is deactivated"):
        run(alice.email)
    assert not LoginLink.objects.exists()


# ── The link ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_link_works_once() -> None:
    url = link_of("carol@example.org")
    Client().get(url)
    other = Client()
    assert other.get(url).status_code == 410
    assert settings.SESSION_COOKIE_NAME not in other.cookies


def test_a_spent_link_leads_to_a_page_that_says_what_to_do() -> None:
    url = link_of("carol@example.org")
    Client().get(url)
    response = Client().get(url)
    assert response.headers["Content-Type"] == "text/html; charset=utf-8"
    assert "This link does not work any more" in response.content.decode()
    assert "manage.py login_link" in response.content.decode()


def test_the_same_link_opened_again_by_who_is_in_goes_on() -> None:
    client, url = Client(), link_of("carol@example.org")
    client.get(url)
    assert client.get(f"{url}?next=/docs").headers["Location"] == "/docs"


@pytest.mark.parametrize("token", ["unknown", "a" * 5_000, "%00", "%F0%9F%94%91", "..", "'--"])
def test_a_link_that_nobody_made_opens_nothing(token: str) -> None:
    client = Client()
    assert client.get(f"/api/auth/login-link/{token}").status_code == 410
    assert settings.SESSION_COOKIE_NAME not in client.cookies


def test_a_link_lasts_a_day() -> None:
    client, url = Client(), link_of("carol@example.org")
    expires_at = LoginLink.objects.get().expires_at
    assert timedelta(hours=23, minutes=59) < expires_at - timezone.now() <= timedelta(hours=24)
    LoginLink.objects.update(expires_at=timezone.now())
    assert client.get(url).status_code == 410


def test_a_link_of_somebody_deactivated_since_opens_nothing() -> None:
    url = link_of("carol@example.org")
    User.objects.update(is_active=False)
    assert Client().get(url).status_code == 410
    assert LoginLink.objects.get().used_at is None


def test_only_a_digest_of_the_link_is_kept() -> None:
    token = link_of("carol@example.org").rpartition("/")[2]
    link = LoginLink.objects.get()
    assert link.token_hash == hashlib.sha256(token.encode()).hexdigest()
    assert len(token) >= 43  # 32 random bytes


def test_an_anonymous_browser_with_a_stale_cookie_gets_in() -> None:
    client, url = Client(), link_of("carol@example.org")
    client.cookies[settings.SESSION_COOKIE_NAME] = "stale"
    assert client.get(url).status_code == 302
    assert me(client)["email"] == "carol@example.org"


def test_a_link_for_somebody_else_takes_over_the_browser(alices: Client, alice: User) -> None:
    alices.get(link_of("carol@example.org"))
    assert me(alices)["email"] == "carol@example.org"
    assert not UserSession.objects.filter(user=alice).exists()


@pytest.mark.parametrize("path", ["/", "/docs", "/conversations/7?tab=chat", "/?next=https://evil.example"])
def test_it_goes_on_to_a_path_of_its_own(path: str) -> None:
    response = Client().get(link_of("carol@example.org"), {"next": path})
    assert response.headers["Location"] == path


@pytest.mark.parametrize(
    "path",
    [
        "https://evil.example/",
        "//evil.example/",
        "///evil.example/",
        r"/\evil.example/",
        r"\\evil.example/",
        "/\t/evil.example/",
        "/\n/evil.example/",
        "\t//evil.example/",
        " //evil.example/",
        "javascript:alert(1)",
        "evil.example",
        "http:evil.example",
        "http:///evil.example",
        "//[evil",
        "",
    ],
)
def test_it_goes_on_to_nowhere_else(path: str) -> None:
    response = Client().get(link_of("carol@example.org"), {"next": path})
    assert (response.status_code, response.headers["Location"]) == (302, "/")


def test_a_spent_link_in_a_signed_in_browser_goes_nowhere_else_either(alices: Client) -> None:
    response = alices.get("/api/auth/login-link/spent", {"next": "//evil.example/"})
    assert response.headers["Location"] == "/"


def test_redeeming_tells_whose_it_is_and_marks_it_as_used(alice: User) -> None:
    token = services.issue_login_link(user=alice)
    assert services.redeem_login_link(token=token) == alice
    assert LoginLink.objects.get().used_at is not None
    with pytest.raises(Gone) as caught:
        services.redeem_login_link(token=token)
    assert caught.value.code == "link_expired"

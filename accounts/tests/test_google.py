"""Signing in with Google: the whole flow, against a provider of the tests' own, over HTTP."""

import re
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx2
import pytest
from allauth.socialaccount.models import SocialAccount, SocialApp
from allauth.socialaccount.providers.google import views as googles
from django.conf import settings
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts import google, services
from accounts.models import AuditEvent, User, UserSession
from accounts.tests.fake_google import CLIENT_ID, CLIENT_SECRET, PERSON, FakeGoogle
from config.exceptions import Forbidden
from config.tests.stack import Stack
from conftest import make_user

COOKIE = settings.SESSION_COOKIE_NAME
CONSTANTS = {"CERTS_URL": "certs", "ID_TOKEN_ISSUER": "issuer"}
ATTRIBUTES = {"authorize_url": "authorize", "access_token_url": "token"}


@pytest.fixture(scope="module")
def server() -> Iterator[FakeGoogle]:
    with FakeGoogle() as server:
        yield server


@pytest.fixture
def fake(db: None, server: FakeGoogle, settings: Any, monkeypatch: pytest.MonkeyPatch) -> FakeGoogle:
    """Google, configured: where it is, allauth reads when it is imported."""
    settings.GOOGLE_CLIENT_ID, settings.GOOGLE_CLIENT_SECRET = CLIENT_ID, CLIENT_SECRET
    for constant, name in CONSTANTS.items():
        monkeypatch.setattr(googles, constant, server.endpoints[name])
    for attribute, name in ATTRIBUTES.items():
        monkeypatch.setattr(google.Adapter, attribute, server.endpoints[name])
    server.forget()
    return server


def begin(client: Client, query: str = "", **headers: str) -> str:
    """Where the browser is sent to."""
    response = client.get(f"/api/auth/login{query}", headers=headers)
    assert response.status_code == 302
    return str(response.headers["Location"])


def consent(url: str) -> str:
    """The path and query with which Google sends the browser back."""
    response = httpx2.get(url, verify=False)  # no certificates to read
    assert response.status_code == 302
    back = urlsplit(response.headers["Location"])
    assert f"{back.scheme}://{back.netloc}{back.path}" == settings.GOOGLE_REDIRECT_URI
    return f"/api/auth/callback?{back.query}"


def sign_in(client: Client) -> str:
    """Where the browser ends."""
    return finish(client, consent(begin(client)))


def finish(client: Client, path: str) -> str:
    response = client.get(path)
    assert response.status_code == 302
    return str(response.headers["Location"])


def who(client: Client) -> str | None:
    user = client.get("/api/auth/status").json()["user"]
    return user["email"] if user else None


def query_of(url: str) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}


def assert_nobody_came_in(client: Client) -> None:
    assert who(client) is None
    assert not UserSession.objects.exclude(user=None).exists()


# ── To Google ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_it_sends_the_browser_to_google_with_state_and_pkce(fake: FakeGoogle) -> None:
    url = begin(Client())
    asked = query_of(url)
    assert url.startswith(fake.endpoints["authorize"] + "?")
    assert (asked["client_id"], asked["response_type"]) == (CLIENT_ID, "code")
    assert asked["redirect_uri"] == f"{settings.OWN_URL}/api/auth/callback"
    assert set(asked["scope"].split()) == {"openid", "email", "profile"}
    assert (asked["code_challenge_method"], len(asked["code_challenge"])) == ("S256", 43)
    assert len(asked["state"]) >= 16


def test_it_never_uses_a_state_or_a_challenge_twice(fake: FakeGoogle) -> None:
    client = Client()
    asked = [query_of(begin(client)) for _ in range(3)]
    assert len({one["state"] for one in asked}) == len({one["code_challenge"] for one in asked}) == 3


def test_it_sends_the_redirect_address_exactly_as_it_was_set(fake: FakeGoogle, settings: Any) -> None:
    settings.GOOGLE_REDIRECT_URI = "https://api.example.org/api/auth/callback"
    assert query_of(begin(Client()))["redirect_uri"] == "https://api.example.org/api/auth/callback"


def test_it_takes_no_wishes_of_whoever_made_the_link(fake: FakeGoogle) -> None:
    wishes = "?scope=https://mail&auth_params=prompt%3Dnone&process=connect&action=rerequest&redirect_uri=https://evil"
    asked = query_of(begin(Client(), wishes))
    assert set(asked["scope"].split()) == {"openid", "email", "profile"}
    assert (asked["prompt"], asked["redirect_uri"]) == ("select_account", settings.GOOGLE_REDIRECT_URI)


@pytest.mark.parametrize("missing", ["GOOGLE_CLIENT_ID", "GOOGLE_CLIENT_SECRET"])
def test_it_says_that_google_is_not_configured(fake: FakeGoogle, settings: Any, missing: str) -> None:
    setattr(settings, missing, "")
    response = Client().get("/api/auth/login")
    assert (response.status_code, response.json()["code"]) == (503, "google_not_configured")
    assert Client().get("/api/auth/status").json()["google"] is False
    assert not UserSession.objects.exists()


def test_it_tells_the_page_that_google_is_configured(fake: FakeGoogle) -> None:
    assert Client().get("/api/auth/status").json() == {"authenticated": False, "user": None, "google": True}


def test_a_glance_at_the_addresses_begins_and_spends_nothing(fake: FakeGoogle) -> None:
    client = Client()
    assert client.head("/api/auth/login").status_code == 200
    assert not UserSession.objects.exists()
    back = consent(begin(client))
    assert client.head(back).status_code == 200
    assert finish(client, back) == "/"


def test_it_forgets_those_who_never_come_back(fake: FakeGoogle) -> None:
    begin(Client())
    session = UserSession.objects.get()
    assert session.user is None
    assert session.expire_date - timezone.now() <= timedelta(seconds=google.FIRST_VISIT_SECONDS)


# ── And back ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_it_makes_a_member_of_somebody_new(fake: FakeGoogle) -> None:
    client = Client()
    assert sign_in(client) == "/"
    carol = User.objects.get()
    assert (carol.google_id, carol.email, carol.name) == ("1084", "carol@example.org", "Carol Danvers")
    assert [group.name for group in carol.groups.all()] == ["Member"]
    assert client.get("/api/auth/me").json() == {"id": carol.pk, "email": carol.email, "name": carol.name}


def test_it_redeems_the_code_with_the_verifier_and_checks_the_signature(fake: FakeGoogle) -> None:
    sign_in(Client())
    (sent,) = fake.sent("/token")
    assert (sent["grant_type"], sent["redirect_uri"]) == ("authorization_code", settings.GOOGLE_REDIRECT_URI)
    assert len(sent["code_verifier"]) >= 43
    assert len(fake.sent("/certs")) == 1


def test_it_changes_the_session_key(fake: FakeGoogle) -> None:
    client = Client()
    back = consent(begin(client))
    before = client.cookies[COOKIE].value
    finish(client, back)
    assert client.cookies[COOKIE].value != before
    assert client.cookies[COOKIE]["max-age"] == settings.SESSION_COOKIE_AGE
    assert UserSession.objects.count() == 1
    stranger = Client()
    stranger.cookies[COOKIE] = before
    assert who(stranger) is None


def test_it_goes_to_the_frontend(fake: FakeGoogle, settings: Any) -> None:
    settings.FRONTEND_URL = "https://app.example.org"
    assert sign_in(Client()) == "https://app.example.org/"


def test_it_finds_the_same_person_by_sub_and_takes_the_new_name_and_address(fake: FakeGoogle) -> None:
    sign_in(Client())
    fake.claims |= {"email": "Carol.Rambeau@example.org", "name": "Carol Rambeau"}
    sign_in(Client())
    carol = User.objects.get()
    assert (carol.google_id, carol.email, carol.name) == ("1084", "carol.rambeau@example.org", "Carol Rambeau")


def test_it_keeps_the_address_if_the_new_one_is_somebody_elses(fake: FakeGoogle, alice: User) -> None:
    sign_in(Client())
    fake.claims["email"] = alice.email
    client = Client()
    assert sign_in(client) == "/"
    assert who(client) == "carol@example.org"
    alice.refresh_from_db()
    assert (alice.email, alice.google_id) == ("alice@example.org", None)


def test_it_joins_somebody_made_on_this_server_by_the_verified_address(fake: FakeGoogle) -> None:
    olivia = make_user("carol@example.org", operator=True)
    fake.claims["email"] = "CAROL@example.org"
    client = Client()
    sign_in(client)
    olivia.refresh_from_db()
    assert (User.objects.get(), olivia.google_id, olivia.name) == (olivia, "1084", "Carol Danvers")
    assert client.get("/admin/").status_code == 200


def test_the_audit_tells_whom_google_brought_and_when(fake: FakeGoogle) -> None:
    for _ in range(2):
        sign_in(Client())
    told = AuditEvent.objects.filter(actor="carol@example.org").order_by("id").values_list("action", flat=True)
    assert list(told) == ["google.linked", "session.begun", "session.begun"]


def test_it_asks_nothing_of_allauths_tables(fake: FakeGoogle) -> None:
    SocialApp.objects.create(provider="google", name="Planted", client_id="planted", secret="planted")
    with CaptureQueriesContext(connection) as queries:
        client = Client()
        assert query_of(begin(client))["client_id"] == CLIENT_ID
        sign_in(client)
    assert [query["sql"] for query in queries if "socialaccount" in query["sql"].partition("WHERE")[0]] == []
    assert not SocialAccount.objects.exists()


def test_a_name_is_not_needed_and_may_hold_anything(fake: FakeGoogle) -> None:
    fake.claims["name"] = "Ca\x00rol"
    sign_in(Client())
    assert User.objects.get().name == "Carol"
    del fake.claims["name"]
    sign_in(Client())
    assert User.objects.get().name == "carol"


def test_somebody_signed_in_becomes_who_google_says(fake: FakeGoogle, alices: Client, alice: User) -> None:
    assert sign_in(alices) == "/"
    assert who(alices) == "carol@example.org"
    assert not UserSession.objects.filter(user=alice).exists()


def test_two_tabs_of_one_browser_both_come_in(fake: FakeGoogle) -> None:
    client = Client()
    one, other = consent(begin(client)), consent(begin(client))
    assert (finish(client, one), finish(client, other)) == ("/", "/")
    assert who(client) == "carol@example.org"
    assert UserSession.objects.count() == 1
    assert finish(client, one) == "/?error=auth_failed"  # spent also in the new session
    assert who(client) == "carol@example.org"


# ── Who does not come in ──────────────────────────────────────────────────────────────────────────────────────────────


def another_browser(client: Client, back: str) -> tuple[Client, str]:
    return Client(), back


def without_state(client: Client, back: str) -> tuple[Client, str]:
    return client, re.sub(r"&state=[^&]*", "", back)


def wrong_state(client: Client, back: str) -> tuple[Client, str]:
    return client, re.sub(r"state=[^&]*", "state=ponies", back)


def of_another_person(client: Client, back: str) -> tuple[Client, str]:
    attacker = Client()
    return client, consent(begin(attacker))


def too_late(client: Client, back: str) -> tuple[Client, str]:
    session = client.session
    state, then, provider = session[google.PENDING].popitem()[1]
    session[google.PENDING] = {query_of(back)["state"]: (state, then - 601, provider)}
    session.save()
    return client, back


def without_code(client: Client, back: str) -> tuple[Client, str]:
    return client, re.sub(r"code=[^&]*&", "", back)


def wrong_code(client: Client, back: str) -> tuple[Client, str]:
    return client, re.sub(r"code=[^&]*", "code=guessed", back)


def signed_out_meanwhile(client: Client, back: str) -> tuple[Client, str]:
    client.post("/api/auth/logout", content_type="application/json")
    return client, back


ATTACKS = [
    another_browser, without_state, wrong_state, of_another_person, too_late, without_code, wrong_code,
    signed_out_meanwhile,
]  # fmt: skip


@pytest.mark.parametrize("attack", ATTACKS)
def test_it_lets_nobody_in_who_did_not_begin_here(
    fake: FakeGoogle, attack: Callable[[Client, str], tuple[Client, str]]
) -> None:
    client = Client()
    victim, back = attack(client, consent(begin(client)))
    assert finish(victim, back) == "/?error=auth_failed"
    assert_nobody_came_in(victim)
    assert not User.objects.exists()


def test_a_state_works_once(fake: FakeGoogle) -> None:
    client = Client()
    back = consent(begin(client))
    finish(client, wrong_code(client, back)[1])
    assert finish(client, back) == "/?error=auth_failed"
    assert_nobody_came_in(client)


def test_a_code_works_once(fake: FakeGoogle) -> None:
    client = Client()
    back = consent(begin(client))
    finish(client, back)
    second = begin(client := Client())
    replayed = re.sub(r"state=[^&]*", f"state={query_of(second)['state']}", back)
    assert finish(client, replayed) == "/?error=auth_failed"
    assert who(client) is None


@pytest.mark.parametrize(
    ("claims", "why"),
    [
        ({"email_verified": False}, "auth_failed"),
        ({"email_verified": None}, "auth_failed"),
        ({"email_verified": "true"}, "auth_failed"),
        ({"email": ""}, "auth_failed"),
        ({"email": "carol"}, "auth_failed"),
        ({"aud": "another-client"}, "auth_failed"),
        ({"iss": "https://evil.example"}, "auth_failed"),
        ({"exp": int(time.time()) - 60}, "auth_failed"),
        ({"sub": ""}, "server_error"),
        ({"sub": 7}, "auth_failed"),
    ],
)
def test_it_lets_nobody_in_whose_claims_do_not_hold(fake: FakeGoogle, claims: dict[str, Any], why: str) -> None:
    fake.claims |= claims
    client = Client()
    assert sign_in(client) == f"/?error={why}"
    assert_nobody_came_in(client)
    assert not User.objects.exists()


def test_it_lets_nobody_in_with_a_token_that_google_did_not_sign(fake: FakeGoogle) -> None:
    fake.signed_by = "evil"
    client = Client()
    assert sign_in(client) == "/?error=auth_failed"
    assert_nobody_came_in(client)


@pytest.mark.parametrize(
    ("domains", "email", "comes_in"),
    [
        ([], "carol@anywhere.example", True),
        (["example.org"], "carol@example.org", True),
        (["example.com", "example.org"], "Carol@Example.ORG", True),
        (["example.org"], "carol@evil.example", False),
        (["example.org"], "carol@sub.example.org", False),
        (["example.org"], "carol@notexample.org", False),
        (["example.org"], "carol@example.org.evil.example", False),
        (["example.org"], "carol@example.org@evil.example", False),
    ],
)
def test_it_lets_in_whose_domain_may(
    fake: FakeGoogle, settings: Any, domains: list[str], email: str, comes_in: bool
) -> None:
    settings.AUTH_ALLOWED_EMAIL_DOMAINS = domains
    fake.claims["email"] = email
    assert sign_in(Client()) == ("/" if comes_in else "/?error=auth_failed")
    assert User.objects.exists() is comes_in


def test_it_looks_at_the_domain_at_each_sign_in(fake: FakeGoogle, settings: Any) -> None:
    client = Client()
    sign_in(client)
    settings.AUTH_ALLOWED_EMAIL_DOMAINS = ["example.com"]
    assert sign_in(Client()) == "/?error=auth_failed"
    assert UserSession.objects.exclude(user=None).count() == 1


@pytest.mark.parametrize("known_by", ["sub", "address"])
def test_it_lets_nobody_in_who_was_deactivated(fake: FakeGoogle, known_by: str) -> None:
    if known_by == "sub":
        sign_in(Client())
    else:
        make_user("carol@example.org")
    UserSession.objects.all().delete()
    User.objects.update(is_active=False)
    client = Client()
    assert sign_in(client) == "/?error=auth_failed"
    assert_nobody_came_in(client)


def test_it_does_not_give_an_account_to_the_next_owner_of_its_address(fake: FakeGoogle) -> None:
    sign_in(Client())
    fake.claims["sub"] = "2099"
    client = Client()
    assert sign_in(client) == "/?error=auth_failed"
    assert User.objects.get().google_id == "1084"


def test_a_refused_consent_leads_back_to_the_page(fake: FakeGoogle) -> None:
    fake.consents = False
    client = Client()
    assert sign_in(client) == "/?error=oauth_error"
    assert_nobody_came_in(client)
    assert fake.sent("/token") == []


def test_it_leads_to_the_frontends_own_page(fake: FakeGoogle, settings: Any) -> None:
    settings.FRONTEND_URL = "https://app.example.org"
    fake.consents = False
    assert sign_in(Client()) == "https://app.example.org/login?error=oauth_error"
    assert finish(Client(), "/api/auth/callback?code=x&state=y") == "https://app.example.org/login?error=auth_failed"


@pytest.mark.parametrize(
    "query", ["", "?error=", "?error=access_denied", "?state=%00", "?code=%00&state=%F0", "?state"]
)
def test_it_has_a_page_for_whatever_comes_back(fake: FakeGoogle, query: str) -> None:
    where = finish(Client(), f"/api/auth/callback{query}")
    assert where == ("/?error=oauth_error" if "error" in query else "/?error=auth_failed")


def a_list(answer: dict[str, Any]) -> Any:
    return [answer]


def no_id_token(answer: dict[str, Any]) -> Any:
    return answer | {"id_token": None}


def rubbish(answer: dict[str, Any]) -> Any:
    return answer | {"id_token": "rubbish"}


def a_number(answer: dict[str, Any]) -> Any:
    return answer | {"id_token": 7}


@pytest.mark.parametrize("distort", [a_list, no_id_token, rubbish, a_number])
def test_it_lets_nobody_in_on_an_answer_that_makes_no_sense(fake: FakeGoogle, distort: Any) -> None:
    fake.distort = distort
    client = Client()
    assert sign_in(client) in {"/?error=auth_failed", "/?error=server_error"}
    assert_nobody_came_in(client)


def test_it_says_that_google_is_away(fake: FakeGoogle, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(google.Adapter, "access_token_url", "http://127.0.0.1:9/token")
    client = Client()
    assert sign_in(client) == "/?error=server_error"
    assert_nobody_came_in(client)


def test_it_keeps_who_was_refused_and_no_secrets(fake: FakeGoogle, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG", "accounts")
    client = Client()
    back = consent(begin(client))
    finish(client, wrong_code(client, back)[1])
    fake.signed_by = "evil"
    sign_in(client)
    refused = AuditEvent.objects.filter(action="session.refused", outcome="refused", resource="google", user=None)
    assert [event.after for event in refused] == [{"reason": "Google did not confirm this sign-in."}] * 2
    told = f"{caplog.text} {list(AuditEvent.objects.values())}"
    for secret in (CLIENT_SECRET, "guessed", query_of(back)["state"], query_of(back)["code"], "an-access-token"):
        assert secret not in told


HOSTILE = [
    "https://evil.example", "//evil.example", "///evil.example", "////evil.example", "\\\\evil.example",
    "/\\evil.example", "/%5Cevil.example", "https:evil.example", "https:/evil.example", "http:///evil.example",
    "https://evil.example\\@localhost", "https://localhost@evil.example", "https://localhost.evil.example",
    "javascript:alert(1)", "JaVaScRiPt:alert(1)", "data:text/html,x", "vbscript:x", "/%2f%2fevil.example",
    "%2f%2fevil.example", "//evil%E3%80%82example", "//evil。example", "/\t/evil.example", "/%09/evil.example",
    "/%0d/evil.example", "\thttps://evil.example", "%00//evil.example", "https://evil.example%00.localhost",
    "//127.1", "//0x7f000001", "//[::1]", "?next=//evil.example", "#//evil.example", ".evil.example", "@evil.example",
    "//evil.example/%2e%2e", "/.//evil.example", "/..//evil.example", "http:evil.example", "ftp://evil.example",
    "https://evil.example:443",
]  # fmt: skip


@pytest.mark.parametrize("target", HOSTILE)
def test_it_goes_nowhere_else(fake: FakeGoogle, target: str) -> None:
    client = Client()
    wishes = httpx2.QueryParams(dict.fromkeys(["next", "redirect_uri", "redirect_to", "return_to", "url"], target))
    back = consent(begin(client, f"?{wishes}"))
    assert finish(client, f"{back}&{wishes}") == "/"


@pytest.mark.parametrize("header", ["X-Forwarded-Host", "X-Forwarded-Server", "Forwarded", "X-Host", "Referer", "Host"])
def test_it_goes_nowhere_else_for_a_header(fake: FakeGoogle, header: str) -> None:
    client = Client()
    headers = {header: "https://evil.example" if header == "Referer" else "evil.example"}
    url = begin(client, **headers)
    assert query_of(url)["redirect_uri"] == settings.GOOGLE_REDIRECT_URI
    assert client.get(consent(url), headers=headers).headers["Location"] == "/"


# ── The user behind it ────────────────────────────────────────────────────────────────────────────────────────────────


def test_an_identity_makes_one_user_however_often(db: None) -> None:
    identity = google.Identity(PERSON["sub"], "carol@example.org", "Carol")  # type: ignore[arg-type]
    assert services.user_of_google(identity) == services.user_of_google(identity)
    with pytest.raises(Forbidden, match="another Google account"):
        services.user_of_google(identity._replace(sub="2099"))


# ── A server of its own ───────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def real(stack: Stack, server: FakeGoogle) -> Iterator[Stack]:
    """The stack with a web process that was told of Google by its environment."""
    server.forget()
    stack.kill("web")
    stack.more_environment = {
        "GOOGLE_CLIENT_ID": CLIENT_ID,
        "GOOGLE_CLIENT_SECRET": CLIENT_SECRET,
        "GOOGLE_REDIRECT_URI": f"{stack.url}/api/auth/callback",
        "GOOGLE_ENDPOINTS": ",".join(f"{name}={url}" for name, url in server.endpoints.items()),
        "AUTH_ALLOWED_EMAIL_DOMAINS": "Example.com, @example.ORG",
        "LIMIT_SIGN_INS": "6000/m",  # all tests share an address
    }
    stack.start()
    yield stack
    stack.kill("web")
    stack.more_environment = {}


def test_a_browser_goes_all_the_way(real: Stack, server: FakeGoogle) -> None:
    planted = "planted-by-somebody-else"
    with httpx2.Client(base_url=real.url, follow_redirects=True, trust_env=False, timeout=20) as browser:
        browser.cookies.set(COOKIE, planted, domain="127.0.0.1")
        landed = browser.get("/api/auth/login", headers={"Accept": "text/html"})
        assert (landed.status_code, str(landed.url)) == (200, f"{real.url}/")
        assert browser.get("/api/auth/me").json()["email"] == "carol@example.org"
        key = landed.history[-1].cookies[COOKIE]
        assert key not in {planted, landed.history[0].cookies[COOKIE]}
        (session,) = browser.get("/api/auth/sessions").json()["sessions"]
        assert (session["address"], session["is_current"]) == ("127.0.0.1", True)
        assert browser.post("/api/auth/logout").status_code == 200
        assert browser.get("/api/auth/me", headers={"Cookie": f"{COOKIE}={key}"}).status_code == 401
        server.claims["email"] = "carol@evil.example"
        assert str(browser.get("/api/auth/login").url) == f"{real.url}/?error=auth_failed"
        assert browser.get("/api/auth/me").status_code == 401
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM user_sessions s WHERE s::text LIKE ANY(%s)", [[f"%{key}%", f"%{planted}%"]]
        )
        assert cursor.fetchone() == (0,)

"""Signing in with Google: allauth's OAuth exchange and claims check, inside two views of our own.

allauth makes the state and the PKCE verifier, keeps them in the session, trades the code for tokens and verifies the ID
token. Its views and its tables stay unused: they keep accounts of their own beside users and decide by e-mail
confirmations, where `users.google_id` says all. Nothing is asked of its tables, and no row configures it.
"""

from typing import Any, NamedTuple

from allauth.socialaccount.models import SocialApp
from allauth.socialaccount.providers.google.provider import GoogleProvider
from allauth.socialaccount.providers.google.views import GoogleOAuth2Adapter
from allauth.socialaccount.providers.oauth2.client import OAuth2Error
from django.conf import settings
from django.core.exceptions import PermissionDenied, ValidationError
from django.http import HttpRequest, HttpResponseBase
from requests import RequestException

from config.exceptions import Forbidden, Unavailable
from config.text import clean_text

FIRST_VISIT_SECONDS = 3600
"""How long the session of somebody who was sent to Google is kept if they don't come back."""
PENDING = "socialaccount_states"
"""The session's member in which allauth keeps the states of sign-ins that are under way."""


class Identity(NamedTuple):
    """Who somebody is to Google: `sub` never changes and is never given to another, `email` is verified."""

    sub: str
    email: str
    name: str


class Adapter(GoogleOAuth2Adapter):  # type: ignore[misc]  # allauth has no types
    def get_callback_url(self, request: HttpRequest, app: SocialApp) -> str:
        return str(settings.GOOGLE_REDIRECT_URI)


class Provider(GoogleProvider):  # type: ignore[misc]
    oauth2_adapter_class = Adapter


def is_configured() -> bool:
    return bool(settings.GOOGLE_CLIENT_ID and settings.GOOGLE_CLIENT_SECRET)


def consent(request: HttpRequest) -> HttpResponseBase:
    """Sends the browser to Google, with a state that this session alone may come back with, within ten minutes.

    Raises `Unavailable` if Google sign-in is not configured.
    """
    if not request.user.is_authenticated:
        request.session.set_expiry(FIRST_VISIT_SECONDS)
    answer: HttpResponseBase = _provider(request).redirect(request, process="login")
    return answer


def identify(request: HttpRequest) -> Identity:
    """Who came back from Google with a code, by the verified claims of the ID token. Spends the state.

    Raises `Forbidden` if the state is unknown, spent or old, if Google does not take the code or its token does not
    hold, and if the person's address is not verified or of a domain that may not come in; `Unavailable` if Google can't
    be reached or makes no sense, or is not configured.
    """
    provider = _provider(request)
    verifier = _spend_state(request, provider)
    adapter = Adapter(request)
    try:
        token = adapter.get_access_token_data(
            request, provider.app, adapter.get_client(request, provider.app), verifier
        )
        login = provider.verify_token(request, token)
    except (OAuth2Error, ValidationError) as error:
        raise Forbidden("Google did not confirm this sign-in.") from error
    except (RequestException, AttributeError, KeyError, TypeError, ValueError) as error:  # no token's answer, these
        raise Unavailable("Google does not answer as it should.") from error
    return _identity(login.account.extra_data)


def _provider(request: HttpRequest) -> Provider:
    if not is_configured():
        raise Unavailable(
            "Google sign-in is not configured on this server. Ask an operator for a sign-in link.",
            code="google_not_configured",
        )
    app = SocialApp(provider=Provider.id, client_id=settings.GOOGLE_CLIENT_ID, secret=settings.GOOGLE_CLIENT_SECRET)
    return Provider(request, app=app)


def _spend_state(request: HttpRequest, provider: Provider) -> str:
    """The PKCE verifier that was kept with the state."""
    try:
        state = provider.unstash_redirect_state(request, request.GET.get("state", ""))
    except PermissionDenied as error:
        raise Forbidden("This sign-in was not begun in this browser, or too long ago.") from error
    if not request.GET.get("code"):
        raise Forbidden("Google sent no code.")
    return str(state["pkce_code_verifier"])


def _identity(claims: dict[str, Any]) -> Identity:
    email, domains = str(claims.get("email", "")).lower(), settings.AUTH_ALLOWED_EMAIL_DOMAINS
    if claims.get("email_verified") is not True or "@" not in email:
        raise Forbidden("Google has not verified this person's address.")
    if domains and email.rpartition("@")[2] not in domains:
        raise Forbidden("Nobody of this domain may sign in.")
    return Identity(str(claims["sub"]), email, clean_text(str(claims.get("name") or email.partition("@")[0])))

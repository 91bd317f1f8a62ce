"""An OpenID provider on 127.0.0.1 that behaves as Google does, in a thread: consent, token and certificates."""

import base64
import hashlib
import secrets
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

import jwt
from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID

from integrations.tests.loopback import LoopbackServer

CLIENT_ID, CLIENT_SECRET = "the-client.apps.example", "the-secret-of-the-client"
PERSON = {"sub": "1084", "email": "carol@example.org", "email_verified": True, "name": "Carol Danvers"}
Distort = Callable[[dict[str, Any]], Any]


@cache
def key_of(name: str) -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def certificate(key: rsa.RSAPrivateKey) -> str:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "fake")])
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder(name, name, key.public_key(), 1, now, now + timedelta(days=1))
    return builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM).decode()


class FakeGoogle(LoopbackServer):
    """`claims` is what the next ID tokens say, `signed_by` names their key, `distort` changes the answer they come in.

    `requests` holds the path and the parameters of each request, `given` the codes that can still be redeemed.
    """

    def __init__(self) -> None:
        self.forget()
        super().__init__(self._ask)

    def forget(self) -> None:
        """Is as it was made."""
        self.claims: dict[str, Any] = dict(PERSON)
        self.signed_by = "google"
        self.distort: Distort = lambda answer: answer
        self.consents = True
        self.given: dict[str, dict[str, str]] = {}
        self.requests: list[tuple[str, dict[str, str]]] = []

    async def _ask(self, request: web.Request) -> web.StreamResponse:
        answers = {
            ("GET", "/authorize"): self._authorize,
            ("POST", "/token"): self._token,
            ("GET", "/certs"): self._certs,
        }
        answer = answers.get((request.method, request.path))
        return await answer(request) if answer else web.Response(status=404)

    @property
    def endpoints(self) -> dict[str, str]:
        """As the setting `GOOGLE_ENDPOINTS` names them."""
        paths = {name: f"{self.url}/{name}" for name in ("authorize", "token", "certs")}
        return paths | {"issuer": self.url}

    def sent(self, path: str) -> list[dict[str, str]]:
        return [parameters for asked, parameters in self.requests if asked == path]

    async def _authorize(self, request: web.Request) -> web.Response:
        asked = dict(request.query)
        self.requests.append(("/authorize", asked))
        if not self.consents:
            return self._back(asked, error="access_denied")
        code = secrets.token_urlsafe(12)
        self.given[code] = asked
        return self._back(asked, code=code)

    @staticmethod
    def _back(asked: dict[str, str], **parameters: str) -> web.Response:
        query = "&".join(f"{name}={value}" for name, value in {**parameters, "state": asked["state"]}.items())
        return web.Response(status=302, headers={"Location": f"{asked['redirect_uri']}?{query}"})

    async def _token(self, request: web.Request) -> web.Response:
        sent = {name: str(value) for name, value in (await request.post()).items()}
        self.requests.append(("/token", sent))
        asked = self.given.pop(sent.get("code", ""), None)
        if asked is None or not _belongs(asked, sent):
            return web.json_response({"error": "invalid_grant"}, status=400)
        answer = {"access_token": "an-access-token", "token_type": "Bearer", "id_token": self._id_token()}
        return web.json_response(self.distort(answer))

    def _id_token(self) -> str:
        now = int(time.time())
        claims = {"iss": self.url, "aud": CLIENT_ID, "iat": now, "exp": now + 3600} | self.claims
        return jwt.encode(claims, key_of(self.signed_by), "RS256", headers={"kid": "one"})

    async def _certs(self, request: web.Request) -> web.Response:
        self.requests.append(("/certs", {}))
        return web.json_response({"one": certificate(key_of("google"))})


def _belongs(asked: dict[str, str], sent: dict[str, str]) -> bool:
    """Whether the code's redeemer is who asked for it: client, redirect URI and PKCE verifier (RFC 7636, S256)."""
    digest = hashlib.sha256(sent.get("code_verifier", "").encode()).digest()
    return (
        (sent["client_id"], sent["client_secret"]) == (asked["client_id"], CLIENT_SECRET)
        and sent["redirect_uri"] == asked["redirect_uri"]
        and asked["code_challenge_method"] == "S256"
        and asked["code_challenge"] == base64.urlsafe_b64encode(digest).decode().rstrip("=")
    )

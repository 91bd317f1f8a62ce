"""One polite, anonymous GET of a share link, to hosts on our list only."""

import asyncio
import json
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any

import httpx2

from integrations.addresses import is_public, resolve
from integrations.http import bounded_body, tls
from integrations.importers.base import ImporterError
from integrations.importers.links import FETCHABLE_HOSTS

MAX_BYTES = 15 * 1024 * 1024
TIMEOUT_SECONDS = 15.0
MAX_REDIRECTS = 2
HEADERS = {
    "User-Agent": "Draftloom/1 (+import of a shared chat on its owner's request)",
    "Accept": "application/json, text/html;q=0.9",
    "Accept-Encoding": "gzip, deflate",
}

_INSTEAD = "Open the link in your browser, save the page or copy its text, and upload or paste it here."
_DETAILS = {
    "bot_challenge": f"The site lets only browsers see this chat. {_INSTEAD}",
    "fetch_failed": f"The chat could not be fetched. Check that the link still opens. {_INSTEAD}",
    "gone": "This shared chat has been deleted. If you still have its text, paste it here.",
    "private_or_login": f"The site shows this chat only to people who are signed in. {_INSTEAD}",
    "rate_limited": f"The site asks us to wait before the next request. Try again later. {_INSTEAD}",
    "timeout": f"The site took too long to answer. Try again later. {_INSTEAD}",
    "too_large": "This page is too large to fetch. Copy the part that matters and paste it here.",
    "unsupported_url": f"Links of this site cannot be fetched. {_INSTEAD}",
}
_CHALLENGE_MARKS = (b"cdn-cgi/challenge-platform", b"_cf_chl_opt", b"<title>Just a moment...")
_ERROR_BODY_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True)
class Fetched:
    """A 2xx answer: `body` decompressed, `headers` with lower-case names."""

    status: int
    content_type: str
    body: bytes
    headers: Mapping[str, str]


def fetch(
    url: str,
    *,
    overrides: Mapping[str, str] | None = None,
    max_bytes: int = MAX_BYTES,
    timeout: float = TIMEOUT_SECONDS,
    lookup: Callable[[str], list[str]] = resolve,
) -> Fetched:
    """The answer to one GET of `url`; blocks, so call it from a thread that runs no event loop.

    `overrides` maps an allowed host to the base URL that stands in for it. `timeout` is in seconds and covers all
    from the name's lookup to the last byte. `max_bytes` limits the body on the wire and decompressed.

    Raises `ImporterError` with `unsupported_url`, `timeout`, `too_large`, `rate_limited`, `bot_challenge`, `gone`,
    `private_or_login`, or `fetch_failed` for everything that proves none of these.
    """
    errand = _Errand(overrides or {}, max_bytes, lookup)
    try:
        return asyncio.run(errand.run(url, timeout))
    except (TimeoutError, httpx2.TimeoutException):
        raise _error("timeout") from None
    except (httpx2.HTTPError, httpx2.InvalidURL):
        raise _error("fetch_failed") from None


@dataclass(frozen=True, slots=True)
class Target:
    """Where a request really goes."""

    url: httpx2.URL
    headers: dict[str, str]
    extensions: dict[str, Any]


def pinned(url: httpx2.URL, address: str) -> Target:
    """`url` at an address that has been checked, so that no second lookup can give another one."""
    return Target(url.copy_with(host=address), HEADERS | {"Host": url.host}, {"sni_hostname": url.host})


@dataclass(frozen=True, slots=True)
class _Errand:
    overrides: Mapping[str, str]
    max_bytes: int
    lookup: Callable[[str], list[str]]

    async def run(self, address: str, timeout: float) -> Fetched:
        async with asyncio.timeout(timeout):
            url = _allowed(httpx2.URL(address))
            for _ in range(1 + MAX_REDIRECTS):
                answer = await self._get(url, timeout)
                if isinstance(answer, Fetched):
                    return answer
                url = _redirected(url, answer)
            raise _error("fetch_failed", stage="redirects")

    async def _get(self, url: httpx2.URL, timeout: float) -> Fetched | str:
        """The answer, or where it redirects to."""
        *others, last = await self._targets(url)
        for target in others:
            try:
                return await self._get_from(target, timeout)
            except httpx2.ConnectError:
                continue
        return await self._get_from(last, timeout)

    async def _targets(self, url: httpx2.URL) -> list[Target]:
        if base := self.overrides.get(url.host):
            return [Target(httpx2.URL(base.rstrip("/") + url.raw_path.decode("ascii")), HEADERS, {})]
        addresses = await asyncio.wrap_future(_in_thread(self.lookup, url.host))
        if not addresses or not all(map(is_public, addresses)):
            raise _error("fetch_failed", stage="address")
        return [pinned(url, address) for address in addresses]

    async def _get_from(self, target: Target, timeout: float) -> Fetched | str:
        # A client for each request: a cookie that one answer sets must not reach the next.
        async with (
            httpx2.AsyncClient(verify=tls(), trust_env=False, timeout=timeout) as client,
            client.stream("GET", target.url, headers=target.headers, extensions=target.extensions) as response,
        ):
            if response.has_redirect_location:
                return response.headers["location"]
            body = await self._body(response)
        headers = {name.lower(): value for name, value in response.headers.items()}
        if not response.is_success:
            raise _refusal(response.status_code, headers, body[:_ERROR_BODY_BYTES])
        return Fetched(response.status_code, headers.get("content-type", ""), body, headers)

    async def _body(self, response: httpx2.Response) -> bytes:
        body = await bounded_body(response, self.max_bytes)
        if body is None:
            raise _error("too_large")
        return body


def _allowed(url: httpx2.URL) -> httpx2.URL:
    if url.scheme == "https" and url.host in FETCHABLE_HOSTS and url.port is None and not url.userinfo:
        return url
    raise _error("unsupported_url")


def _redirected(url: httpx2.URL, location: str) -> httpx2.URL:
    to = url.join(location).copy_with(fragment=None)
    if to.host.startswith("auth.") or to.path.startswith(("/auth/", "/login")):
        raise _error("private_or_login", stage="redirect")
    if to.host != url.host:
        raise _error("fetch_failed", stage="redirect")
    return _allowed(to)


def _refusal(status: int, headers: Mapping[str, str], body: bytes) -> ImporterError:
    """What an answer outside 2xx means: `gone` on its exact proof only, since all else may pass."""
    if headers.get("cf-mitigated") == "challenge" or any(mark in body for mark in _CHALLENGE_MARKS):
        return _error("bot_challenge", status=status)
    if status == 404 and _says_deleted(body):
        return _error("gone", status=status)
    codes = {401: "private_or_login", 403: "private_or_login", 429: "rate_limited"}
    return _error(codes.get(status, "fetch_failed"), status=status)


def _says_deleted(body: bytes) -> bool:
    try:
        answer = json.loads(body)
    except (ValueError, RecursionError):
        return False
    detail = answer.get("detail") if isinstance(answer, dict) else None
    return isinstance(detail, dict) and detail.get("code") == "shared_conversation_deleted"


def _error(code: str, **diagnosis: str | int) -> ImporterError:
    return ImporterError(_DETAILS[code], code=code, extra=diagnosis)


def _in_thread(function: Callable[[str], list[str]], argument: str) -> Future[list[str]]:
    """Runs `function` where a lookup that hangs keeps nobody waiting, not even the end of the process."""
    future: Future[list[str]] = Future()
    future.set_running_or_notify_cancel()  # a running future cannot be cancelled, so that the thread may always set it

    def call() -> None:
        future.set_result(function(argument))

    threading.Thread(target=call, daemon=True).start()
    return future

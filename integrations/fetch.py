"""One polite, anonymous request for a shared chat, to hosts on our list only."""

import asyncio
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any

import httpx2

from integrations.addresses import is_public, resolve
from integrations.http import bounded_body, tls
from integrations.importers.links import FETCHABLE_HOSTS
from integrations.refusals import ERROR_BODY_BYTES, error_of, refusal

MAX_BYTES = 15 * 1024 * 1024
TIMEOUT_SECONDS = 15.0
MAX_REDIRECTS = 2
_PURPOSE = "import of a shared chat on its owner's request"
_FORM = {"Content-Type": "application/x-www-form-urlencoded;charset=UTF-8"}
_SIGN_IN_HOSTS, _SIGN_IN_PATHS = ("auth.", "accounts."), ("/auth/", "/login", "/sign-in", "/signin")


def headers_of(contact: str = "") -> dict[str, str]:
    """The headers of each request. `contact` is where a site can find out who asks: the address of this server."""
    who = f"+{contact}; {_PURPOSE}" if contact else f"+{_PURPOSE}"
    return {
        "User-Agent": f"Draftloom/1 ({who})",
        "Accept": "application/json, text/html;q=0.9",
        "Accept-Encoding": "gzip, deflate",
    }


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
    form: bytes | None = None,
    contact: str = "",
    overrides: Mapping[str, str] | None = None,
    max_bytes: int = MAX_BYTES,
    timeout: float = TIMEOUT_SECONDS,
    lookup: Callable[[str], list[str]] = resolve,
) -> Fetched:
    """The answer to one GET of `url`, or one POST of `form`; blocks, so call it from a thread without an event loop.

    A redirect of a GET is followed within the host, twice at most; one of a POST is not. `overrides` maps an allowed
    host to the base URL that stands in for it. `timeout` is in seconds and covers all from the name's lookup to the
    last byte. `max_bytes` limits the body on the wire and decompressed.

    Raises `ImporterError` with `unsupported_url`, `timeout`, `too_large`, `rate_limited`, `bot_challenge`, `gone`,
    `private_or_login`, or `fetch_failed` for everything that proves none of these.
    """
    headers = headers_of(contact) | ({} if form is None else _FORM)
    errand = _Errand(headers, form, overrides or {}, max_bytes, lookup)
    try:
        return asyncio.run(errand.run(url, timeout))
    except (TimeoutError, httpx2.TimeoutException):
        raise error_of("timeout") from None
    except (httpx2.HTTPError, httpx2.InvalidURL):
        raise error_of("fetch_failed") from None


@dataclass(frozen=True, slots=True)
class Target:
    """Where a request really goes."""

    url: httpx2.URL
    headers: dict[str, str]
    extensions: dict[str, Any]


def pinned(url: httpx2.URL, address: str, headers: Mapping[str, str]) -> Target:
    """`url` at an address that has been checked, so that no second lookup can give another one."""
    return Target(url.copy_with(host=address), {**headers, "Host": url.host}, {"sni_hostname": url.host})


@dataclass(frozen=True, slots=True)
class _Errand:
    headers: dict[str, str]
    form: bytes | None
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
                if self.form is not None:
                    break
            raise error_of("fetch_failed", stage="redirects")

    async def _get(self, url: httpx2.URL, timeout: float) -> Fetched | str:
        """The answer, or where it redirects to."""
        *others, last = await self._targets(url)
        for target in others:
            try:
                return await self._ask(url.host, target, timeout)
            except httpx2.ConnectError:
                continue
        return await self._ask(url.host, last, timeout)

    async def _targets(self, url: httpx2.URL) -> list[Target]:
        if base := self.overrides.get(url.host):
            return [Target(httpx2.URL(base.rstrip("/") + url.raw_path.decode("ascii")), self.headers, {})]
        addresses = await asyncio.wrap_future(_in_thread(self.lookup, url.host))
        if not addresses or not all(map(is_public, addresses)):
            raise error_of("fetch_failed", stage="address")
        return [pinned(url, address, self.headers) for address in addresses]

    async def _ask(self, host: str, target: Target, timeout: float) -> Fetched | str:
        # A client for each request: a cookie that one answer sets must not reach the next.
        async with (
            httpx2.AsyncClient(verify=tls(), trust_env=False, timeout=timeout) as client,
            client.stream(
                "GET" if self.form is None else "POST",
                target.url,
                content=self.form,
                headers=target.headers,
                extensions=target.extensions,
            ) as response,
        ):
            if response.has_redirect_location:
                return response.headers["location"]
            body = await self._body(response)
        headers = {name.lower(): value for name, value in response.headers.items()}
        if not response.is_success:
            raise refusal(host, response.status_code, headers, body[:ERROR_BODY_BYTES])
        return Fetched(response.status_code, headers.get("content-type", ""), body, headers)

    async def _body(self, response: httpx2.Response) -> bytes:
        body = await bounded_body(response, self.max_bytes)
        if body is None:
            raise error_of("too_large")
        return body


def _allowed(url: httpx2.URL) -> httpx2.URL:
    if url.scheme == "https" and url.host in FETCHABLE_HOSTS and url.port is None and not url.userinfo:
        return url
    raise error_of("unsupported_url")


def _redirected(url: httpx2.URL, location: str) -> httpx2.URL:
    to = url.join(location).copy_with(fragment=None)
    if to.host.startswith(_SIGN_IN_HOSTS) or to.path.startswith(_SIGN_IN_PATHS):
        raise error_of("private_or_login", stage="redirect")
    if to.host != url.host:
        raise error_of("fetch_failed", stage="redirect")
    return _allowed(to)


def _in_thread(function: Callable[[str], list[str]], argument: str) -> Future[list[str]]:
    """Runs `function` where a lookup that hangs keeps nobody waiting, not even the end of the process."""
    future: Future[list[str]] = Future()
    future.set_running_or_notify_cancel()  # a running future cannot be cancelled, so that the thread may always set it

    def call() -> None:
        future.set_result(function(argument))

    threading.Thread(target=call, daemon=True).start()
    return future

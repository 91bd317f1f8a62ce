"""Imports a chat by its share link."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from integrations.fetch import MAX_BYTES, TIMEOUT_SECONDS, Fetched, fetch
from integrations.importers.base import ImportedChat, ImporterError
from integrations.importers.detect import read_chat
from integrations.importers.links import Request, ShareLink
from integrations.pace import Pace
from integrations.refusals import error_of
from integrations.robots import MAX_BYTES as ROBOTS_BYTES
from integrations.robots import Robots

SOURCES = ("chatgpt", "claude", "grok", "branchprompt", "gemini")

_INCONCLUSIVE = frozenset({"fetch_failed", "private_or_login", "format_changed", "no_messages"})
_OF_A_FILE = frozenset({"unknown_format", "several_conversations"})


@dataclass(frozen=True, slots=True)
class Manners:
    """How this installation fetches.

    `sources`: the sites that its operator lets it ask. `contact`: its address, for the sites' logs. `overrides` maps a
    host to the base URL of a server of our own that stands in for it, to which neither pace nor robots.txt applies.
    `seconds` are for all requests of one import together.
    """

    sources: frozenset[str] = frozenset(SOURCES)
    contact: str = ""
    overrides: Mapping[str, str] = field(default_factory=dict)
    obeys_robots: bool = True
    seconds: float = TIMEOUT_SECONDS
    robots: Robots = field(default_factory=Robots)
    pace: Pace = field(default_factory=Pace)


def fetch_chat(
    link: ShareLink, manners: Manners, read: Callable[[bytes, str], ImportedChat] = read_chat
) -> ImportedChat:
    """The conversation behind `link`, with at most two requests.

    Waiting for a turn does not count as time, nor robots.txt as a request.

    Blocks, as `fetch` does. Pass `child.parse` as `read` where a large answer must not hold up the process. Raises
    `ImporterError`; a deletion, a bot check, a rate limit and a timeout are final: no way round them is tried.
    """
    if link.source not in manners.sources:
        raise error_of("unsupported_url")
    visit = Visit(link, manners)
    requests = visit.allowed()
    if link.needs_all:
        return _read(link, _together([visit.ask(request) for request in requests]), read)
    *first, last = requests
    for request in first:
        try:
            return _read(link, visit.ask(request), read)
        except ImporterError as error:
            if error.code not in _INCONCLUSIVE:
                raise
    return _read(link, visit.ask(last), read)


def _read(link: ShareLink, body: bytes, read: Callable[[bytes, str], ImportedChat]) -> ImportedChat:
    if not body.strip():
        raise error_of("format_changed", stage="empty")
    try:
        chat = read(body, "")
    except ImporterError as error:
        if error.code not in _OF_A_FILE:  # behind a link it is the site that has changed, or wants a login
            raise
        raise error_of("format_changed", stage=error.extra.get("stage", error.code)) from error
    if chat.source != link.source:
        raise error_of("format_changed", stage="not_a_chat")
    return replace(chat, source_id=link.id, source_url=link.url)


def _together(bodies: list[bytes]) -> bytes:
    """The two answers of a site that tells a conversation and its messages apart, as one JSON object."""
    about, messages = bodies
    return b'{"conversation":%b,"messages":%b}' % (about, messages)


class Visit:
    """The requests for one link, which share the time."""

    def __init__(self, link: ShareLink, manners: Manners) -> None:
        self._link, self._manners = link, manners
        self._left = manners.seconds
        self._is_ours = link.host in manners.overrides

    def allowed(self) -> list[Request]:
        """The requests that the site's robots.txt allows. Raises `bot_challenge` if those are not enough."""
        requests = [request for request in self._link.requests if self._may(request)]
        if len(requests) < (len(self._link.requests) if self._link.needs_all else 1):
            raise error_of("bot_challenge", stage="robots")
        return requests

    def ask(self, request: Request) -> bytes:
        return self._timed(request, MAX_BYTES).body

    def _may(self, request: Request) -> bool:
        if self._is_ours or not self._manners.obeys_robots:
            return True
        site = f"https://{self._link.host}"
        rules = self._manners.robots.rules_of(
            self._link.host, lambda: self._timed(Request(f"{site}/robots.txt"), ROBOTS_BYTES).body
        )
        return rules.allow(request.url.removeprefix(site))

    def _timed(self, request: Request, max_bytes: int) -> Fetched:
        if not self._is_ours:
            self._manners.pace.wait(self._link.host)
        started = time.monotonic()
        try:
            return fetch(
                request.url,
                form=request.form,
                contact=self._manners.contact,
                overrides=self._manners.overrides,
                max_bytes=max_bytes,
                timeout=max(self._left, 0),
            )
        finally:
            self._left -= time.monotonic() - started

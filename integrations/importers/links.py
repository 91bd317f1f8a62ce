"""Share links: which ones we read, where their chats are, and what a member can do about the others."""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import quote, unquote, urlencode

from integrations.importers.gemini import SHARE_CALL
from integrations.importers.private_links import refusal_of

_UUID = r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"  # not always of a version that RFC 9562 knows
_TAIL = r"/?(?:\?[!-~]*)?(?:#[!-~]*)?"
_GROK_ID = re.compile(r"[A-Za-z0-9_=-]{1,200}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Request:
    """A GET of `url`, or a POST of the encoded `form`."""

    url: str
    form: bytes | None = None


@dataclass(frozen=True, slots=True)
class ShareLink:
    """A share link that we can fetch, rebuilt from its id alone.

    `url` is the canonical address, the same for all spellings of one link. `requests`, two at most, all go to `host`.
    A later one is for when those before it proved nothing; with `needs_all`, each answers a part of the chat.
    """

    source: str
    id: str
    url: str
    host: str
    requests: tuple[Request, ...]
    needs_all: bool = False


def parse_share_url(text: str) -> ShareLink:
    """The share link that `text` is, white space around it and a query or fragment left out.

    Raises `ImporterError` `unsupported_url` for anything else, with a detail that fits what the link looks like.
    """
    candidate = text.strip(" \t\r\n")
    for pattern, build in _SITES:
        if match := pattern.fullmatch(candidate):
            return build(match["id"])
    raise refusal_of(candidate)


def _chatgpt(share_id: str) -> ShareLink:
    share_id = share_id.lower()
    page = f"https://chatgpt.com/share/{share_id}"
    answer = f"https://chatgpt.com/backend-api/share/{share_id}"
    return ShareLink("chatgpt", share_id, page, "chatgpt.com", (Request(answer), Request(page)))


def _claude(share_id: str) -> ShareLink:
    """Its page is a shell without the chat, so that there is nothing to fall back on."""
    share_id = share_id.lower()
    answer = f"https://claude.ai/api/chat_snapshots/{share_id}?rendering_mode=messages&render_all_tools=true"
    return ShareLink("claude", share_id, f"https://claude.ai/share/{share_id}", "claude.ai", (Request(answer),))


def _grok(segment: str) -> ShareLink:
    """Its ids are opaque; their padding may come percent-encoded. The second address is a newer one of the same."""
    share_id = unquote(segment)
    if not _GROK_ID.fullmatch(share_id):
        raise refusal_of("")
    path = quote(share_id, safe="")
    answers = tuple(Request(f"https://grok.com/rest/app-chat/{name}/{path}") for name in _GROK_ADDRESSES)
    return ShareLink("grok", share_id, f"https://grok.com/share/{path}", "grok.com", answers)


_GROK_ADDRESSES = ("share_links", "share_links_data")


def _branchprompt(conversation_id: str) -> ShareLink:
    """The conversation's own answer names it, and the other one holds what was said."""
    host = "v2.branchprompt.com"
    about = f"https://{host}/api/conversations/{conversation_id}"
    page = f"https://{host}/conversation/{conversation_id}"
    parts = (Request(about), Request(f"{about}/messages"))
    return ShareLink("branchprompt", conversation_id, page, host, parts, needs_all=True)


def _gemini(share_id: str) -> ShareLink:
    host = "gemini.google.com"
    query = urlencode({"rpcids": SHARE_CALL, "source-path": f"/share/{share_id}", "rt": "c"})
    call = [[[SHARE_CALL, json.dumps([None, share_id, [4]], separators=(",", ":")), None, "generic"]]]
    form = urlencode({"f.req": json.dumps(call, separators=(",", ":"))}).encode()
    request = Request(f"https://{host}/_/BardChatUi/data/batchexecute?{query}", form)
    return ShareLink("gemini", share_id, f"https://{host}/share/{share_id}", host, (request,))


def _site(pattern: str, build: Callable[[str], ShareLink]) -> tuple[re.Pattern[str], Callable[[str], ShareLink]]:
    return re.compile(pattern + _TAIL, re.ASCII), build


_SITES = (
    _site(rf"(?i:https://(?:chatgpt\.com|chat\.openai\.com)/share/(?P<id>{_UUID}))", _chatgpt),
    _site(rf"(?i:https://claude\.ai/share/(?P<id>{_UUID}))", _claude),
    _site(r"(?i:https://(?:www\.)?grok\.com/share/)(?P<id>[A-Za-z0-9_=%-]{1,300})", _grok),
    _site(r"(?i:https://v2\.branchprompt\.com/conversation/)(?P<id>[0-9a-f]{24})", _branchprompt),
    _site(r"(?i:https://gemini\.google\.com/share/|https://g\.co/gemini/share/)(?P<id>[A-Za-z0-9_-]{6,64})", _gemini),
)
FETCHABLE_HOSTS = frozenset({"chatgpt.com", "claude.ai", "grok.com", "v2.branchprompt.com", "gemini.google.com"})

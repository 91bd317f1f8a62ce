"""Share links: which ones we read, and what a member can do about the others."""

import re
from dataclasses import dataclass

from integrations.importers.base import ImporterError

FETCHABLE_HOSTS = frozenset({"chatgpt.com"})

_UUID = r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
_TAIL = r"/?(?:\?[!-~]*)?(?:#[!-~]*)?"
_CHATGPT_HOST = r"https://(?:chatgpt\.com|chat\.openai\.com)"
_CHATGPT_SHARE = re.compile(rf"{_CHATGPT_HOST}/share/(?P<id>{_UUID}){_TAIL}", re.ASCII | re.IGNORECASE)

_INSTEAD = "Copy the chat's text, with its labels, and paste it instead."
_PRIVATE = (
    "This is the address of a private chat, which only its owner can open. Use the chat's Share button and "
    "import the link that it gives, or upload or paste the chat instead."
)
_KNOWN_BUT_UNREADABLE = tuple(
    (re.compile(pattern + _TAIL, re.ASCII | re.IGNORECASE), detail)
    for pattern, detail in (
        (rf"{_CHATGPT_HOST}/(?:g/[\w-]+/)?c/[\w-]+", _PRIVATE),
        (r"https://claude\.ai/chat/[\w-]+", _PRIVATE),
        (r"https://grok\.com/c/[\w-]+", _PRIVATE),
        (
            rf"{_CHATGPT_HOST}/share/e/[\w-]+",
            f"This link opens for members of one ChatGPT workspace only. {_INSTEAD}",
        ),
        (r"https://claude\.ai/share/[\w-]+", f"Claude chats cannot be read by link yet. {_INSTEAD}"),
        (r"https://grok\.com/share/[\w=%-]+", f"Grok chats cannot be read by link yet. {_INSTEAD}"),
        (
            r"https://v2\.branchprompt\.com/conversation/[0-9a-f]{24}",
            f"BranchPrompt chats cannot be read by link yet. {_INSTEAD}",
        ),
    )
)
_UNKNOWN = (
    "This is not a share link that can be read. It should look like https://chatgpt.com/share/ followed by the chat's "
    "id. Any other chat can be imported by uploading or pasting it."
)


@dataclass(frozen=True, slots=True)
class ShareLink:
    """A share link that we can fetch, rebuilt from its id alone.

    `url` is the canonical address, the same for all spellings of one link. `json_url` is asked first if there is one,
    `page_url` second.
    """

    source: str
    id: str
    url: str
    host: str
    page_url: str
    json_url: str | None = None


def parse_share_url(text: str) -> ShareLink:
    """The share link that `text` is, white space around it and a query or fragment left out.

    Raises `ImporterError` `unsupported_url` for anything else, with a detail that fits what the link looks like.
    """
    candidate = text.strip(" \t\r\n")
    if match := _CHATGPT_SHARE.fullmatch(candidate):
        return _chatgpt(match["id"].lower())
    for pattern, detail in _KNOWN_BUT_UNREADABLE:
        if pattern.fullmatch(candidate):
            raise ImporterError(detail, code="unsupported_url")
    raise ImporterError(_UNKNOWN, code="unsupported_url")


def _chatgpt(share_id: str) -> ShareLink:
    page = f"https://chatgpt.com/share/{share_id}"
    return ShareLink(
        source="chatgpt",
        id=share_id,
        url=page,
        host="chatgpt.com",
        page_url=page,
        json_url=f"https://chatgpt.com/backend-api/share/{share_id}",
    )

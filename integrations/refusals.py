"""What it means when a site does not give a shared chat, and what its member can do instead."""

import json
from collections.abc import Callable, Mapping
from typing import Any

from integrations.importers.base import ImporterError

ERROR_BODY_BYTES = 64 * 1024

_INSTEAD = (
    "Open the link in your browser and copy the chat's text, or what the copy snippet in docs/importing.md gives you "
    "there, and paste it here; or upload a saved file."
)
_DETAILS = {
    "bot_challenge": f"The site lets only people's browsers see this chat. {_INSTEAD}",
    "fetch_failed": f"The chat could not be fetched. Check that the link still opens. {_INSTEAD}",
    "format_changed": f"The site's answer is not the chat, or in a form that cannot be read yet. {_INSTEAD}",
    "gone": "There is no chat behind this link: it was deleted, or its sharing ended. If you still have its text, or "
    "can share it again, paste it here or import the new link.",
    "private_or_login": f"The site shows this chat only to people who are signed in. {_INSTEAD}",
    "rate_limited": f"The site is to be asked less often. Try again in a few minutes. {_INSTEAD}",
    "timeout": f"The site took too long to answer. Try again later. {_INSTEAD}",
    "too_large": "This chat is too large to fetch. Copy the part that matters and paste it here, or upload its file.",
    "unsupported_url": f"Links of this site are not fetched here. {_INSTEAD}",
}
_CHALLENGE_MARKS = (b"cdn-cgi/challenge-platform", b"_cf_chl_opt", b"<title>Just a moment...")
_CODES = {401: "private_or_login", 403: "private_or_login", 429: "rate_limited"}


def error_of(code: str, **diagnosis: str | int) -> ImporterError:
    """The `ImporterError` of an outcome; `diagnosis` holds stages and numbers, never what a site said."""
    return ImporterError(_DETAILS[code], code=code, extra=diagnosis)


def refusal(host: str, status: int, headers: Mapping[str, str], body: bytes) -> ImporterError:
    """What an answer of `host` outside 2xx means: `gone` on that site's exact proof only, since all else may pass."""
    if headers.get("cf-mitigated") == "challenge" or any(mark in body for mark in _CHALLENGE_MARKS):
        return error_of("bot_challenge", status=status)
    if (is_gone := _GONE.get(host)) and is_gone(status, _json(body)):
        return error_of("gone", status=status)
    return error_of(_CODES.get(status, "fetch_failed"), status=status)


def _json(body: bytes) -> Any:
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return None


def _member(value: Any, name: str) -> Any:
    return value.get(name) if isinstance(value, dict) else None


def _gone_from_chatgpt(status: int, answer: Any) -> bool:
    return status == 404 and _member(_member(answer, "detail"), "code") == "shared_conversation_deleted"


def _gone_from_claude(status: int, answer: Any) -> bool:
    return (
        status == 404
        and _member(answer, "type") == "error"
        and _member(_member(answer, "error"), "type") == "not_found_error"
    )


def _gone_from_grok(status: int, answer: Any) -> bool:
    said = (_member(answer, "message"), _member(answer, "error"), _member(_member(answer, "error"), "message"))
    return status in (400, 404) and "Invalid uuid." in said


def _gone_from_branchprompt(status: int, answer: Any) -> bool:
    """Its API says 404 in JSON; a page that says 404 is no word of the API's."""
    return status == 404 and isinstance(answer, dict)


_GONE: dict[str, Callable[[int, Any], bool]] = {
    "chatgpt.com": _gone_from_chatgpt,
    "claude.ai": _gone_from_claude,
    "grok.com": _gone_from_grok,
    "v2.branchprompt.com": _gone_from_branchprompt,
}

"""An HTTP status that refuses a call, as one of our errors. The same for every vendor."""

import time
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from typing import Any, NamedTuple

import orjson

from integrations.llm.errors import (
    AuthenticationFailed,
    ContextTooLong,
    LLMError,
    ProviderRefused,
    ProviderUnavailable,
    RateLimited,
    UnknownModel,
)

_PASSING = {408, 409, 425}
_TOO_LONG = (
    "maximum context length",  # OpenAI
    "exceeds the context window",
    "prompt is too long",  # Anthropic
    "exceed context limit",
    "maximum prompt length",  # xAI
)
_STATUSES = {  # the status that a refusal would have had, had it not come in the middle of a stream
    "authentication_error": 401,
    "permission_error": 403,
    "not_found_error": 404,
    "request_too_large": 413,
    "rate_limit_error": 429,
    "rate_limit_exceeded": 429,
    "insufficient_quota": 429,
    "overloaded_error": 529,
}


class _Complaint(NamedTuple):
    """The vendor's own words. They help to tell two kinds of 400 or 429 apart and are not passed on."""

    code: str
    text: str


def refusal(provider: str, status: int, headers: Mapping[str, str], said: bytes) -> LLMError:
    """The error for an answer with `status` whose body, or the beginning of it, is `said`."""
    return _error(provider, status, retry_after(headers), _complaint(_document(said)))


def refusal_in_stream(provider: str, error: Any) -> LLMError:
    """The error for what a vendor says, as JSON, after it had accepted the request."""
    complaint = _complaint(error)
    return _error(provider, _status_of(complaint.code), None, complaint)


def _document(said: bytes) -> Any:
    try:
        return orjson.loads(said)
    except orjson.JSONDecodeError:
        return said.decode(errors="replace")


def _complaint(document: Any) -> _Complaint:
    """Out of `{"error": {"code", "type", "message"}}`, or what a server makes of it: the code, and all of the text."""
    error = document.get("error") if isinstance(document, dict) and "error" in document else document
    code = (error.get("code") or error.get("type") or "") if isinstance(error, dict) else ""
    return _Complaint(str(code), str(document).lower())


def _status_of(code: str) -> int:
    """500 for what is not known: the vendor took the request, so another attempt may do."""
    if code.isdecimal() and 400 <= int(code) < 600:
        return int(code)
    return _STATUSES.get(code, 400 if code.startswith("invalid_") else 500)


def _error(provider: str, status: int, wait: float | None, said: _Complaint) -> LLMError:
    if status == 413 or said.code == "context_length_exceeded" or any(words in said.text for words in _TOO_LONG):
        return ContextTooLong(
            f"This is more text than the model of {provider} can take; use less of it or another model."
        )
    if status in {401, 403} or "incorrect api key" in said.text:  # xAI's has status 400
        return AuthenticationFailed(f"{provider} did not accept the API key, or the key may not use this model.")
    if status == 404 or said.code == "model_not_found":
        return UnknownModel(f"{provider} has no such model at the configured address.")
    if said.code in {"insufficient_quota", "billing_error"} or "credit balance is too low" in said.text:
        return ProviderRefused(f"The account at {provider} has no credit left.")
    return _overload(provider, status, wait)


def _overload(provider: str, status: int, wait: float | None) -> LLMError:
    if status == 429:
        return RateLimited(f"{provider} limits how often it may be asked; try again in a while.", retry_after=wait)
    if status >= 500 or status in _PASSING:
        return ProviderUnavailable(f"{provider} is overloaded or out of order.", retry_after=wait)
    return ProviderRefused(f"{provider} refused the request (status {status}).")


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds to wait as `Retry-After` asks, given as a number or as a date; None without a readable one."""
    value = headers.get("retry-after", "").strip()
    try:
        seconds = float(value) if value[:1].isdigit() else parsedate_to_datetime(value).timestamp() - time.time()
    except (ValueError, OverflowError):
        return None
    return max(0.0, seconds)

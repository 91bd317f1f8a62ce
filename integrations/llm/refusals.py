"""An HTTP status that refuses a call, as one of our errors. The same for every vendor."""

import time
from collections.abc import Mapping
from email.utils import parsedate_to_datetime

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


def refusal(provider: str, status: int, headers: Mapping[str, str], *, code: str, text: str) -> LLMError:
    """The error for an answer with `status`.

    `code` and `text` are the vendor's own: they help to tell two kinds of 400 or 429 apart and are not passed on.
    """
    if code in {"context_length_exceeded", "request_too_large"} or "maximum context length" in text or status == 413:
        return ContextTooLong(
            f"This is more text than the model of {provider} can take; use less of it or another model."
        )
    if status in {401, 403}:
        return AuthenticationFailed(f"{provider} did not accept the API key, or the key may not use this model.")
    if status == 404 or code == "model_not_found":
        return UnknownModel(f"{provider} has no such model at the configured address.")
    if code == "insufficient_quota":
        return ProviderRefused(f"The account at {provider} has no credit left.")
    return _overload(provider, status, retry_after(headers))


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

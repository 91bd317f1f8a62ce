"""Why a call to a language model failed.

    LLMError(retryable)
    ├── RateLimited            retryable; `retry_after` in seconds if the provider said so
    ├── ProviderUnavailable    retryable: overloaded, unreachable, timed out before the first byte
    ├── Interrupted            the stream ended, broke or fell silent before the model had finished
    ├── EmptyAnswer            retryable: the model finished without having said anything
    ├── AuthenticationFailed   the key is missing, wrong, or may not use this model
    ├── ContextTooLong         more tokens than the model's window
    ├── UnknownModel           the provider has no such model
    ├── NotConfigured          this installation has no key or address for the provider
    └── ProviderRefused        any other refusal of the request

The class and the `retryable` bit are all that anybody decides by. A message names the provider and what to do about it,
and never holds a key, a prompt or the provider's own text.
"""


class LLMError(Exception):
    code = "provider_error"
    retryable = False

    def __init__(self, message: str, *, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.retry_after = retry_after


class RateLimited(LLMError):
    code = "provider_overloaded"
    retryable = True


class ProviderUnavailable(LLMError):
    code = "provider_overloaded"
    retryable = True


class Interrupted(LLMError):
    code = "provider_interrupted"
    retryable = True


class EmptyAnswer(LLMError):
    code = "empty_output"
    retryable = True


class AuthenticationFailed(LLMError):
    code = "provider_authentication"


class ContextTooLong(LLMError):
    code = "context_too_long"


class UnknownModel(LLMError):
    code = "unknown_model"


class NotConfigured(LLMError):
    code = "provider_not_configured"


class ProviderRefused(LLMError):
    code = "provider_refused"

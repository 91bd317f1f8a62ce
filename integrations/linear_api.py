"""How Linear is spoken to: GraphQL over HTTP, with its errors in the answer's body."""

from typing import Any

from django.conf import settings

from integrations.http import Service, ServiceAway

NAME = "linear"
Values = dict[str, Any]
_CODES = {"AUTHENTICATION_ERROR": "unauthorized", "FORBIDDEN": "unauthorized", "RATELIMITED": "throttled"}


def service() -> Service:
    headers = {"Authorization": settings.LINEAR_ACCESS_KEY}  # a personal key, without "Bearer"
    return Service(NAME, settings.LINEAR_API_URL, headers, seconds=settings.LINEAR_SECONDS)


def ask(query: str, variables: Values, *, is_idempotent: bool = False) -> tuple[Values, list[Values]]:
    """`data` and `errors` of an answer; Linear tells errors with status 200 or 400. Raises `ServiceAway`."""
    body = {"query": query, "variables": variables}
    answer = service().call(body=body, is_idempotent=is_idempotent, also={400}).body
    data, errors = (answer.get("data"), answer.get("errors")) if isinstance(answer, dict) else (None, None)
    if isinstance(errors, list) and errors and all(isinstance(error, dict) for error in errors):
        return {}, errors
    if not isinstance(data, dict) or errors:
        raise service().failed("malformed")
    return data, []


def refusal(errors: list[Values]) -> ServiceAway:
    extensions = errors[0].get("extensions")
    code = _CODES.get(str(extensions.get("code")), "refused") if isinstance(extensions, dict) else "refused"
    return service().failed(code, retryable=code == "throttled")

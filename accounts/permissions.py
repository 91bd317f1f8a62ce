"""What a caller who is known may do at all; which conversations, `Conversation.objects.visible_to` decides."""

from collections.abc import Mapping
from typing import Any

from rest_framework.exceptions import NotAuthenticated
from rest_framework.permissions import IsAuthenticated
from rest_framework.request import Request

from accounts.models import ServiceKey
from config.exceptions import Forbidden


class HasScope(IsAuthenticated):
    """Every person, and a service key that has the scope which the view names for this action in `scopes`.

    An action that it names none for is for people only: a new endpoint is closed to keys until it says otherwise.
    """

    def has_permission(self, request: Request, view: Any) -> bool:
        if not super().has_permission(request, view):
            return False
        if isinstance(request.auth, ServiceKey):
            _require_scope(request.auth, scope_of(view, request.method or ""))
        return True


def require_permission(request: Request, permission: str) -> None:
    """Raises `Forbidden` for a person without one of Django's permissions, such as `llmconfig.add_prompt`."""
    if not request.user.has_perm(permission):
        raise Forbidden("This is for operators, or for whom an operator has given the permission.")


def scope_of(view: Any, method: str) -> str | None:
    scopes: Mapping[str, str] = getattr(view, "scopes", {})
    return scopes.get(getattr(view, "action", None) or method.lower())


def _require_scope(key: ServiceKey, scope: str | None) -> None:
    if scope is None:
        raise NotAuthenticated("Sign in first: this is for people, not for service keys.")
    if scope not in key.scopes:
        raise Forbidden(
            f"This service key lacks the scope {scope}.", code="missing_scope", extra={"required_scope": scope}
        )

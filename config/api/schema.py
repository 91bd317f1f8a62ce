"""What drf-spectacular cannot see in a view: names of operations, refusals, how a caller signs in."""

import re
from collections import Counter
from typing import Any

from django.conf import settings
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.utils import OpenApiParameter
from rest_framework import permissions, serializers

from config.api.etags import IF_MATCH, IF_NONE_MATCH
from config.api.problems import MEDIA_TYPE

_WORD_START = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_ANYWHERE = ("400", "422", "429", "500", "503")
_WRITES = ("403", "409", "413", "415")


class FieldErrorSerializer(serializers.Serializer[Any]):
    field = serializers.CharField(help_text="Dotted path of the member at fault; empty for the whole input.")
    detail = serializers.CharField()


class ProblemSerializer(serializers.Serializer[Any]):
    """RFC 9457."""

    type = serializers.CharField(help_text="A page that explains the problem.")
    title = serializers.CharField()
    status = serializers.IntegerField()
    detail = serializers.CharField()
    code = serializers.CharField(help_text="Stable, for programs.")
    request_id = serializers.CharField()
    error = serializers.CharField(help_text="The same as `detail`.")
    errors = FieldErrorSerializer(many=True, required=False)  # type: ignore[assignment]  # a field, not the property


class PreconditionFailedSerializer(ProblemSerializer):
    current = serializers.DictField(help_text="What is there now, as a GET of it answers; of a conversation, its head.")
    etag = serializers.CharField(help_text="The entity tag of that.")


_PROBLEMS = {"412": PreconditionFailedSerializer}


class Schema(AutoSchema):
    """Operations are named `<view>_<action>`, so that a path may change without breaking generated clients."""

    def get_operation_id(self) -> str:
        view = re.sub(r"(View|ViewSet)$", "", type(self.view).__name__)
        name = _WORD_START.sub("_", view).lower()
        action_map: dict[str, str] = getattr(self.view, "action_map", None) or {}
        action = action_map.get(self.method.lower(), self.method.lower())
        actions = Counter(name for method, name in action_map.items() if method != "head")  # DRF adds it in passing
        if actions[action] > 1:
            return f"{name}_{action}_{self.method.lower()}"
        return f"{name}_{action}"

    def _get_response_bodies(self, direction: Any = "response") -> dict[str, Any]:
        responses: dict[str, Any] = super()._get_response_bodies(direction)
        if self._takes(IF_NONE_MATCH):
            responses["304"] = {"description": "You have what there is."}
        for code in self._refusals():
            if code not in responses:
                body = self._get_response_for_code(  # type: ignore[no-untyped-call]
                    _PROBLEMS.get(code, ProblemSerializer), code, [MEDIA_TYPE], direction
                )
                responses[code] = body
        return dict(sorted(responses.items()))

    def _refusals(self) -> list[str]:
        is_public = any(isinstance(permission, permissions.AllowAny) for permission in self.view.get_permissions())
        return [
            *_ANYWHERE,
            *([] if is_public else ["401"]),
            *(["404"] if "{" in self.path else []),
            *([] if self.method in permissions.SAFE_METHODS else _WRITES),
            *(["412"] if self._takes(IF_MATCH) else []),
        ]

    def _takes(self, parameter: OpenApiParameter) -> bool:
        return parameter in self.get_override_parameters()


class KeyScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    target_class = "accounts.authentication.KeyAuthentication"
    name = "serviceKey"

    def get_security_definition(self, auto_schema: AutoSchema) -> dict[str, Any]:
        return {"type": "apiKey", "in": "header", "name": "X-API-Key"}


class SessionScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    target_class = "accounts.authentication.SessionAuthentication"
    name = "session"

    def get_security_definition(self, auto_schema: AutoSchema) -> dict[str, Any]:
        return {"type": "apiKey", "in": "cookie", "name": settings.SESSION_COOKIE_NAME}

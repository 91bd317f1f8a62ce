"""What drf-spectacular cannot see in a view: names of operations, refusals, how a caller signs in.

Examples, descriptions and the codes of refusals are rows of each app's `examples.py`; `config.openapi` adds them.
"""

import re
from collections import Counter
from typing import Any

from django.conf import settings
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.plumbing import force_instance, is_list_serializer
from drf_spectacular.utils import OpenApiParameter
from rest_framework import permissions, serializers

from config.api.etags import IF_MATCH, IF_NONE_MATCH
from config.api.problems import MEDIA_TYPE

_WORD_START = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_ANYWHERE = ("400", "422", "429", "500", "503")
_WRITES = ("403", "408", "409", "413", "415")
_SCOPED = ("403",)
_ID = {"type": "integer", "format": "int64", "minimum": 1}
_PATH_PARAMETERS: dict[str, tuple[dict[str, Any], str]] = {
    "conversation_id": (_ID, "The id of a conversation."),
    "file_id": (_ID, "The id of a file."),
    "session_id": (_ID, "The id of a session."),
    "version_id": (_ID, "The `version_id` of a version of the draft."),
    "run_id": ({"type": "string", "format": "uuid"}, "The id of a run."),
    "import_id": ({"type": "string", "format": "uuid"}, "The id of an uploaded archive."),
    "version": ({"type": "integer", "minimum": 0}, "The number of a version; 0 is the built-in one."),
    "prompt_type": ({"type": "string", "minLength": 1}, "A task, such as `project_draft_chat`."),
    "token": ({"type": "string", "minLength": 1}, "The last part of the link."),
}
"""Of paths; the URL configuration has them as strings, since the views themselves say what is wrong with an id."""


class FieldErrorSerializer(serializers.Serializer[Any]):
    field = serializers.CharField(help_text="Dotted path of the member at fault; empty for the whole input.")
    detail = serializers.CharField()


class ProblemSerializer(serializers.Serializer[Any]):
    """RFC 9457. Some codes have members of their own, which their examples show."""

    type = serializers.CharField(help_text="A page that explains the problem: `/problems/<code>`.")
    title = serializers.CharField()
    status = serializers.IntegerField()
    detail = serializers.CharField(help_text="What is wrong and what to do about it, for a person.")
    code = serializers.CharField(help_text="Stable, for programs.")
    request_id = serializers.CharField(help_text="What an operator finds it by.")
    error = serializers.CharField(help_text="The same as `detail`, for clients of the former API.")
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

    def get_description(self) -> str:  # type: ignore[override]  # DRF's takes a path; drf-spectacular's does not
        """Nothing of docstrings: those of views speak to whoever changes them."""
        return ""

    def get_auth(self) -> list[dict[str, list[str]]]:
        """A session, or a key with the scope that the view names for the action; nothing if it is open to all.

        That the list of a key names its scope is of OpenAPI 3.1: such names are roles.
        """
        super().get_auth()  # registers the schemes
        if self._is_public():
            return []
        scope = self._scope()
        return [{SessionScheme.name: []}, *([{KeyScheme.name: [scope]}] if scope else [])]

    def _is_list_view(self, serializer: Any = None) -> bool:
        """Only where a serializer says so: our lists are members of an object, also in an action called `list`."""
        return is_list_serializer(serializer)

    def _resolve_path_parameters(self, variables: list[str]) -> list[dict[str, Any]]:
        return [_path_parameter(name) for name in variables]

    def _map_basic_serializer(self, serializer: Any, direction: Any) -> dict[str, Any]:
        schema: dict[str, Any] = super()._map_basic_serializer(serializer, direction)  # type: ignore[no-untyped-call]
        if direction == "response":
            fields = force_instance(serializer).fields  # type: ignore[no-untyped-call]
            schema["required"] = sorted(name for name in schema["properties"] if _is_always_told(fields[name]))
            for member in schema["properties"].values():
                member.pop("readOnly", None)  # of an answer that goes without saying
        return schema

    def _get_response_bodies(self, direction: Any = "response") -> dict[str, Any]:
        responses = self._successes(direction)
        if self._takes(IF_NONE_MATCH):
            responses["304"] = {"description": "You have what there is."}
        for code in self._refusals():
            if code not in responses:
                body = self._get_response_for_code(  # type: ignore[no-untyped-call]
                    _PROBLEMS.get(code, ProblemSerializer), code, [MEDIA_TYPE], direction
                )
                responses[code] = body
        return dict(sorted(responses.items()))

    def _successes(self, direction: Any) -> dict[str, Any]:
        """One serializer means 200, whatever the method and the action are called."""
        declared: Any = self.get_response_serializers()
        if isinstance(declared, dict):
            responses: dict[str, Any] = super()._get_response_bodies(direction)
            return responses
        return {"200": self._get_response_for_code(declared, "200", direction=direction)}  # type: ignore[no-untyped-call]

    def _refusals(self) -> list[str]:
        return [
            *_ANYWHERE,
            *([] if self._is_public() else ["401"]),
            *(_SCOPED if self._scope() else []),
            *(["404"] if "{" in self.path else []),
            *([] if self.method in permissions.SAFE_METHODS else _WRITES),
            *(["412"] if self._takes(IF_MATCH) else []),
        ]

    def _takes(self, parameter: OpenApiParameter) -> bool:
        return parameter in self.get_override_parameters()

    def _is_public(self) -> bool:
        return any(isinstance(permission, permissions.AllowAny) for permission in self.view.get_permissions())

    def _scope(self) -> str | None:
        scopes: dict[str, str] = getattr(self.view, "scopes", {})
        return scopes.get(getattr(self.view, "action", None) or self.method.lower())


def _path_parameter(name: str) -> dict[str, Any]:
    schema, description = _PATH_PARAMETERS.get(name, ({"type": "string"}, ""))
    return {"name": name, "in": "path", "required": True, "schema": dict(schema), "description": description}


def _is_always_told(field: serializers.Field[Any, Any, Any, Any]) -> bool:
    """Whether answers always have this member.

    A column's default makes DRF take its field for optional, which is true of input only. A field that a serializer
    itself declares with `required=False` is one that may be absent.
    """
    declared = getattr(field.parent, "_declared_fields", {})
    return field.required or field.read_only or field.field_name not in declared


class KeyScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    target_class = "accounts.authentication.KeyAuthentication"
    name = "serviceKey"

    def get_security_definition(self, auto_schema: AutoSchema) -> dict[str, Any]:
        description = "A key that an operator makes with `manage.py create_service_key`. It needs the scope listed."
        return {"type": "apiKey", "in": "header", "name": "X-API-Key", "description": description}


class SessionScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    target_class = "accounts.authentication.SessionAuthentication"
    name = "session"

    def get_security_definition(self, auto_schema: AutoSchema) -> dict[str, Any]:
        description = "What signing in leaves in a browser."
        return {"type": "apiKey", "in": "cookie", "name": settings.SESSION_COOKIE_NAME, "description": description}

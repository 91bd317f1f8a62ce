from typing import Any

from rest_framework import serializers

from config.integrations import State


class LastErrorSerializer(serializers.Serializer[Any]):
    code = serializers.CharField(source="error_code")
    at = serializers.DateTimeField(source="error_at")


class IntegrationSerializer(serializers.Serializer[State]):
    name = serializers.CharField()
    configured = serializers.BooleanField()
    reachable = serializers.BooleanField(
        allow_null=True, help_text="Asked at most once a minute; null if nobody has asked, or nobody can."
    )
    last_success_at = serializers.DateTimeField(source="health.success_at", allow_null=True)
    last_error = LastErrorSerializer(source="failure", allow_null=True)


class IntegrationListSerializer(serializers.Serializer[Any]):
    integrations = IntegrationSerializer(many=True)

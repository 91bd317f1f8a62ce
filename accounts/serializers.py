from rest_framework import serializers

from accounts.models import User, UserSession


class UserSerializer(serializers.ModelSerializer[User]):
    class Meta:
        model = User
        fields = ["id", "email", "name"]


class StatusSerializer(serializers.Serializer[None]):
    authenticated = serializers.BooleanField()
    user = UserSerializer(allow_null=True)
    google = serializers.BooleanField(help_text="Whether this server signs people in with Google.")


class SessionSerializer(serializers.ModelSerializer[UserSession]):
    expires_at = serializers.DateTimeField(source="expire_date")
    is_current = serializers.SerializerMethodField(help_text="Whether this request came with it.")

    class Meta:
        model = UserSession
        fields = ["id", "user_agent", "address", "created_at", "last_used_at", "expires_at", "is_current"]

    def get_is_current(self, session: UserSession) -> bool:
        return bool(session.session_key == self.context["digest"])


class SessionListSerializer(serializers.Serializer[None]):
    sessions = SessionSerializer(many=True)


class MessageSerializer(serializers.Serializer[None]):
    message = serializers.CharField()

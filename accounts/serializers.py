from rest_framework import serializers

from accounts.models import User


class UserSerializer(serializers.ModelSerializer[User]):
    class Meta:
        model = User
        fields = ["id", "email", "name"]


class StatusSerializer(serializers.Serializer[None]):
    authenticated = serializers.BooleanField()
    user = UserSerializer(allow_null=True)


class MessageSerializer(serializers.Serializer[None]):
    message = serializers.CharField()

"""The JSON of the chat (contract.md 1.2, with what design.md section 10 adds)."""

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from chat.file_serializers import FileAttachmentSerializer
from chat.models import ChatMessage, ChatMessageRevision
from config.api.fields import StrictBooleanField, StrictCharField, StrictIntegerField
from config.api.pagination import PageSerializer
from config.limits import MESSAGE_CHARACTERS, MESSAGE_FILES
from conversations.models import Run
from conversations.serializers import UsageSerializer


class RunStateSerializer(serializers.Serializer[Any]):
    id = serializers.UUIDField()
    state = serializers.ChoiceField(Run.State.choices)
    error_code = serializers.SerializerMethodField()

    def get_error_code(self, run: Any) -> str | None:
        return run.error_code or None


class ChatMessageSerializer(serializers.ModelSerializer[ChatMessage]):
    sent_by_user_name = serializers.CharField(source="sent_by_user.name")
    sent_by_user_email = serializers.CharField(source="sent_by_user.email")
    attachments = FileAttachmentSerializer(many=True)
    run = RunStateSerializer(allow_null=True)
    usage = serializers.SerializerMethodField(help_text="What the answer took; null for a person's message.")

    class Meta:
        model = ChatMessage
        fields = [
            "id", "role", "content", "sequence_number", "created_at", "sent_by_user_id", "sent_by_user_name",
            "sent_by_user_email", "attachments", "model", "prompt_version", "fallback_from", "run", "usage",
        ]  # fmt: skip

    @extend_schema_field(UsageSerializer(allow_null=True))
    def get_usage(self, message: ChatMessage) -> dict[str, Any] | None:
        return message.run.usage if message.run and message.role == ChatMessage.Role.ASSISTANT else None


class HistorySerializer(PageSerializer):
    chat_messages = ChatMessageSerializer(many=True)


class RevisionSerializer(serializers.ModelSerializer[ChatMessageRevision]):
    class Meta:
        model = ChatMessageRevision
        fields = ["content", "model", "prompt_version", "written_at"]


class MessageWithRevisionsSerializer(ChatMessageSerializer):
    revisions = RevisionSerializer(many=True, help_text="Earlier answers, the oldest first.")

    class Meta(ChatMessageSerializer.Meta):
        fields = [*ChatMessageSerializer.Meta.fields, "revisions"]


class ApproveSerializer(serializers.Serializer[Any]):
    approve = StrictBooleanField()


class SendSerializer(serializers.Serializer[Any]):
    message = StrictCharField(max_length=MESSAGE_CHARACTERS)
    llm_provider = StrictCharField(max_length=40)
    llm_model = StrictCharField(max_length=120)
    attachment_ids = serializers.ListField(child=StrictIntegerField(), default=list, max_length=MESSAGE_FILES)

    def validate_message(self, message: str) -> str:
        if not message.strip():
            raise serializers.ValidationError("Say something first.")
        return message

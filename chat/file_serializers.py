"""The JSON of files (contract.md 1.2 and 1.7, with what design.md section 10 adds)."""

from typing import Any

from rest_framework import serializers

from chat.models import FileAttachment


class FileAttachmentSerializer(serializers.ModelSerializer[FileAttachment]):
    status = serializers.ChoiceField(
        FileAttachment.Extraction.choices, source="extraction", help_text="How far reading it for the models has come."
    )
    status_detail = serializers.SerializerMethodField(help_text="Why there is no text; else null.")
    thumbnail_url = serializers.SerializerMethodField(help_text="Where a small picture of an image is; else null.")

    class Meta:
        model = FileAttachment
        fields = [
            "id", "filename", "file_size", "file_type", "s3_key", "created_at", "conversation_id", "chat_message_id",
            "uploaded_by_user_id", "status", "status_detail", "page_count", "thumbnail_url",
        ]  # fmt: skip

    def get_status_detail(self, file: FileAttachment) -> str | None:
        return file.extraction_error or None

    def get_thumbnail_url(self, file: FileAttachment) -> str | None:
        return f"/api/conversations/files/{file.pk}/thumbnail" if file.thumbnail_key else None


class FileListSerializer(serializers.Serializer[Any]):
    files = FileAttachmentSerializer(many=True)
    file_count = serializers.IntegerField()


class UploadSerializer(serializers.Serializer[Any]):
    """A form. A model may be named as before, but the operators' choice of one for captions counts."""

    file = serializers.FileField()
    llm_provider = serializers.CharField(required=False)
    llm_model = serializers.CharField(required=False)


class UploadedSerializer(serializers.Serializer[Any]):
    file = FileAttachmentSerializer()
    message = serializers.CharField()

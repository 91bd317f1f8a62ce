"""The JSON of uploaded archives, their entries, and what to import of them."""

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from config.api.fields import StrictBooleanField, StrictIntegerField
from drafts.models import Archive, ArchiveEntry
from drafts.serializers import ModelChoiceSerializer

BULK_RESOLUTIONS = ["update_existing", "create_new", "skip"]
MOST_POSITION = 2**31 - 1


class ArchiveUploadSerializer(serializers.Serializer[Any]):
    file = serializers.FileField(help_text="ZIP, JSON, HTML, Markdown or plain text.")


class ArchiveSerializer(serializers.ModelSerializer[Archive]):
    conversations = serializers.IntegerField(source="listed", help_text="How many are listed so far.")
    error_code = serializers.CharField(allow_null=True)
    error = serializers.CharField(allow_null=True, help_text="What is wrong with the file, and what to do about it.")
    warnings = serializers.ListField(child=serializers.CharField(), help_text="Codes, such as `nested_archive`.")
    run_id = serializers.UUIDField(allow_null=True, help_text="The last run that imported from it.")

    class Meta:
        model = Archive
        fields = [
            "id", "filename", "size", "state", "error_code", "error", "warnings", "conversations", "run_id",
            "created_at", "expires_at",
        ]  # fmt: skip

    def to_representation(self, instance: Archive) -> dict[str, Any]:
        data = super().to_representation(instance)
        return data | {name: data[name] or None for name in ("error_code", "error")}


class ArchiveListSerializer(serializers.Serializer[Any]):
    imports = ArchiveSerializer(many=True)


class ResultSerializer(serializers.Serializer[Any]):
    status = serializers.ChoiceField(ArchiveEntry.Result.choices)
    reason = serializers.CharField(allow_null=True)
    conversation_id = serializers.IntegerField(allow_null=True)


class EntrySerializer(serializers.ModelSerializer[ArchiveEntry]):
    """A conversation in an archive."""

    # `context["imported"]` gives the conversation of an entry's primary key, `context["here"]` those to be shown.

    key = serializers.IntegerField(source="position", help_text="What `start` takes in `entries`.")
    created_at = serializers.DateTimeField(source="begun_at", allow_null=True)
    updated_at = serializers.DateTimeField(source="changed_at", allow_null=True)
    omitted = serializers.DictField(child=serializers.IntegerField(), help_text="What is left out, counted by kind.")
    warnings = serializers.ListField(child=serializers.CharField())
    error_code = serializers.SerializerMethodField(help_text="Why it cannot be imported; null if it can.")
    conversation_id = serializers.SerializerMethodField(help_text="The same chat, imported already; else null.")
    result = serializers.SerializerMethodField(help_text="What became of it when it was last chosen; else null.")

    class Meta:
        model = ArchiveEntry
        fields = [
            "key", "title", "source", "source_id", "messages", "created_at", "updated_at", "omitted", "warnings",
            "error_code", "conversation_id", "result",
        ]  # fmt: skip

    def get_error_code(self, entry: ArchiveEntry) -> str | None:
        return entry.error_code or None

    def get_conversation_id(self, entry: ArchiveEntry) -> int | None:
        imported: dict[int, int] = self.context["imported"]
        return imported.get(entry.pk)

    @extend_schema_field(ResultSerializer(allow_null=True))
    def get_result(self, entry: ArchiveEntry) -> dict[str, Any] | None:
        if not entry.result:
            return None
        shown = entry.conversation_id if entry.conversation_id in self.context["here"] else None
        return {"status": entry.result, "reason": entry.reason or None, "conversation_id": shown}


class ArchivePageSerializer(ArchiveSerializer):
    """An archive and a page of what it holds; `total` entries match what was asked for."""

    unreadable = serializers.IntegerField()
    results = serializers.DictField(child=serializers.IntegerField(), help_text="Of the last run, counted by status.")
    entries = EntrySerializer(many=True)
    total = serializers.IntegerField()

    class Meta(ArchiveSerializer.Meta):
        fields = [*ArchiveSerializer.Meta.fields, "unreadable", "results", "entries", "total"]


class StartSerializer(ModelChoiceSerializer):
    """Either `entries` (keys) or `all`. A model is needed only for `generate_drafts`; without one it is the default."""

    entries = serializers.ListField(
        child=StrictIntegerField(min_value=0, max_value=MOST_POSITION), required=False, allow_empty=False
    )
    all = StrictBooleanField(default=False)
    generate_drafts = StrictBooleanField(default=False)
    duplicate_resolution = serializers.ChoiceField(BULK_RESOLUTIONS, default="update_existing")

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        attrs = super().validate(attrs)
        if attrs.pop("all") == ("entries" in attrs):
            raise serializers.ValidationError("Send either `entries`, a list of keys, or `all`: true.")
        return attrs

"""The JSON of conversations and runs (contract.md 1.2)."""

from collections.abc import Mapping
from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from config.api.etags import etag_of
from config.api.fields import StrictCharField
from config.api.pagination import PageSerializer
from config.limits import CONVERSATION_TITLE_CHARACTERS, COUNTED_ROWS, SUMMARY_CHARACTERS
from conversations.message_pages import Messages
from conversations.models import Conversation, DashboardRow, Run

LIST_FIELDS = [
    "id", "url", "title", "import_date", "created_at", "updated_at", "is_locked", "user_id", "user_name", "user_email",
    "project_draft_title", "project_draft_description", "linear_url",
    "last_user_message_content", "last_assistant_message_content",
]  # fmt: skip


class ConversationListItemSerializer(serializers.ModelSerializer[DashboardRow]):
    """A conversation as the list has it."""

    class Meta:
        model = DashboardRow
        fields = LIST_FIELDS


class ConversationListSerializer(PageSerializer):
    conversations = ConversationListItemSerializer(many=True)
    total = serializers.IntegerField(required=False, help_text="Of all pages; there if `with_total` asked for it.")
    total_is_capped = serializers.BooleanField(
        required=False, help_text=f"True if there are more: counting ends at {COUNTED_ROWS:,}."
    )


ROLES = ["user", "assistant"]


class ImportedMessageSerializer(serializers.Serializer[Any]):
    role = serializers.ChoiceField(ROLES)
    content = serializers.CharField(help_text="Markdown")


class ImportReportSerializer(serializers.Serializer[Any]):
    """What was kept of the chat and what was left out; empty if no importer has read it. Further members may come."""

    parser = serializers.CharField(required=False, help_text="Who has read it, such as `chatgpt-share/1`.")
    messages = serializers.IntegerField(required=False, help_text="How many were kept.")
    omitted = serializers.DictField(
        child=serializers.IntegerField(), required=False, help_text="What was left out, counted by kind."
    )
    warnings = serializers.ListField(
        child=serializers.CharField(), required=False, help_text="Codes, such as `no_labels`."
    )
    model = serializers.CharField(required=False, help_text="The model that wrote the answers; empty if unknown.")
    created_at = serializers.DateTimeField(required=False, allow_null=True, help_text="When the chat was begun.")
    generated_from = serializers.DictField(
        child=serializers.IntegerField(),
        required=False,
        help_text="`kept` and `total` characters, if the draft was written from a part of the chat.",
    )


class ConversationSerializer(serializers.ModelSerializer[Conversation]):
    has_images = serializers.SerializerMethodField()
    has_pdfs = serializers.SerializerMethodField()
    user_id = serializers.IntegerField(source="imported_by_user_id")
    user_name = serializers.CharField(source="imported_by_user.name")
    user_email = serializers.CharField(source="imported_by_user.email")
    imported_chat = serializers.SerializerMethodField(help_text="Null if there are no messages.")
    import_report = serializers.SerializerMethodField()

    class Meta:
        model = Conversation
        fields = [
            "id", "url", "title", "import_date", "created_at", "updated_at", "is_locked", "has_images", "has_pdfs",
            "user_id", "user_name", "user_email", "imported_chat", "source", "import_report",
        ]  # fmt: skip

    def to_representation(self, instance: Conversation) -> dict[str, Any]:
        row = DashboardRow.objects.filter(pk=instance.pk).values("has_images", "has_pdfs").first()
        self._files = row or {"has_images": False, "has_pdfs": False}  # deleted since it was read
        return super().to_representation(instance)

    def get_has_images(self, _: Conversation) -> bool:
        return bool(self._files["has_images"])

    def get_has_pdfs(self, _: Conversation) -> bool:
        return bool(self._files["has_pdfs"])

    @extend_schema_field(ImportedMessageSerializer(many=True, allow_null=True))
    def get_imported_chat(self, conversation: Conversation) -> list[dict[str, str]] | None:
        return conversation.imported_chat or None

    @extend_schema_field(ImportReportSerializer)
    def get_import_report(self, conversation: Conversation) -> dict[str, Any]:
        return dict(conversation.import_report)


class ConversationPartSerializer(ConversationSerializer):
    """With a part of the imported chat only: `context["messages"]`, of `conversations.message_pages`."""

    imported_chat_total = serializers.IntegerField(required=False, help_text="Messages; there if `messages` was sent.")
    imported_chat_next = serializers.CharField(
        required=False, allow_null=True, help_text="`messages` of the next part; null after the last one."
    )

    class Meta(ConversationSerializer.Meta):
        fields = [*ConversationSerializer.Meta.fields, "imported_chat_total", "imported_chat_next"]

    def to_representation(self, instance: Conversation) -> dict[str, Any]:
        messages: Messages = self.context["messages"]
        place = {"imported_chat_total": messages.total, "imported_chat_next": messages.next}
        return super().to_representation(instance) | place

    def get_imported_chat(self, conversation: Conversation) -> list[dict[str, str]] | None:
        messages: Messages = self.context["messages"]
        return messages.shown if messages.total else None


class ConversationHeadSerializer(ConversationSerializer):
    """A conversation without its imported chat. That is never changed without `updated_at`."""

    imported_chat = None  # type: ignore[assignment]  # takes the field away

    class Meta(ConversationSerializer.Meta):
        fields = [name for name in ConversationSerializer.Meta.fields if name != "imported_chat"]


def head_of(conversation: Conversation) -> dict[str, Any]:
    """What the conversation's entity tag is made of: it tells of every change, and leaves the chat unread."""
    return dict(ConversationHeadSerializer(conversation).data)


def etag_of_shown(conversation: Mapping[str, Any]) -> str:
    """The entity tag of a conversation as `ConversationSerializer` shows it."""
    return etag_of({name: conversation[name] for name in ConversationHeadSerializer.Meta.fields})


class TitleSerializer(serializers.Serializer[Any]):
    title = StrictCharField(max_length=CONVERSATION_TITLE_CHARACTERS)


class RenamedSerializer(serializers.Serializer[Any]):
    conversation = ConversationSerializer()


class DeletedSerializer(serializers.Serializer[Any]):
    message = serializers.CharField()
    restorable_until = serializers.DateTimeField(help_text="Until then `POST …/restore` undoes it.")


class SummarySerializer(serializers.Serializer[Any]):
    summary = StrictCharField(max_length=SUMMARY_CHARACTERS)


class UsageSerializer(serializers.Serializer[Any]):
    input_tokens = serializers.IntegerField()
    output_tokens = serializers.IntegerField()
    cost_usd = serializers.FloatField(allow_null=True)


class ApprovalSerializer(serializers.Serializer[Any]):
    tool = serializers.CharField()
    arguments = serializers.DictField()
    draft_version_id = serializers.IntegerField(allow_null=True)


class RunSerializer(serializers.ModelSerializer[Run]):
    error_code = serializers.SerializerMethodField()
    usage = UsageSerializer(allow_null=True)
    approval = serializers.SerializerMethodField(help_text="What a waiting run asks for; else null.")

    class Meta:
        model = Run
        fields = [
            "id", "kind", "conversation_id", "state", "error_code", "partial", "usage",
            "created_at", "finished_at", "last_event_id", "approval",
        ]  # fmt: skip

    def get_error_code(self, run: Run) -> str | None:
        return run.error_code or None

    @extend_schema_field(ApprovalSerializer(allow_null=True))
    def get_approval(self, run: Run) -> dict[str, Any] | None:
        return run.step["approval"] if run.state == Run.State.WAITING else None


class RunListSerializer(PageSerializer):
    runs = RunSerializer(many=True)

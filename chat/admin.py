"""The back office of chats and files: to look around."""

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.db.models.functions import Left
from django.http import HttpRequest

from chat.models import ChatMessage, ChatMessageRevision, ChatSummary, FileAttachment
from conversations.admin import BIG_IN_CONVERSATION, BIG_IN_RUN, beneath
from conversations.admin_deletion import OfConversationAdmin

BEGINNING_CHARACTERS = 80


@admin.register(ChatMessage)
class ChatMessageAdmin(OfConversationAdmin):
    of = "project_draft__conversation"
    list_display = ["beginning", "role", "conversation", "sequence_number", "sent_by_user", "model", "created_at"]
    list_filter = ["role"]
    search_fields = ["project_draft__conversation__title", "sent_by_user__email"]
    ordering = ["-id"]
    joined = ["project_draft__conversation", "sent_by_user", "run"]
    deferred = ["content", *beneath("project_draft__conversation", BIG_IN_CONVERSATION), *beneath("run", BIG_IN_RUN)]
    readonly_fields = [
        "role",
        "project_draft",
        "sequence_number",
        "sent_by_user",
        "run",
        "model",
        "prompt_version",
        "created_at",
    ]
    excerpts = ["content"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        rows: QuerySet[Any] = super().get_queryset(request).annotate(start=Left("content", BEGINNING_CHARACTERS))
        return rows

    @admin.display(description="message")
    def beginning(self, message: Any) -> str:
        return str(message.start)

    @admin.display(ordering="project_draft__conversation__title")
    def conversation(self, message: ChatMessage) -> str:
        return str(message.project_draft.conversation)


@admin.register(ChatMessageRevision)
class ChatMessageRevisionAdmin(OfConversationAdmin):
    of = "chat_message__project_draft__conversation"
    list_display = ["id", "chat_message_id", "model", "written_at", "created_at"]
    search_fields = ["chat_message__sent_by_user__email"]
    ordering = ["-id"]
    joined = ["chat_message", "run"]
    deferred = ["content", "chat_message__content", *beneath("run", BIG_IN_RUN)]
    readonly_fields = ["chat_message", "model", "prompt_version", "run", "written_at", "created_at"]
    excerpts = ["content"]


@admin.register(ChatSummary)
class ChatSummaryAdmin(OfConversationAdmin):
    list_display = ["conversation", "latest_message_id", "created_at", "updated_at"]
    search_fields = ["conversation__title"]
    ordering = ["-id"]
    joined = ["conversation"]
    deferred = ["summary", *beneath("conversation", BIG_IN_CONVERSATION)]
    readonly_fields = ["conversation", "external_id", "latest_message_id", "created_at", "updated_at"]
    excerpts = ["summary"]


@admin.register(FileAttachment)
class FileAttachmentAdmin(OfConversationAdmin):
    list_display = [
        "filename",
        "file_type",
        "file_size",
        "extraction",
        "conversation",
        "uploaded_by_user",
        "created_at",
    ]
    list_filter = ["extraction"]
    search_fields = ["filename", "file_type", "conversation__title", "uploaded_by_user__email"]
    ordering = ["-id"]
    joined = ["conversation", "uploaded_by_user", "chat_message"]
    deferred = [
        *["extracted_text", "summary_text", "chat_message__content"],
        *beneath("conversation", BIG_IN_CONVERSATION),
    ]
    readonly_fields = [
        "filename",
        "file_type",
        "file_size",
        "conversation",
        "chat_message",
        "uploaded_by_user",
        "s3_key",
        "thumbnail_key",
        "extraction",
        "extraction_error",
        "extraction_tries",
        "page_count",
        "created_at",
    ]
    excerpts = ["summary_text", "extracted_text"]

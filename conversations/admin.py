"""The back office of conversations and runs: to look around, to delete, restore and purge, and to unlock one."""

from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils.html import format_html, format_html_join

from accounts.admin import HistoryAdmin, excerpt
from conversations import services
from conversations.admin_deletion import DeletedFilter, DeletionAdmin, OfConversationAdmin
from conversations.models import Conversation, DashboardRow, ImportedSummary, Memory, Run, SummaryJob

MESSAGES_SHOWN = 20
MESSAGE_CHARACTERS = 2_000
BIG_IN_CONVERSATION = ["imported_chat", "import_report"]
BIG_IN_RUN = ["usage", "step", "result", "payload", "partial"]


def beneath(relation: str, columns: list[str]) -> list[str]:
    """`columns` as they are called from a row that names theirs by `relation`."""
    return [f"{relation}__{column}" for column in columns]


def fidelity_rows(report: dict[str, Any]) -> list[tuple[str, str]]:
    """The members of an `import_report` in words; what it does not say is left out."""
    omitted: dict[str, int] = report.get("omitted") or {}
    left_out = [f"{count:,} × {kind.replace('_', ' ')}" for kind, count in sorted(omitted.items()) if count]
    cut: dict[str, int] = report.get("generated_from") or {}
    rows = {
        "read by": report.get("parser"),
        "messages kept": report.get("messages"),
        "left out": ", ".join(left_out) or ("nothing" if "omitted" in report else None),
        "warnings": ", ".join(report.get("warnings") or []),
        "model": report.get("model"),
        "begun there": report.get("created_at"),
        "draft written from": _written_from(cut) if cut else None,
    }
    return [(name, str(value)) for name, value in rows.items() if value not in (None, "")]


def _written_from(cut: dict[str, int]) -> str:
    if "summary" in cut:
        return f"a summary of {cut['total']:,} characters"
    return f"{cut['kept']:,} of {cut['total']:,} characters"


class UnlockForm(forms.Form):
    reason = forms.CharField(max_length=500, help_text="Why? The audit keeps it.")


@admin.register(Conversation)
class ConversationAdmin(DeletionAdmin):
    list_display = ["title", "source", "imported_by_user", "is_locked", "import_date", "updated_at", "deleted_at"]
    list_filter = [DeletedFilter, "is_locked", "source"]
    search_fields = ["title", "url", "imported_by_user__email"]
    date_hierarchy = "updated_at"
    ordering = ["-updated_at", "-id"]
    joined = ["imported_by_user", "deleted_by_user"]
    deferred = BIG_IN_CONVERSATION
    readonly_fields = [
        "title",
        "url",
        "source",
        "source_id",
        "imported_by_user",
        "is_locked",
        "import_date",
        "updated_at",
        "deleted_at",
        "deleted_by_user",
        "fidelity",
        "beginning",
    ]
    actions = ["unlock", "restore", "purge"]

    @admin.display(description="import report")
    def fidelity(self, conversation: Conversation) -> str:
        """What was kept and what was left out, as a table."""
        rows = format_html_join("", "<tr><th>{}</th><td>{}</td></tr>", fidelity_rows(conversation.import_report))
        return format_html("<table>{}</table>", rows) if rows else "-"

    @admin.display(description="imported chat")
    def beginning(self, conversation: Conversation) -> str:
        messages = conversation.imported_chat
        shown = [
            {"role": message["role"], "content": excerpt(message["content"], MESSAGE_CHARACTERS)}
            for message in messages[:MESSAGES_SHOWN]
        ]
        note = f"\n\n… the first {MESSAGES_SHOWN} of {len(messages):,} messages" if len(messages) > len(shown) else ""
        return services.transcript(shown) + note

    @admin.action(description="Unlock the selected conversations", permissions=["unlock"])
    def unlock(self, request: HttpRequest, queryset: QuerySet[Conversation]) -> HttpResponse | None:
        """Asks for the reason first; the audit keeps it."""
        locked = queryset.filter(is_locked=True)
        form = UnlockForm(request.POST if "unlock" in request.POST else None)
        if not form.is_valid():
            context = self.admin_site.each_context(request) | {
                "title": "Unlock conversations",
                "opts": self.model._meta,
                "form": form,
                "conversations": locked,
            }
            return TemplateResponse(request, "admin/conversations/unlock.html", context)
        for conversation in locked:
            reason = form.cleaned_data["reason"]
            services.unlock(user=request.user, conversation_id=conversation.pk, reason=reason)  # type: ignore[arg-type]
        self.message_user(request, "They are unlocked. Each one's project in Linear stays.")
        return None

    def has_unlock_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("conversations.change_conversation")


@admin.register(DashboardRow)
class DashboardRowAdmin(HistoryAdmin):
    list_display = ["title", "project_draft_title", "user_email", "is_locked", "has_images", "has_pdfs", "updated_at"]
    list_filter = ["is_locked"]
    search_fields = ["title", "user_email"]
    ordering = ["-updated_at", "-id"]
    deferred = ["project_draft_description", "last_user_message_content", "last_assistant_message_content"]
    readonly_fields = [
        "title",
        "url",
        "user_name",
        "user_email",
        "is_locked",
        "import_date",
        "created_at",
        "updated_at",
        "linear_url",
        "has_images",
        "has_pdfs",
        "project_draft_title",
    ]
    excerpts = deferred


@admin.register(ImportedSummary)
class ImportedSummaryAdmin(OfConversationAdmin):
    list_display = ["conversation", "external_id", "created_at", "updated_at"]
    search_fields = ["conversation__title"]
    ordering = ["-id"]
    joined = ["conversation"]
    deferred = ["summary", *beneath("conversation", BIG_IN_CONVERSATION)]
    readonly_fields = ["conversation", "external_id", "created_at", "updated_at"]
    excerpts = ["summary"]


@admin.register(SummaryJob)
class SummaryJobAdmin(OfConversationAdmin):
    list_display = ["conversation", "source", "state", "error_code", "failures", "next_check_at", "deadline"]
    list_filter = ["state", "source"]
    search_fields = ["conversation__title"]
    ordering = ["-id"]
    joined = ["conversation"]
    deferred = beneath("conversation", BIG_IN_CONVERSATION)
    readonly_fields = [
        "conversation",
        "source",
        "state",
        "error_code",
        "failures",
        "external_id",
        "told",
        "next_check_at",
        "deadline",
        "created_at",
    ]


@admin.register(Memory)
class MemoryAdmin(OfConversationAdmin):
    list_display = ["conversation", "memory_source"]
    search_fields = ["conversation__title"]
    ordering = ["-id"]
    joined = ["conversation"]
    deferred = ["memories", *beneath("conversation", BIG_IN_CONVERSATION)]
    readonly_fields = ["conversation", "memory_source"]
    excerpts = ["memories"]


@admin.register(Run)
class RunAdmin(OfConversationAdmin):
    list_display = ["id", "kind", "state", "error_code", "conversation", "user", "tries", "created_at", "finished_at"]
    list_filter = ["state", "kind"]
    search_fields = ["pk__exact", "error_code", "conversation__title", "user__email"]
    ordering = ["-id"]  # UUIDv7: by time
    joined = ["conversation", "user"]
    deferred = [*BIG_IN_RUN, *beneath("conversation", BIG_IN_CONVERSATION)]
    readonly_fields = [
        "id",
        "kind",
        "state",
        "error_code",
        "conversation",
        "user",
        "cancel_requested",
        "tries",
        "fence",
        "lease_until",
        "event_seq",
        "created_at",
        "started_at",
        "finished_at",
    ]
    excerpts = BIG_IN_RUN

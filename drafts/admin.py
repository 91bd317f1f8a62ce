"""The back office of drafts, their versions, projects and archives: to look around."""

from django.contrib import admin

from accounts.admin import HistoryAdmin
from conversations.admin import BIG_IN_CONVERSATION, BIG_IN_RUN, beneath
from conversations.admin_deletion import OfConversationAdmin
from drafts import admin_trials  # noqa: F401 - registers its pages
from drafts.models import Archive, DraftVersion, LinearProjectRequest, Project, ProjectDraft


@admin.register(ProjectDraft)
class ProjectDraftAdmin(OfConversationAdmin):
    list_display = ["conversation", "active_version", "last_version_number", "created_by_user", "updated_at"]
    search_fields = ["conversation__title", "active_version__title"]
    ordering = ["-id"]
    joined = ["conversation", "active_version", "created_by_user"]
    deferred = [*beneath("conversation", BIG_IN_CONVERSATION), "active_version__description"]
    readonly_fields = [
        "conversation",
        "active_version",
        "last_version_number",
        "last_sequence_number",
        "created_by_user",
        "created_at",
        "updated_at",
    ]


@admin.register(DraftVersion)
class DraftVersionAdmin(OfConversationAdmin):
    of = "project_draft__conversation"
    list_display = ["title", "version_number", "conversation", "is_manual_edit", "created_by_user", "created_at"]
    list_filter = ["is_manual_edit"]
    search_fields = ["title", "project_draft__conversation__title"]
    ordering = ["-id"]
    joined = ["project_draft__conversation", "created_by_user", "run"]
    deferred = [
        "description",
        *beneath("project_draft__conversation", BIG_IN_CONVERSATION),
        *beneath("run", BIG_IN_RUN),
    ]
    readonly_fields = [
        "title",
        "project_draft",
        "version_number",
        "is_manual_edit",
        "created_by_user",
        "run",
        "tool_call",
        "model",
        "prompt_version",
        "restored_from",
        "created_at",
    ]
    excerpts = ["description"]

    @admin.display(ordering="project_draft__conversation__title")
    def conversation(self, version: DraftVersion) -> str:
        return str(version.project_draft.conversation)


@admin.register(LinearProjectRequest)
class LinearProjectRequestAdmin(OfConversationAdmin):
    list_display = ["title", "state", "error_code", "conversation", "user", "tries", "asked_at", "check_at"]
    list_filter = ["state"]
    search_fields = ["title", "linear_id", "conversation__title"]
    ordering = ["-id"]
    joined = ["conversation", "user", "run"]
    deferred = ["description", *beneath("conversation", BIG_IN_CONVERSATION), *beneath("run", BIG_IN_RUN)]
    readonly_fields = [
        "title",
        "state",
        "error_code",
        "conversation",
        "linear_id",
        "user",
        "run",
        "tool_call",
        "tries",
        "asked_at",
        "check_at",
        "created_at",
    ]
    excerpts = ["description"]


@admin.register(Project)
class ProjectAdmin(OfConversationAdmin):
    list_display = ["title", "linear_url", "conversation", "created_by_user", "created_at"]
    search_fields = ["title", "linear_url", "conversation__title"]
    date_hierarchy = "created_at"
    ordering = ["-id"]
    joined = ["conversation", "created_by_user"]
    deferred = ["description", *beneath("conversation", BIG_IN_CONVERSATION)]
    readonly_fields = ["title", "conversation", "linear_project_id", "linear_url", "created_by_user", "created_at"]
    excerpts = ["description"]


@admin.register(Archive)
class ArchiveAdmin(HistoryAdmin):
    """That somebody has uploaded an archive, and what came of it; what it holds is its uploader's to see alone."""

    list_display = ["id", "user", "state", "error_code", "size", "listed", "created_at", "expires_at"]
    list_filter = ["state"]
    search_fields = ["pk__exact", "user__email", "error_code"]
    ordering = ["-id"]  # UUIDv7: by time
    joined = ["user", "run"]
    deferred = ["filename", *beneath("run", BIG_IN_RUN)]
    readonly_fields = [
        "id",
        "user",
        "state",
        "error_code",
        "size",
        "listed",
        "warnings",
        "run",
        "fence",
        "lease_until",
        "created_at",
        "expires_at",
    ]

"""The back office: what its pages have in common, and those of people, sessions and keys."""

import json
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any, ClassVar

from allauth.account.models import EmailAddress
from allauth.socialaccount.models import SocialAccount, SocialApp, SocialToken
from django.contrib import admin
from django.contrib.admin.models import LogEntry
from django.contrib.admin.widgets import AdminTextInputWidget
from django.contrib.auth.models import Group
from django.db.models import Exists, Model, OuterRef, QuerySet, TextField
from django.http import HttpRequest

from accounts import audit, keys
from accounts.models import (
    MEMBER,
    OPERATOR,
    AuditEvent,
    IdempotencyRecord,
    LoginLink,
    ServiceKey,
    User,
    UserSession,
)

SHOWN_CHARACTERS = 10_000
EMPTY: tuple[Any, ...] = (None, "", [], {})

admin.site.site_header = admin.site.site_title = "Draftloom"
admin.site.index_title = "Back office"
admin.site.password_change_template = "admin/login.html"  # which says that there are no passwords
admin.site.unregister([EmailAddress, SocialAccount, SocialApp, SocialToken])  # see `accounts.google`: these stay empty


def excerpt(text: str, limit: int = SHOWN_CHARACTERS) -> str:
    """`text`, or its first `limit` characters and a line that says so."""
    return text if len(text) <= limit else f"{text[:limit]}\n… the first {limit:,} of {len(text):,} characters"


@cache  # the same field each time: the admin looks for it in lists
def excerpt_of(column: str) -> Callable[[Model], str]:
    """A read-only field for the start of a long column, text or JSON; `-` if it holds nothing."""

    @admin.display(description=column.replace("_", " "))
    def field(row: Model) -> str:
        value = getattr(row, column)
        if value in EMPTY:
            return "-"
        return excerpt(value if isinstance(value, str) else json.dumps(value, indent=2, ensure_ascii=False))

    return field


class LeanAdmin(admin.ModelAdmin):  # type: ignore[type-arg]  # takes no argument at run time
    """Pages that read a row and those it names in one query, but not the columns named in `deferred`.

    Every list here sets `joined` to the relations that its columns show: a query for each row is what that avoids.
    """

    joined: ClassVar[Sequence[str]] = ()
    deferred: ClassVar[Sequence[str]] = ()
    list_per_page = 50
    show_full_result_count = False

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        rows: QuerySet[Any] = super().get_queryset(request)
        return (rows.select_related(*self.joined) if self.joined else rows).defer(*self.deferred)


class ReadOnlyAdmin(LeanAdmin):
    """Pages of rows that only the program makes: of one row, `readonly_fields` and the start of each of `excerpts`."""

    excerpts: ClassVar[Sequence[str]] = ()

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return [*self.readonly_fields, *map(excerpt_of, self.excerpts)]

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return self.get_readonly_fields(request, obj)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


class HistoryAdmin(ReadOnlyAdmin):
    """Pages of what happened, which nobody undoes."""

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


def record_change(action: str, row: Model, form: Any, *columns: str) -> None:
    """Records which of `columns` a form has changed, if any."""
    changed = [column for column in columns if column in form.changed_data]
    if changed:
        audit.record(
            action,
            resource=str(row),
            before={column: form.initial.get(column) for column in changed},
            after={column: getattr(row, column) for column in changed},
        )


@admin.register(User)
class UserAdmin(LeanAdmin):
    """Whoever leaves is deactivated, not deleted: what they made stays theirs."""

    list_display = ["email", "name", "operates", "is_active", "last_login", "created_at"]
    list_filter = ["is_active", "groups"]
    search_fields = ["email", "name"]
    ordering = ["email"]
    fields = ["email", "name", "is_active", "groups", "google_id", "last_login", "created_at", "updated_at"]
    readonly_fields = ["google_id", "last_login", "created_at", "updated_at"]
    autocomplete_fields = ["groups"]
    formfield_overrides = {TextField: {"widget": AdminTextInputWidget}}

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        operators = Group.objects.filter(name=OPERATOR, user=OuterRef("pk"))
        rows: QuerySet[Any] = super().get_queryset(request).annotate(operates=Exists(operators))
        return rows

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        super().save_model(request, obj, form, change)
        record_change("user.changed" if change else "user.made", obj, form, "email", "name", "is_active")

    @admin.display(boolean=True, description="operator", ordering="operates")
    def operates(self, user: Any) -> bool:
        return bool(user.operates)

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        members = Group.objects.filter(name=MEMBER).values_list("pk", flat=True)
        return {"groups": list(members), **super().get_changeform_initial_data(request)}

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


@admin.register(UserSession)
class UserSessionAdmin(ReadOnlyAdmin):
    """Deleting a session signs that browser out."""

    list_display = ["id", "user", "address", "user_agent", "created_at", "last_used_at", "expire_date"]
    search_fields = ["user__email", "address"]
    ordering = ["-id"]
    joined = ["user"]
    deferred = ["session_data"]
    readonly_fields = ["user", "address", "user_agent", "created_at", "last_used_at", "expire_date"]

    def delete_model(self, request: HttpRequest, obj: Any) -> None:
        audit.record("session.revoked", resource=f"{obj.user}: session {obj.pk}")
        super().delete_model(request, obj)

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        for session in queryset:
            self.delete_model(request, session)


@admin.register(LoginLink)
class LoginLinkAdmin(ReadOnlyAdmin):
    """Deleting a link that was not used yet revokes it."""

    list_display = ["id", "user", "created_at", "expires_at", "used_at"]
    search_fields = ["user__email"]
    ordering = ["-id"]
    joined = ["user"]
    readonly_fields = ["user", "created_at", "expires_at", "used_at"]


@admin.register(IdempotencyRecord)
class IdempotencyRecordAdmin(HistoryAdmin):
    list_display = ["id", "user", "key", "created_at"]
    search_fields = ["key", "user__email"]
    ordering = ["-id"]
    joined = ["user"]
    deferred = ["outcome"]
    readonly_fields = ["user", "key", "request_hash", "created_at"]


@admin.register(ServiceKey)
class ServiceKeyAdmin(HistoryAdmin):
    """A key can be switched off, or made to expire; only a command makes one, since nothing shows it again."""

    list_display = ["service_name", "prefix", "scopes", "user", "is_active", "expires_at", "last_used_at"]
    list_filter = ["is_active"]
    search_fields = ["service_name", "prefix", "user__email"]
    ordering = ["service_name", "id"]
    joined = ["user"]
    readonly_fields = ["service_name", "prefix", "scopes", "user", "may_name", "created_at", "last_used_at"]
    actions = ["revoke"]

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return ["is_active", "expires_at", *self.readonly_fields]

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return request.user.has_perm("accounts.change_servicekey")

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        super().save_model(request, obj, form, change)
        record_change("key.changed", obj, form, "is_active", "expires_at")

    @admin.action(description="Revoke the selected keys", permissions=["change"])
    def revoke(self, request: HttpRequest, queryset: QuerySet[ServiceKey]) -> None:
        for key in queryset:
            keys.revoke(prefix=key.prefix)


@admin.register(AuditEvent)
class AuditEventAdmin(HistoryAdmin):
    list_display = ["created_at", "action", "outcome", "actor", "resource", "address"]
    list_filter = ["action", "outcome"]
    search_fields = ["actor", "resource", "address", "request_id"]
    date_hierarchy = "created_at"
    ordering = ["-id"]
    joined = ["user", "service_key"]
    readonly_fields = [
        "created_at",
        "action",
        "outcome",
        "actor",
        "resource",
        "address",
        "user",
        "service_key",
        "request_id",
    ]
    excerpts = ["before", "after"]


@admin.register(LogEntry)
class LogEntryAdmin(HistoryAdmin):
    list_display = ["action_time", "user", "action_flag", "content_type", "object_repr", "change"]
    list_filter = ["action_flag"]
    search_fields = ["object_repr", "user__email"]
    date_hierarchy = "action_time"
    ordering = ["-id"]
    joined = ["user", "content_type"]
    readonly_fields = ["action_time", "user", "action_flag", "content_type", "object_repr", "object_id", "change"]

    @admin.display(description="what changed")
    def change(self, entry: LogEntry) -> str:
        return excerpt(entry.get_change_message())

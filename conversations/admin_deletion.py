"""Deletion in the back office: what is hidden there, and how it is deleted, restored and purged."""

from collections.abc import Callable
from typing import Any, ClassVar

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse

from accounts.admin import HistoryAdmin, ReadOnlyAdmin
from config.exceptions import DraftloomError
from conversations import deletion, services
from conversations.models import Conversation


class OfConversationAdmin(HistoryAdmin):
    """Pages of what belongs to conversations; `of` leads there. What is of a deleted one is not shown."""

    of: ClassVar[str] = "conversation"

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        return super().get_queryset(request).filter(**{f"{self.of}__deleted_at": None})


class DeletedFilter(admin.SimpleListFilter):
    """Deleted conversations are shown only to who asks for them."""

    title = "deletion"
    parameter_name = "deleted"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("yes", "Deleted"), ("all", "Both")]

    def choices(self, changelist: Any) -> Any:
        kept, *others = super().choices(changelist)
        return [kept | {"display": "Not deleted"}, *others]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Conversation]) -> QuerySet[Conversation]:
        return queryset if self.value() == "all" else queryset.filter(deleted_at__isnull=self.value() != "yes")


class DeletionAdmin(ReadOnlyAdmin):
    """`delete` hides a conversation, `restore` undoes that, and `delete for good` leaves nothing of it."""

    @admin.action(description="Restore the selected conversations", permissions=["delete"])
    def restore(self, request: HttpRequest, queryset: QuerySet[Conversation]) -> None:
        self._with_each(request, queryset.filter(deleted_at__isnull=False), deletion.restore, "Restored")

    @admin.action(description="Delete the selected conversations for good", permissions=["delete"])
    def purge(self, request: HttpRequest, queryset: QuerySet[Conversation]) -> HttpResponse | None:
        """Asks first."""
        if "purge" in request.POST:
            self._with_each(request, queryset, deletion.purge, "Gone for good")
            return None
        context = self.admin_site.each_context(request) | {
            "title": "Delete conversations for good",
            "opts": self.model._meta,
            "conversations": queryset,
        }
        return TemplateResponse(request, "admin/conversations/purge.html", context)

    def _with_each(
        self, request: HttpRequest, queryset: QuerySet[Conversation], action: Callable[..., None], done: str
    ) -> None:
        """Says how many it was done with, and of each other one why not."""
        count = 0
        for conversation in queryset:
            try:
                action(user=request.user, conversation_id=conversation.pk)
                count += 1
            except DraftloomError as error:
                self.message_user(request, f"{conversation}: {error.detail}", messages.ERROR)
        self.message_user(request, f"{done}: {count}.")

    def get_deleted_objects(
        self, objs: Any, request: HttpRequest
    ) -> tuple[list[Any], dict[str, int], set[str], list[str]]:
        """What belongs to a conversation goes with it, though nobody may delete it alone; the page only counts it."""
        _, counts, _, protected = super().get_deleted_objects(objs, request)
        locked = [f"{conversation}, which has become a project" for conversation in objs if conversation.is_locked]
        deleted = [f"{conversation}, which is deleted already" for conversation in objs if conversation.deleted_at]
        return [str(conversation) for conversation in objs], counts, set(), [*protected, *locked, *deleted]

    def delete_model(self, request: HttpRequest, obj: Conversation) -> None:
        services.delete(user=request.user, conversation_id=obj.pk)  # type: ignore[arg-type]  # an operator

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Conversation]) -> None:
        for conversation in queryset:
            self.delete_model(request, conversation)

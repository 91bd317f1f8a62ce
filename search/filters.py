"""Which conversations a search looks at."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, time

from django.db.models import Exists, OuterRef

from accounts.principals import Principal
from chat.models import FileAttachment
from conversations.models import Conversation
from conversations.visibility import ConversationQuerySet


@dataclass(frozen=True, slots=True)
class Filters:
    """What a hit must fulfil; what is empty or None leaves everything. The days are of the import, in UTC."""

    status: str = "all"
    source_types: tuple[str, ...] = ()
    importer: str = ""
    date_from: date | None = None
    date_to: date | None = None
    has_files: bool | None = None


def visible_conversations(user: Principal, filters: Filters) -> ConversationQuerySet:
    rows = Conversation.objects.visible_to(user)
    if filters.status != "all":
        rows = rows.filter(is_locked=filters.status == "completed")
    if filters.importer:
        rows = rows.filter(source=filters.importer)
    if filters.date_from:
        rows = rows.filter(import_date__gte=datetime.combine(filters.date_from, time.min, UTC))
    if filters.date_to:
        rows = rows.filter(import_date__lte=datetime.combine(filters.date_to, time.max, UTC))
    if filters.has_files is not None:
        has_files = Exists(FileAttachment.objects.filter(conversation=OuterRef("pk")))
        rows = rows.filter(has_files if filters.has_files else ~has_files)
    return rows

"""Which conversations somebody looks at: what `GET /api/conversations` and `GET /api/search` have in common."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, time

from django.db.models import BooleanField, Exists, F, Func, OuterRef, Value

from accounts.principals import Principal
from config.text import like_inside
from conversations.models import Conversation
from conversations.visibility import ConversationQuerySet

STATUSES = ("all", "in_progress", "completed")
ME = "me"
MOST_ID = 2**63 - 1  # of a bigint


@dataclass(frozen=True, slots=True)
class Filters:
    """What a conversation must fulfil; what is empty or None leaves everything.

    `status` is one of `STATUSES`, `completed` what has become a project. `importer` is the id of a user or `ME`;
    another word is a source, which is all that the parameter once meant. The days are of the import, in UTC. `title` is
    text that the title holds, whatever the case of its letters.
    """

    status: str = "all"
    importer: str = ""
    source: str = ""
    date_from: date | None = None
    date_to: date | None = None
    has_files: bool | None = None
    title: str = ""


def visible_conversations(user: Principal, filters: Filters) -> ConversationQuerySet:
    """Those that `user` may see and that fulfil the filters, in no order."""
    rows = _by_origin(Conversation.objects.visible_to(user), user, filters)
    if filters.status != "all":
        rows = rows.filter(is_locked=filters.status == "completed")
    if filters.date_from:
        rows = rows.filter(import_date__gte=datetime.combine(filters.date_from, time.min, UTC))
    if filters.date_to:
        rows = rows.filter(import_date__lte=datetime.combine(filters.date_to, time.max, UTC))
    if filters.has_files is not None:
        with_files = Conversation.objects.filter(pk=OuterRef("pk"), file_attachments__isnull=False)
        rows = rows.filter(Exists(with_files) if filters.has_files else ~Exists(with_files))
    if filters.title:
        rows = rows.filter(_in_title(filters.title))
    return rows


def _by_origin(rows: ConversationQuerySet, user: Principal, filters: Filters) -> ConversationQuerySet:
    if filters.source:
        rows = rows.filter(source=filters.source)
    if filters.importer == ME:
        return rows.filter(imported_by_user=user.pk)
    if filters.importer.isascii() and filters.importer.isdigit():
        pk = int(filters.importer)
        return rows.filter(imported_by_user=pk) if pk <= MOST_ID else rows.none()
    return rows.filter(source=filters.importer) if filters.importer else rows


def _in_title(text: str) -> Func:
    """By ILIKE, which the trigram index of titles serves; Django's `icontains` compares upper-case letters instead."""
    pattern = Value(like_inside(text))
    return Func(F("title"), pattern, template="%(expressions)s", arg_joiner=" ILIKE ", output_field=BooleanField())

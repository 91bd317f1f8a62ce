"""The list of conversations, page by page."""

from collections.abc import Sequence
from itertools import product
from typing import Any

from accounts.principals import Principal
from config.api.cursors import IDENTIFIER, NUMBER, TEXT, TIME, Key, Ordering
from config.api.pagination import Page
from config.limits import COUNTED_ROWS
from conversations.filters import Filters, visible_conversations
from conversations.models import TITLE_KEY, DashboardRow

_KEYS = {
    "updated": Key("updated_at", TIME),
    "imported": Key("import_date", TIME),
    "title": Key("title_key", TEXT, TITLE_KEY),
}
SORTS = tuple(_KEYS)
NEWEST_RUNS = Ordering("runs", (Key("created_at", TIME), Key("id", IDENTIFIER)))


def ordering(sort_by: str, *, descending: bool) -> Ordering:
    """By one of `SORTS`; conversations that are alike in it by their ids."""
    return Ordering(f"conversations by {sort_by}", (_KEYS[sort_by], Key("id", NUMBER)), descending)


def listed(
    *, user: Principal, filters: Filters, page: Page, fields: Sequence[str]
) -> tuple[list[dict[str, Any]], str | None]:
    """These fields of the dashboard's rows on the page, in one statement, and the cursor of the next page.

    `fields` hold the columns by which the page is sorted.
    """
    ids = page.take(visible_conversations(user, filters)).values("id")
    rows = page.ordering.sort(DashboardRow.objects.filter(id__in=ids))
    shown, following = page.cut(list(rows.values(*fields, **page.ordering.computed)))
    for row, name in product(shown, page.ordering.computed):
        del row[name]
    return shown, following


def total(*, user: Principal, filters: Filters) -> dict[str, Any]:
    """How many there are in all, counted up to `COUNTED_ROWS`."""
    count = visible_conversations(user, filters)[: COUNTED_ROWS + 1].count()
    return {"total": min(count, COUNTED_ROWS), "total_is_capped": count > COUNTED_ROWS}

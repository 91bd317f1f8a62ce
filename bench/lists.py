"""Pages of a long list of conversations: `python -m bench lists [--conversations N] [--times N]`.

On a PostgreSQL of its own, which holds N conversations: the first page, one nine tenths down by cursor and by offset, a
page with filters, and a total. CPU is that of the database's process, wall time is as the web process sees it.
"""

import argparse
import os
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import django

from bench.search import Figures, measured
from config import embedded
from config.env import VARIABLES

CHATS = """
INSERT INTO conversations (url, title, import_date, imported_chat, is_locked, imported_by_user_id, source, source_id,
    import_report, created_at, updated_at)
SELECT 'draftloom:import/bench/' || n, initcap(md5(n::text)) || ' number ' || n, now() - n * interval '1 minute',
    jsonb_build_array(jsonb_build_object('role', 'user', 'content', repeat(md5(n::text), 100))), n %% 3 = 0, %s, 'text',
    '', '{}', now(), now() - n * interval '1 minute'
FROM generate_series(1, %s) n
"""
LIMIT = 100


def _fill(count: int) -> Any:
    from django.db import connection

    from accounts.services import get_or_make_user

    owner = get_or_make_user(email="bench@example.org")
    with connection.cursor() as cursor:
        cursor.execute("SET statement_timeout = 0")
        cursor.execute(CHATS, [owner.pk, count])
        cursor.execute("VACUUM ANALYZE conversations")
    return owner


def _page(owner: Any, sort_by: str, *, offset: int = 0, after: Any = None, **filters: Any) -> Callable[[], Any]:
    from config.api.pagination import Page
    from conversations import listing
    from conversations.filters import Filters
    from conversations.serializers import LIST_FIELDS

    page = Page(listing.ordering(sort_by, descending=True), LIMIT, offset, after)
    return partial(listing.listed, user=owner, filters=Filters(**filters), page=page, fields=LIST_FIELDS)


def _place(sort_by: str, offset: int) -> Any:
    """The keys of the row that is so far down."""
    from conversations import listing
    from conversations.models import Conversation

    order = listing.ordering(sort_by, descending=True)
    rows = order.sort(Conversation.objects.all()).values(*{"id", "updated_at", "import_date"}, **order.computed)
    return order.place(order.cursor(rows[offset]))


def _compared(name: str, run: Callable[[], Any], times: int, first: Figures | None = None) -> Figures:
    figures = measured(iter([run] * times))
    ratio = f"  / first page: {figures.cpu_mean / first.cpu_mean:.2f}" if first else ""
    print(f"  {name:<42} {figures}{ratio}", flush=True)
    return figures


def _measure(owner: Any, count: int, times: int) -> None:
    from conversations import listing
    from conversations.filters import Filters

    deep = count * 9 // 10
    for sort_by in listing.SORTS:
        first = _compared(f"by {sort_by}: the first {LIMIT}", _page(owner, sort_by), times)
        _compared("after a cursor", _page(owner, sort_by, after=_place(sort_by, deep)), times, first)
        _compared("after an offset", _page(owner, sort_by, offset=deep), times, first)
    _compared("a third of them, by status", _page(owner, "updated", status="completed"), times)
    _compared("one of them, by text in the title", _page(owner, "updated", title=f"number {deep}"), times)
    _compared("the total", partial(listing.total, user=owner, filters=Filters()), times)
    _compared("the total of a third", partial(listing.total, user=owner, filters=Filters(status="completed")), times)


def _run(data_dir: Path, given: argparse.Namespace) -> None:
    ours = {"DJANGO_SETTINGS_MODULE": "config.settings", "APP_ENV": "local", "DATA_DIR": str(data_dir)}
    os.environ |= dict.fromkeys(VARIABLES, "") | ours
    embedded.ensure(data_dir)
    django.setup()
    from django.core.management import call_command

    try:
        call_command("migrate", verbosity=0)
        print(f"{given.conversations:,} conversations:")
        _measure(_fill(given.conversations), given.conversations, given.times)
    finally:
        embedded.leave(data_dir, wait_seconds=60)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench lists", description=__doc__)
    parser.add_argument("--conversations", type=int, default=100_000, help="in the list (100,000)")
    parser.add_argument("--times", type=int, default=100, help="each page is asked for (100)")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="draftloom-bench-") as folder:
        _run(Path(folder), given)


if __name__ == "__main__":
    main()

"""Everything that the database holds, to show that something was changed, or was not."""

from django.db import connection

IN_PASSING = {"django_migrations", "user_sessions", "service_keys"}
"""Tables that a mere request may write to: when somebody was last seen."""


def contents(*leave_out: str) -> dict[str, str]:
    """A digest of all rows of each table but those."""
    tables = sorted({*connection.introspection.table_names()} - IN_PASSING - {*leave_out})
    return dict(map(_digest, tables))


def _digest(table: str) -> tuple[str, str]:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT count(*), md5(coalesce(string_agg(t::text, '|' ORDER BY t::text), '')) FROM {table} t")
        count, digest = cursor.fetchone()
        return table, f"{count} {digest}"

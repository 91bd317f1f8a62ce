"""What the tests of every app's admin ask of its pages."""

from collections.abc import Callable
from typing import Any

from django.db import connection
from django.db.models import Model
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

Make = Callable[[int], Model]


def address(kind: str, model: type[Model], *args: Any) -> str:
    return reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_{kind}", args=args)


def page(client: Client, url: str) -> str:
    """The text of a page that has to load."""
    response = client.get(url)
    assert response.status_code == 200
    return response.content.decode()


def list_page(client: Client, model: type[Model], query: str = "") -> str:
    return page(client, address("changelist", model) + query)


def detail_page(client: Client, row: Model) -> str:
    return page(client, address("change", type(row), row.pk))


def queries_of_list(client: Client, model: type[Model]) -> int:
    with CaptureQueriesContext(connection) as queries:
        list_page(client, model)
    return len(queries)


def check_pages(client: Client, make: Make) -> None:
    """The list and the page of a row load, and the list takes as many queries for 30 rows as for 3."""
    rows = [make(number) for number in range(3)]
    model = type(rows[0])
    detail_page(client, rows[0])
    list_page(client, model)  # what is kept for the next time is no matter of rows
    few = queries_of_list(client, model)
    rows += [make(number) for number in range(3, 30)]
    assert model._default_manager.count() >= 30
    assert queries_of_list(client, model) == few <= 12


def check_closed(member: Client, anonymous: Client, row: Model) -> None:
    """Neither a member nor somebody unknown sees a list, a row, or anything of it."""
    for kind, args in (("changelist", []), ("change", [row.pk]), ("delete", [row.pk])):
        url = address(kind, type(row), *args)
        for client in (member, anonymous):
            response = client.get(url)
            assert response.status_code == 302
            assert response.headers["Location"].startswith("/admin/login/?next=")


def check_read_only(client: Client, row: Model) -> None:
    """Not even an operator adds, changes or deletes such a row."""
    model = type(row)
    assert client.get(address("add", model)).status_code == 403
    assert client.post(address("change", model, row.pk), {}).status_code == 403
    assert client.post(address("delete", model, row.pk), {"post": "yes"}).status_code == 403
    assert model._default_manager.filter(pk=row.pk).exists()

"""Nothing of a locked conversation can be changed, by any route: the table is made from the URL configuration."""

from typing import Any

import pytest
from django.test import Client

from config.tests.api_routes import FORMS, Route, api_routes, check_refused, row_counts, send
from config.tests.making import make_conversation, make_draft, make_file
from conversations.models import Conversation

WRITES = [
    route
    for route in api_routes()
    if route.method in {"post", "put", "patch", "delete"} and {"conversation_id", "file_id"} & set(route.parameters)
]


@pytest.mark.parametrize("route", WRITES, ids=str)
def test_it_refuses_every_write(alices: Client, alice: Any, route: Route) -> None:
    conversation = make_conversation(alice)
    draft, file = make_draft(conversation), make_file(conversation)
    Conversation.objects.filter(pk=conversation.pk).update(is_locked=True)
    before = row_counts()
    ids = {"conversation_id": conversation.pk, "version_id": draft.active_version_id, "file_id": file.pk}
    answer = send(alices, route, ids)
    assert check_refused(answer, 403 if str(route) in FORMS else 409)["code"] == "conversation_locked"
    assert row_counts() == before
    conversation.refresh_from_db()
    assert conversation.title != "Another title"


def test_it_knows_of_every_sort_of_write() -> None:
    assert len(WRITES) >= 8

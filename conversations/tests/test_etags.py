import json
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from accounts.models import User
from config.tests.api_routes import check_refused
from config.tests.making import make_conversation, make_draft, make_file
from conversations import services
from conversations.models import Conversation
from integrations.importers.base import ImportedChat, ImportedMessage

STALE = '"of-an-earlier-state"'


@pytest.fixture
def lighthouse(alice: User) -> Conversation:
    return make_conversation(alice)


def url(conversation: Conversation) -> str:
    return f"/api/conversations/{conversation.pk}"


def etag(client: Client, conversation: Conversation) -> str:
    return str(client.get(url(conversation))["ETag"])


def rename(client: Client, conversation: Conversation, title: str = "Two lamps", **headers: str) -> Any:
    body = json.dumps({"title": title})
    return client.patch(url(conversation), body, content_type="application/json", headers=headers)


def delete(client: Client, conversation: Conversation, **headers: str) -> Any:
    return client.delete(url(conversation), headers=headers)


each_write = pytest.mark.parametrize("write", [rename, delete])


# ── Reading ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_it_does_not_read_a_chat_that_one_has_already(alice: User, alices: Client) -> None:
    chat = [{"role": "user", "content": "x" * 1000}] * 5000
    conversation = make_conversation(alice, imported_chat=chat)
    seen = etag(alices, conversation)
    with CaptureQueriesContext(connection) as queries:
        again = alices.get(url(conversation), headers={"If-None-Match": seen})
    assert (again.status_code, again.content, again["ETag"]) == (304, b"", seen)
    assert not [query["sql"] for query in queries if "imported_chat" in query["sql"]]
    assert alices.get(url(conversation), headers={"If-None-Match": STALE}).json()["imported_chat"] == chat


def test_the_tag_is_another_with_every_change(alice: User, alices: Client, lighthouse: Conversation) -> None:
    newer = ImportedChat("chatgpt", "test/1", "A lighthouse", (ImportedMessage("user", "Newer"),))
    tags = [etag(alices, lighthouse)]
    for change in (
        lambda: rename(alices, lighthouse),
        lambda: services.replace_chat(conversation=lighthouse, chat=newer),
        lambda: make_file(lighthouse),
        lambda: make_file(lighthouse, "plan.pdf", file_type="application/pdf"),
        lambda: User.objects.filter(pk=alice.pk).update(name="Alice the Second"),
        lambda: Conversation.objects.update(is_locked=True),
    ):
        change()
        tags.append(etag(alices, lighthouse))
    assert len(set(tags)) == len(tags)
    assert alices.get(url(lighthouse), headers={"If-None-Match": ", ".join(tags[:-1])}).status_code == 200


def test_the_tag_is_the_same_while_only_the_draft_changes(alices: Client, lighthouse: Conversation) -> None:
    before = etag(alices, lighthouse)
    make_draft(lighthouse, "One", "Two")
    assert etag(alices, lighthouse) == before


def test_nobody_learns_from_a_tag_what_they_may_not_see(
    alices: Client, bobs: Client, lighthouse: Conversation, settings: Any
) -> None:
    seen = etag(alices, lighthouse)
    settings.VISIBILITY = "private"
    check_refused(bobs.get(url(lighthouse), headers={"If-None-Match": seen}), 404)
    check_refused(rename(bobs, lighthouse, **{"If-Match": STALE}), 404)


# ── Writing ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_new_title_has_the_tag_that_is_read_later(alices: Client, lighthouse: Conversation) -> None:
    answer = rename(alices, lighthouse, **{"If-Match": etag(alices, lighthouse)})
    assert (answer.status_code, answer["ETag"]) == (200, etag(alices, lighthouse))
    assert rename(alices, lighthouse, "Three", **{"If-Match": answer["ETag"]}).status_code == 200


@each_write
def test_it_changes_nothing_that_was_changed_meanwhile_and_shows_it(
    alices: Client, bobs: Client, lighthouse: Conversation, write: Any
) -> None:
    seen = etag(alices, lighthouse)
    rename(bobs, lighthouse, "By Bob")
    answer = write(alices, lighthouse, **{"If-Match": seen})
    document = check_refused(answer, 412)
    shown = alices.get(url(lighthouse)).json()
    assert shown.pop("imported_chat")
    assert (document["code"], document["current"]) == ("precondition_failed", shown)
    assert document["etag"] == answer["ETag"] == etag(alices, lighthouse)
    assert Conversation.objects.get().title == "By Bob"
    assert write(alices, lighthouse, **{"If-Match": answer["ETag"]}).status_code == 200


@each_write
@pytest.mark.parametrize("header", [{"If-Match": "*"}, {}])
def test_it_writes_for_whoever_does_not_ask(
    alices: Client, lighthouse: Conversation, write: Any, header: dict[str, str]
) -> None:
    assert write(alices, lighthouse, **header).status_code == 200


@each_write
def test_a_lock_comes_before_a_stale_tag(alices: Client, lighthouse: Conversation, write: Any) -> None:
    Conversation.objects.update(is_locked=True)
    assert check_refused(write(alices, lighthouse, **{"If-Match": STALE}), 409)["code"] == "conversation_locked"


@each_write
def test_what_is_gone_comes_before_any_tag(alices: Client, lighthouse: Conversation, write: Any) -> None:
    lighthouse.pk += 1000
    assert check_refused(write(alices, lighthouse, **{"If-Match": "*"}), 404)["code"] == "conversation_not_found"


def test_who_may_not_delete_comes_before_a_stale_tag(bobs: Client, lighthouse: Conversation) -> None:
    assert check_refused(delete(bobs, lighthouse, **{"If-Match": STALE}), 403)["code"] == "forbidden"


@each_write
def test_it_refuses_a_header_that_is_no_list_of_tags(alices: Client, lighthouse: Conversation, write: Any) -> None:
    assert check_refused(write(alices, lighthouse, **{"If-Match": "x"}), 400)["code"] == "invalid_etag"
    assert Conversation.objects.get().title == "A lighthouse"

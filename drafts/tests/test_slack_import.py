"""`POST /api/conversations/import-slack`: who may, what is taken in, and what becomes of it."""

import json
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.test import Client

from accounts import keys
from accounts.models import AuditEvent, ServiceKey, User
from config.tests.api_routes import check_refused
from config.tests.making import make_conversation
from config.tests.stack import Stack, wait_until
from conftest import signed_in
from conversations.models import Conversation, Run
from drafts.import_flow import manners
from drafts.models import DraftVersion
from drafts.services import PLACEHOLDER_TITLE
from integrations.tests.fixtures.chatgpt import SHARE_ID, conversation, message, page, share_page
from integrations.tests.fixtures.server import Answer, Site, serving

PATH = "/api/conversations/import-slack"
LINK = f"https://chatgpt.com/share/{SHARE_ID}"
ADDRESSES = [f"/backend-api/share/{SHARE_ID}", f"/share/{SHARE_ID}"]
THREAD = [
    {"user": "U1", "text": "Can we measure the tide?", "ts": "1700000000.000100"},
    {"bot_id": "B", "text": "Yes."},
]


def key_for(user: User, *may_name: User, scopes: Any = ("import:slack",)) -> str:
    return keys.create(service_name="slack", scopes=scopes, user=user, may_name=may_name)


def send(key: str, user: User, **fields: Any) -> Any:
    body = {"user_id": user.pk} | (fields or {"messages": THREAD})
    return Client().post(PATH, json.dumps(body), content_type="application/json", headers={"X-API-Key": key})


def test_it_takes_a_thread_in_and_has_its_draft_written(alice: User) -> None:
    response = send(key_for(alice), alice, messages=THREAD, title="Tides")
    stored = Conversation.objects.get()
    assert response.json() == {"id": stored.pk, "message": "Conversation imported successfully"}
    assert (stored.title, stored.source, stored.imported_by_user) == ("Tides", "slack", alice)
    assert stored.imported_chat == [
        {"role": "user", "content": "Can we measure the tide?"},
        {"role": "assistant", "content": "Yes."},
    ]
    assert DraftVersion.objects.get().title == PLACEHOLDER_TITLE
    run = Run.objects.get()
    assert (run.kind, run.state, run.user, run.conversation) == ("import", "queued", alice, stored)
    assert run.step["stored"]


def test_it_answers_with_what_is_here_already(alice: User) -> None:
    key = key_for(alice)
    first = send(key, alice).json()["id"]
    assert send(key, alice).json() == {"id": first, "message": "Conversation already exists"}
    assert (Conversation.objects.count(), Run.objects.count()) == (1, 1)


def test_it_answers_with_the_newest_of_several_without_fetching(alice: User) -> None:
    make_conversation(alice, "older", url=LINK)
    newest = make_conversation(alice, "newer", url=LINK)
    assert send(key_for(alice), alice, url=LINK).json()["id"] == newest.pk


def test_it_shows_a_person_nothing_that_is_not_theirs_in_private_mode(alice: User, bob: User, settings: Any) -> None:
    settings.VISIBILITY = "private"
    first = send(key_for(alice), alice).json()["id"]
    assert send(keys.create(service_name="b", scopes=["import:slack"], user=bob), bob).json()["id"] != first


def test_it_stores_under_somebody_whom_the_key_may_name(alice: User, bob: User) -> None:
    assert send(key_for(alice, bob), bob).status_code == 200
    assert Conversation.objects.get().imported_by_user == bob
    assert Run.objects.get().user == bob


def test_it_refuses_anybody_else_before_anything_is_fetched(alice: User, bob: User, olivia: User) -> None:
    key = key_for(alice, olivia)
    for user_id in (bob.pk, 1_000_000):
        body = {"user_id": user_id, "url": "https://169.254.169.254/"}
        response = Client().post(PATH, json.dumps(body), content_type="application/json", headers={"X-API-Key": key})
        check_refused(response, 403)
    User.objects.filter(pk=olivia.pk).update(is_active=False)
    assert check_refused(send(key, olivia), 403)["code"] == "forbidden"
    assert Conversation.objects.count() == 0


def test_it_looks_at_the_scope_first(alice: User) -> None:
    key = key_for(alice, scopes=("conversations:import", "conversations:write"))
    response = Client().post(PATH, "not JSON", content_type="application/json", headers={"X-API-Key": key})
    assert check_refused(response, 403)["required_scope"] == "import:slack"


def test_it_is_for_services_only(alice: User) -> None:
    body = json.dumps({"user_id": alice.pk, "messages": THREAD})
    check_refused(signed_in(alice).post(PATH, body, content_type="application/json"), 403)
    assert Conversation.objects.count() == 0


@pytest.mark.parametrize(
    "fields",
    [
        {"url": LINK, "messages": THREAD},
        {"title": "Only a title"},
        {"messages": []},
        {"messages": "words"},
        {"messages": [{"user": "U1"}]},
        {"messages": [{"text": 7}]},
        {"messages": THREAD, "thread_url": "https://example.org/archives/C1/p1"},
        {"messages": [{"text": "x"}] * 1001},
    ],
)
def test_it_refuses_what_is_neither_a_link_nor_a_thread(alice: User, fields: dict[str, Any]) -> None:
    assert check_refused(send(key_for(alice), alice, **fields), 422)["code"] == "validation_error"


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"url": "https://example.org/share/1"}, "unsupported_url"),
        ({"url": "http://169.254.169.254/latest/meta-data"}, "unsupported_url"),
        ({"messages": [{"user": "U1", "text": " "}]}, "no_messages"),
    ],
)
def test_it_says_why_nothing_could_be_read(alice: User, fields: dict[str, Any], reason: str) -> None:
    document = check_refused(send(key_for(alice), alice, **fields), 400)
    assert (document["code"], document["reason"]) == ("parse_failed", reason)
    assert (Conversation.objects.count(), Run.objects.count()) == (0, 0)


@pytest.fixture
def site(settings: Any) -> Iterator[Site]:
    """A site that stands in for ChatGPT's, with which this process deals as an installation does."""
    with serving() as site:
        settings.IMPORT_FETCH_OVERRIDES = {"chatgpt.com": site.url}
        manners.cache_clear()  # made once, of the settings
        yield site
    manners.cache_clear()


def check_nothing_taken_in(key: str, user: User, reason: str) -> None:
    document = check_refused(send(key, user, url=LINK), 400)
    assert (document["code"], document["reason"]) == ("parse_failed", reason)
    assert (Conversation.objects.count(), Run.objects.count()) == (0, 0)


def drips(handler: BaseHTTPRequestHandler) -> None:
    """A byte now and then: each comes in time, the whole never."""
    handler.send_response(200)
    handler.end_headers()
    for _ in range(200):
        handler.wfile.write(b" ")
        handler.wfile.flush()
        time.sleep(0.05)


def test_it_gives_a_slow_site_up(alice: User, site: Site) -> None:
    assert manners().seconds == 15
    object.__setattr__(manners(), "seconds", 0.3)  # it is frozen
    site.routes = dict.fromkeys(ADDRESSES, drips)
    begun = time.monotonic()
    check_nothing_taken_in(key_for(alice), alice, "timeout")
    assert time.monotonic() - begun < 5
    assert site.paths() == ADDRESSES[:1]


def test_it_says_when_a_site_is_away(alice: User, site: Site, settings: Any) -> None:
    site.routes = dict.fromkeys(ADDRESSES, Answer(503))
    check_nothing_taken_in(key_for(alice), alice, "fetch_failed")
    with serving() as gone:
        settings.IMPORT_FETCH_OVERRIDES = {"chatgpt.com": gone.url}
    manners.cache_clear()
    check_nothing_taken_in(keys.create(service_name="b", scopes=["import:slack"], user=alice), alice, "fetch_failed")


@pytest.mark.parametrize("answer", [b'{"changed": true}', b"words", page("[]").encode(), b"\xff\x00" * 50])
def test_it_says_when_a_page_makes_no_sense(alice: User, site: Site, answer: bytes) -> None:
    site.routes = dict.fromkeys(ADDRESSES, Answer(200, answer))
    check_nothing_taken_in(key_for(alice), alice, "format_changed")
    assert site.paths() == ADDRESSES


def test_it_is_told_by_the_command_whom_a_key_may_name(alice: User, bob: User, capsys: Any) -> None:
    options = ["--scope", "import:slack", "--user", alice.email]
    call_command("create_service_key", "slack", *options, "--may-name", bob.email)
    key = ServiceKey.objects.get()
    assert list(key.may_name.all()) == [bob]
    assert (AuditEvent.objects.get(action="key.created").after or {})["may_name"] == [bob.pk]
    with pytest.raises(CommandError, match="nobody@example.org"):
        call_command("create_service_key", "other", *options, "--may-name", "nobody@example.org")


def test_it_fetches_a_link_and_writes_the_draft_afterwards(stack: Stack) -> None:
    alice = stack.client()
    owner = User.objects.get(email="alice@example.org")
    headers = {"X-API-Key": key_for(owner, scopes=("import:slack", "conversations:read"))}
    page = share_page(conversation(message("user", "How?"), message("assistant", "So."))).encode()
    stack.outside.pages = {f"/share/{SHARE_ID}": (200, page)}
    answer = alice.post(PATH, {"user_id": owner.pk, "url": f" {LINK}"}, headers=headers).json()
    assert answer["message"] == "Conversation imported successfully"
    draft = f"/api/conversations/{answer['id']}/project-draft"
    wait_until(lambda: alice.get(draft).json()["project_draft"]["active_version"]["title"] == "Made up")
    again = alice.post(PATH, {"user_id": owner.pk, "url": LINK}, headers=headers).json()
    assert again == {"id": answer["id"], "message": "Conversation already exists"}


def test_it_says_when_the_chat_behind_a_link_is_gone(stack: Stack) -> None:
    alice = stack.client()
    owner = User.objects.get(email="alice@example.org")
    gone = json.dumps({"detail": {"code": "shared_conversation_deleted"}}).encode()
    stack.outside.pages = {f"/backend-api/share/{SHARE_ID}": (404, gone)}
    response = alice.post(PATH, {"user_id": owner.pk, "url": LINK}, headers={"X-API-Key": key_for(owner)})
    assert (response.status_code, response.json()["code"]) == (400, "CHAT_NOT_FOUND")
    assert alice.get("/api/conversations").json()["conversations"] == []

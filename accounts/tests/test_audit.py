import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.db import ProgrammingError, connection, transaction
from django.test import Client

from accounts import audit, keys, services
from accounts.models import OPERATOR, AuditEvent, ServiceKey, User, UserSession
from config.tests.admin_pages import address, check_closed, check_pages, check_read_only
from config.tests.making import make_conversation
from conftest import signed_in
from llmconfig import prompts
from llmconfig import services as llmconfig

PROXIED: dict[str, Any] = {"REMOTE_ADDR": "192.0.2.7", "headers": {"X-Request-Id": "request-7"}}


def make_event(number: int) -> AuditEvent:
    user = services.get_or_make_user(email=f"person{number}@example.org")
    audit.record("thing.done", user=user, resource=f"thing {number}", before={"a": 1}, after={"a": 2})
    return AuditEvent.objects.latest("id")


def last(action: str) -> AuditEvent:
    return AuditEvent.objects.filter(action=action).latest("id")


@pytest.fixture
def lines() -> Iterator[list[str]]:
    """What the audit's logger writes."""
    written: list[str] = []
    handler = logging.Handler()
    handler.emit = lambda record: written.append(record.getMessage())  # type: ignore[method-assign]
    logger = logging.getLogger("accounts.audit")
    logger.addHandler(handler)
    yield written
    logger.removeHandler(handler)


# ── Rows and lines ────────────────────────────────────────────────────────────────────────────────────────────────────


def test_it_can_be_neither_changed_nor_deleted(db: None) -> None:
    event = make_event(1)
    for rewrite in (
        lambda: AuditEvent.objects.update(actor="somebody else"),
        lambda: AuditEvent.objects.filter(pk=event.pk).delete(),
        lambda: event.save(),
    ):
        with pytest.raises(ProgrammingError, match="append-only"), transaction.atomic():
            rewrite()
    assert AuditEvent.objects.get(pk=event.pk).actor == "person1@example.org"


def test_it_writes_a_line_of_json(alice: User, lines: list[str], django_capture_on_commit_callbacks: Any) -> None:
    with django_capture_on_commit_callbacks(execute=True):
        audit.record("thing.done", user=alice, resource="thing 7", before={"a": 1}, after={"a": 2})
    line = json.loads(lines[-1])
    assert line.pop("at") and line.pop("event") == AuditEvent.objects.latest("id").pk
    assert line == {
        "action": "thing.done",
        "outcome": "done",
        "actor": "alice@example.org",
        "user": alice.pk,
        "service_key": None,
        "resource": "thing 7",
        "address": "",
        "request_id": "",
        "before": {"a": 1},
        "after": {"a": 2},
    }


def test_it_says_nothing_of_what_was_rolled_back(
    db: None, lines: list[str], django_capture_on_commit_callbacks: Any
) -> None:
    with django_capture_on_commit_callbacks(execute=True), transaction.atomic():
        audit.record("thing.done")
        transaction.set_rollback(True)
    assert lines == []
    assert not AuditEvent.objects.filter(action="thing.done").exists()


def test_it_speaks_whatever_the_level_of_the_logs(settings: Any) -> None:
    assert settings.LOGGING["loggers"]["accounts.audit"]["level"] == "INFO"
    assert settings.LOGGING["handlers"]["audit"]["formatter"] == "json"
    assert logging.getLogger("accounts.audit").isEnabledFor(logging.INFO)


def test_it_is_shown_to_operators_who_cannot_change_it(bobs: Client, olivias: Client) -> None:
    check_pages(olivias, make_event)
    check_closed(bobs, Client(), make_event(1))
    check_read_only(olivias, make_event(1))


# ── What is recorded ──────────────────────────────────────────────────────────────────────────────────────────────────


def test_it_records_who_signs_in_and_out_from_where(alice: User) -> None:
    token, client = services.issue_login_link(user=alice), Client()
    client.get(f"/api/auth/login-link/{token}", **PROXIED)
    begun = last("session.begun")
    assert (begun.user, begun.actor, begun.outcome) == (alice, "alice@example.org", "done")
    assert (begun.address, begun.request_id) == ("192.0.2.7", "request-7")
    assert begun.resource == "api/auth/login-link/<str:token>"
    client.post("/api/auth/logout", content_type="application/json", **PROXIED)
    ended = last("session.ended")
    assert (ended.user, ended.address, ended.request_id) == (alice, "192.0.2.7", "request-7")


def test_it_records_a_link_that_lets_nobody_in(db: None) -> None:
    Client().get("/api/auth/login-link/spent", **PROXIED)
    event = last("session.refused")
    assert (event.outcome, event.resource, event.actor, event.user) == ("refused", "link", "", None)
    assert (event.address, event.request_id) == ("192.0.2.7", "request-7")


def test_it_records_a_session_that_an_operator_ends(alice: User, alices: Client, olivias: Client) -> None:
    services.open_session(user=alice)
    first, second = UserSession.objects.filter(user=alice)
    olivias.post(address("delete", UserSession, first.pk), {"post": "yes"})
    chosen = {"action": "delete_selected", "_selected_action": [second.pk], "post": "yes"}
    olivias.post(address("changelist", UserSession), chosen)
    assert not UserSession.objects.filter(user=alice).exists()
    events = AuditEvent.objects.filter(action="session.revoked", actor="olivia@example.org").order_by("id")
    assert [event.resource for event in events] == [f"{alice.email}: session {row.pk}" for row in (first, second)]


def test_it_records_keys_from_beginning_to_end(alice: User) -> None:
    raw = keys.create(service_name="slack", scopes=["conversations:read"], user=alice)
    made, key = last("key.created"), ServiceKey.objects.get()
    assert (made.actor, made.resource) == ("server", f"slack ({key.prefix}…)")
    assert made.after == {"scopes": ["conversations:read"], "user": alice.pk, "expires_at": None}
    keys.revoke(prefix=key.prefix)
    keys.revoke(prefix=key.prefix)  # nothing happens
    revoked = AuditEvent.objects.get(action="key.revoked")
    assert (revoked.before, revoked.after) == ({"is_active": True}, {"is_active": False})
    Client().get("/api/conversations", REMOTE_ADDR="192.0.2.7", headers={"X-API-Key": raw})
    refused = last("key.refused")
    assert (refused.outcome, refused.actor, refused.service_key) == ("refused", "", None)
    assert (refused.resource, refused.after, refused.address) == (key.prefix, {"reason": "revoked"}, "192.0.2.7")


def test_it_records_no_rubbish_that_was_sent_as_a_key(db: None) -> None:
    Client().get("/api/conversations", headers={"X-API-Key": "a secret of something else"})
    event = last("key.refused")
    assert (event.resource, event.after) == ("", {"reason": "malformed"})


def test_it_records_what_the_back_office_changes_of_a_key(olivias: Client) -> None:
    keys.create(service_name="slack", scopes=["conversations:read"])
    key = ServiceKey.objects.get()
    form = {"is_active": "", "expires_at_0": "2030-01-02", "expires_at_1": "03:04:05"}
    assert olivias.post(address("change", ServiceKey, key.pk), form).status_code == 302
    event = last("key.changed")
    assert event.actor == "olivia@example.org"
    assert event.before == {"is_active": True, "expires_at": None}
    assert event.after == {"is_active": False, "expires_at": "2030-01-02T03:04:05Z"}


def test_it_records_roles_however_they_change(alice: User) -> None:
    operators = Group.objects.get(name=OPERATOR)
    changes = [
        lambda: services.get_or_make_user(email=alice.email, operator=True),
        lambda: alice.groups.remove(operators),
        lambda: operators.user_set.add(alice),
        lambda: operators.user_set.remove(alice),
        lambda: alice.groups.add(operators),
        lambda: operators.user_set.clear(),
    ]
    for change in changes:
        change()
    about = AuditEvent.objects.filter(resource=alice.email, after={"role": OPERATOR}).order_by("id")
    assert list(about.values_list("action", flat=True)) == ["role.granted", "role.removed"] * 3


def test_it_records_who_was_deactivated_by_whom(alice: User, olivias: Client) -> None:
    form = {"email": alice.email, "name": alice.name, "groups": [group.pk for group in alice.groups.all()]}
    assert olivias.post(address("change", User, alice.pk), form).status_code == 302
    event = last("user.changed")
    assert (event.actor, event.resource) == ("olivia@example.org", alice.email)
    assert (event.before, event.after) == ({"is_active": True}, {"is_active": False})


def test_it_records_which_prompt_and_model_are_in_use(olivia: User) -> None:
    task, earlier = "project_draft_chat", [event.pk for event in AuditEvent.objects.all()]
    first = prompts.save_prompt(prompt_type=task, system_prompt="One, of which the audit is silent.", user=olivia)
    prompts.save_prompt(prompt_type=task, system_prompt="Two", user=olivia)
    prompts.activate_prompt(prompt=first)
    prompts.revert_prompt(prompt_type=task)
    llmconfig.set_default_model(prompt_type=task, provider="demo", model_id="demo-1", user=olivia)
    events = AuditEvent.objects.filter(resource=task).exclude(pk__in=earlier).order_by("id")
    demo = {"llm_provider": "demo", "llm_model": "demo-1"}
    assert [(event.action, event.before, event.after) for event in events] == [
        ("prompt.saved", {"version": 0}, {"version": 1}),
        ("prompt.saved", {"version": 1}, {"version": 2}),
        ("prompt.activated", {"version": 2}, {"version": 1}),
        ("prompt.reverted", {"version": 1}, {"version": 0}),
        ("default_model.set", None, demo),
    ]
    assert events[0].user == olivia


def test_it_records_who_deleted_what(alice: User, olivia: User) -> None:
    conversation = make_conversation(alice)
    signed_in(olivia).delete(f"/api/conversations/{conversation.pk}")
    event = last("conversation.deleted")
    assert (event.user, event.resource) == (olivia, f"conversation {conversation.pk}")
    assert event.before == {"imported_by": alice.pk}


# ── Secrets ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def dump() -> str:
    """All that the database holds, as text."""
    texts = []
    with connection.cursor() as cursor:
        for table in connection.introspection.table_names():
            cursor.execute(f'SELECT coalesce(string_agg(t::text, chr(10)), %s) FROM "{table}" t', [""])
            texts += cursor.fetchone()
    return "\n".join(texts)


def test_it_keeps_no_secret_anywhere(
    alice: User,
    olivias: Client,
    lines: list[str],
    caplog: pytest.LogCaptureFixture,
    django_capture_on_commit_callbacks: Any,
) -> None:
    caplog.set_level(logging.DEBUG)
    with django_capture_on_commit_callbacks(execute=True):
        token, client = services.issue_login_link(user=alice), Client()
        assert client.get(f"/api/auth/login-link/{token}").status_code == 302
        assert client.get(f"/api/auth/login-link/{token}x").status_code == 302  # signed in already
        assert Client().get(f"/api/auth/login-link/{token}").status_code == 410
        session = client.cookies["session_token"].value
        assert client.get("/api/auth/me").status_code == 200
        raw = keys.create(service_name="slack", scopes=["conversations:write"], user=alice)
        conversation = make_conversation(alice)
        path, headers = f"/api/conversations/{conversation.pk}", {"X-API-Key": raw}
        assert client.patch(path, {"title": "B"}, content_type="application/json", headers=headers).status_code == 200
        assert client.get(f"{path}/nothing", headers={"X-API-Key": raw[:-1]}).status_code == 401
        assert olivias.get(address("changelist", AuditEvent)).status_code == 200
    written = dump() + caplog.text + "\n".join(lines)
    assert "key.wrote" in "".join(lines) and "alice@example.org" in written
    for secret in (raw, raw[12:-9], token, session):
        assert len(secret) >= 32
        assert secret not in written

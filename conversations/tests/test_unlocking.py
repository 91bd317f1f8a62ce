"""An operator lets a conversation that has become a project be changed again, and says why."""

from typing import Any

import pytest
from django.test import Client

from accounts.models import AuditEvent
from bench.chaos.invariants import broken_rules
from config.exceptions import Conflict, Forbidden, Invalid, NotFound
from config.tests.admin_pages import address
from config.tests.making import make_conversation, make_draft
from conversations import services
from conversations.models import Conversation
from drafts import project_creation
from integrations.tests.fake_linear import FakeLinear


@pytest.fixture
def locked(alice: Any, fake_linear: FakeLinear) -> Conversation:
    conversation = make_conversation(alice)
    make_draft(conversation)
    project_creation.create_project(user=alice, conversation_id=conversation.pk, title="T", description="D")
    conversation.refresh_from_db()
    return conversation


def submit(client: Client, *rows: Conversation, **fields: str) -> Any:
    form = {"action": "unlock", "_selected_action": [row.pk for row in rows], **fields}
    return client.post(address("changelist", Conversation), form)


def is_locked(conversation: Conversation) -> bool:
    return Conversation.objects.get(pk=conversation.pk).is_locked


def test_it_asks_for_the_reason_first(olivias: Client, locked: Conversation) -> None:
    shown = submit(olivias, locked).content.decode()
    assert locked.title in shown
    assert 'name="reason"' in shown
    assert is_locked(locked)
    assert "This field is required" in submit(olivias, locked, unlock="Unlock", reason="  ").content.decode()
    assert is_locked(locked)


def test_it_unlocks_and_the_audit_keeps_the_reason(olivias: Client, olivia: Any, locked: Conversation) -> None:
    assert submit(olivias, locked, unlock="Unlock", reason="The customer wants more.").status_code == 302
    assert not is_locked(locked)
    event = AuditEvent.objects.get(action="conversation.unlocked")
    assert (event.user_id, event.resource) == (olivia.pk, f"conversation {locked.pk}")
    assert event.after == {"is_locked": False, "reason": "The customer wants more."}
    assert broken_rules() == {}


def test_it_lets_members_change_it_again_but_not_make_a_second_project(
    olivia: Any, alices: Client, locked: Conversation, fake_linear: FakeLinear
) -> None:
    services.unlock(user=olivia, conversation_id=locked.pk, reason="More to do.")
    path = f"/api/conversations/{locked.pk}"
    assert alices.patch(path, {"title": "More"}, content_type="application/json").status_code == 200
    body = {"title": "Second", "description": "D"}
    assert alices.post(f"{path}/project", body, content_type="application/json").json()["code"] == "project_exists"
    assert alices.get(f"{path}/project").status_code == 200
    assert len(fake_linear.projects) == 1


def test_it_passes_over_what_is_not_locked(olivias: Client, alice: Any, locked: Conversation) -> None:
    free = make_conversation(alice, "Free")
    assert "None of these is locked" in submit(olivias, free).content.decode()
    submit(olivias, free, locked, unlock="Unlock", reason="Both.")
    assert AuditEvent.objects.filter(action="conversation.unlocked").count() == 1


def test_it_is_for_operators_only(alices: Client, alice: Any, locked: Conversation) -> None:
    assert submit(alices, locked, unlock="Unlock", reason="Mine.").status_code == 302  # to the sign-in
    with pytest.raises(Forbidden):
        services.unlock(user=alice, conversation_id=locked.pk, reason="Mine.")
    assert is_locked(locked)


@pytest.mark.parametrize(("number", "reason", "error"), [(0, "Why", NotFound), (1, " ", Invalid)])
def test_it_refuses_what_makes_no_sense(
    olivia: Any, locked: Conversation, number: int, reason: str, error: type[Exception]
) -> None:
    with pytest.raises(error):
        services.unlock(user=olivia, conversation_id=number * locked.pk, reason=reason)


def test_it_is_done_once(olivia: Any, locked: Conversation) -> None:
    services.unlock(user=olivia, conversation_id=locked.pk, reason="Once.")
    with pytest.raises(Conflict, match="not locked"):
        services.unlock(user=olivia, conversation_id=locked.pk, reason="Twice.")

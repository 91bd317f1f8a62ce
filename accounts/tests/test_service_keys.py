"""Keys of services, over HTTP, as rows and as commands; who may do what with one: `test_access_matrix`."""

from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import IntegrityError, transaction
from django.test import Client
from django.utils import timezone

from accounts import keys
from accounts.models import AuditEvent, ServiceKey, User
from config.exceptions import Conflict, Invalid
from config.limits import Rate
from config.redis import client as redis_client
from config.tests.admin_pages import address
from config.tests.making import make_conversation
from conftest import make_user, signed_in

LIST = "/api/conversations"
READ = ["conversations:read"]


def reader(**more: Any) -> str:
    return keys.create(**{"service_name": "slack", "scopes": READ, **more})


def get(key: str, path: str = LIST, client: Client | None = None) -> Any:
    return (client or Client()).get(path, headers={"X-API-Key": key})


def status(key: str) -> int:
    return int(get(key).status_code)


# ── Keys ──────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_it_has_a_prefix_and_a_checksum(db: None) -> None:
    key = reader()
    prefix, secret, checksum = key[:11], key[12:-9], key[-8:]
    assert (prefix[:3], len(secret), key) == ("dl_", 43, f"{prefix}_{secret}_{checksum}")
    assert ServiceKey.objects.get().prefix == prefix
    assert secret not in str(ServiceKey.objects.values().get())


def test_it_is_let_in_by_either_header(db: None) -> None:
    key = reader()
    for headers in ({"X-API-Key": key}, {"Authorization": f"Bearer {key}"}, {"Authorization": f"bearer {key}"}):
        assert Client().get(LIST, headers=headers).status_code == 200


def test_it_is_no_key_in_a_query_or_behind_another_scheme(db: None) -> None:
    key = reader()
    assert Client().get(f"{LIST}?X-API-Key={key}&api_key={key}").status_code == 401
    assert Client().get(LIST, headers={"Authorization": f"Basic {key}"}).status_code == 401


def broken_keys(key: str) -> dict[str, str]:
    other_secret = "A" * 43
    body = f"{key[:11]}_{other_secret}"
    unknown = f"dl_00000000_{other_secret}"
    return {
        "empty": "",
        "short": key[:-1],
        "long": f"{key}0",
        "of another checksum": key[:-1] + ("0" if key[-1] != "0" else "1"),
        "of another secret": f"{body}_{keys._checksum(body)}",
        "unknown": f"{unknown}_{keys._checksum(unknown)}",
        "in capitals": key.upper(),
        "not ASCII": "dl_é",
        "with a NUL": "dl_\x00",
        "long rubbish": "x" * 5000,
    }


def test_it_refuses_whatever_is_no_key_of_ours(alice: User) -> None:
    members = signed_in(alice)
    for what, wrong in broken_keys(reader()).items():
        for response in (get(wrong), get(wrong, "/api/no-such-thing"), get(wrong, client=members)):
            assert response.status_code == 401, what
            assert response.json()["code"] == "authentication_failed"
            assert wrong == "" or wrong not in response.content.decode()
    assert members.get(LIST).status_code == 200  # without a key the cookie counts again


def test_it_refuses_a_bad_key_beside_a_good_one(db: None) -> None:
    headers = {"X-API-Key": "bad", "Authorization": f"Bearer {reader()}"}
    assert Client().get(LIST, headers=headers).status_code == 401


def test_it_tells_a_key_that_a_thing_is_missing_only_once_it_is_known(db: None) -> None:
    assert get(reader(), "/api/no-such-thing").status_code == 404


def test_it_ends_when_it_is_revoked(db: None) -> None:
    key = reader()
    assert status(key) == 200
    keys.revoke(prefix=key[:11])
    assert status(key) == 401


def test_it_ends_when_it_expires(db: None) -> None:
    key = reader(expires_at=timezone.now() + timedelta(hours=1))
    assert status(key) == 200
    ServiceKey.objects.update(expires_at=timezone.now())
    assert status(key) == 401


def test_it_ends_with_its_user(alice: User) -> None:
    key = reader(user=alice)
    assert status(key) == 200
    User.objects.filter(pk=alice.pk).update(is_active=False)
    assert status(key) == 401


def test_it_has_two_live_keys_for_a_name_and_no_more(db: None) -> None:
    first, second = reader(), reader()
    assert (status(first), status(second)) == (200, 200)
    with pytest.raises(Conflict):
        reader()
    reader(service_name="another")
    keys.revoke(prefix=first[:11])
    assert (status(first), status(second), status(reader())) == (401, 200, 200)


def test_it_notes_its_use_once_a_minute(db: None, django_assert_num_queries: Any) -> None:
    key = reader()
    keys.authenticate(key)
    first = ServiceKey.objects.get().last_used_at
    assert first is not None
    with django_assert_num_queries(1):
        keys.authenticate(key)
    ServiceKey.objects.update(last_used_at=first - timedelta(minutes=1))
    keys.authenticate(key)
    assert (ServiceKey.objects.get().last_used_at or first) > first


def test_it_writes_only_as_somebody(db: None) -> None:
    for scope in ("conversations:import", "conversations:write", "projects:create", "import:slack"):
        with pytest.raises(Invalid):
            reader(scopes=[*READ, scope])
        with pytest.raises(IntegrityError), transaction.atomic():
            ServiceKey.objects.create(service_name="x", prefix="x", api_key_hash="x", scopes=[scope])


def test_it_stores_what_it_writes_under_its_user(alice: User) -> None:
    conversation = make_conversation(make_user("carol@example.org"))
    key = reader(scopes=["conversations:import", "conversations:write"], user=alice)
    headers, body = {"X-API-Key": key}, {"text": "User: a\n\nAssistant: b"}
    response = Client().post(f"{LIST}/import-file", body, content_type="application/json", headers=headers)
    assert response.status_code == 200
    assert alice.runs.get().payload["chat"]
    path = f"{LIST}/{conversation.pk}"
    response = Client().patch(path, {"title": "New"}, content_type="application/json", headers=headers)
    assert response.json()["conversation"]["title"] == "New"
    events = AuditEvent.objects.filter(action="key.wrote").order_by("id")
    assert [event.resource for event in events] == [f"POST {LIST}/import-file", f"PATCH {path}"]
    assert {(event.user, event.service_key) for event in events} == {(alice, ServiceKey.objects.get())}


def test_it_needs_no_origin(alice: User) -> None:
    """A foreign page can't add a key; and beside one, the cookie that it could abuse does not count."""
    conversation = make_conversation(alice)
    key = reader(scopes=["conversations:write"], user=alice)
    response = signed_in(alice).patch(
        f"{LIST}/{conversation.pk}",
        {"title": "New"},
        content_type="application/json",
        headers={"X-API-Key": key, "Origin": "https://evil.example"},
    )
    assert response.status_code == 200


def test_it_can_be_tried_only_so_often(db: None, settings: Any) -> None:
    for name in redis_client().scan_iter("rate:refused-keys:*"):
        redis_client().delete(name)
    settings.LIMIT_SIGN_INS = Rate(3, 60)
    assert [status("wrong") for _ in range(5)] == [401, 401, 401, 429, 429]
    assert 1 <= int(get("wrong")["Retry-After"]) <= 60
    assert AuditEvent.objects.filter(action="key.refused").count() == 3
    assert status(reader()) == 200  # whose key is good is not stopped by those who guess
    for name in redis_client().scan_iter("rate:refused-keys:*"):
        redis_client().delete(name)


# ── Commands and the back office ──────────────────────────────────────────────────────────────────────────────────────


def call(*words: str) -> str:
    out = StringIO()
    call_command(*words, stdout=out, stderr=StringIO())
    return out.getvalue()


def test_a_command_makes_a_key_that_works(alice: User) -> None:
    words = ["--scope", "conversations:read", "--scope", "conversations:write", "--expires", "30"]
    lines = call("create_service_key", "slack", *words, "--user", "Alice@example.org").splitlines()
    assert status(lines[-1]) == 200
    key = ServiceKey.objects.get()
    assert (key.service_name, key.user, key.scopes) == ("slack", alice, ["conversations:read", "conversations:write"])
    assert key.expires_at is not None
    assert timedelta(days=29) < key.expires_at - timezone.now() < timedelta(days=31)


@pytest.mark.parametrize(
    "words",
    [
        ["--scope", "everything"],
        ["--scope", "conversations:write"],
        ["--scope", "conversations:read", "--user", "nobody@example.org"],
        ["--scope", "conversations:read", "--expires", "0"],
        [],
    ],
)
def test_a_command_refuses_a_key_that_makes_no_sense(db: None, words: list[str]) -> None:
    with pytest.raises(CommandError):
        call("create_service_key", "slack", *words)
    assert not ServiceKey.objects.exists()


def test_a_command_lists_keys_without_showing_them(alice: User) -> None:
    live, revoked = reader(user=alice), reader()
    keys.revoke(prefix=revoked[:11])
    _, first, second = call("list_service_keys").splitlines()
    assert [first.split()[:4], second.split()[:4]] == [
        ["slack", live[:11], "live", "alice@example.org"],
        ["slack", revoked[:11], "revoked", "-"],
    ]
    assert live[12:-9] not in first


def test_a_command_revokes_a_key(db: None) -> None:
    key = reader()
    assert "is revoked" in call("revoke_service_key", key[:11])
    assert status(key) == 401
    with pytest.raises(CommandError):
        call("revoke_service_key", "dl_00000000")


def test_the_back_office_revokes_keys(olivias: Client) -> None:
    key = reader()
    row = ServiceKey.objects.get()
    olivias.post(address("changelist", ServiceKey), {"action": "revoke", "_selected_action": [row.pk]})
    assert status(key) == 401
    event = AuditEvent.objects.get(action="key.revoked")
    assert (event.actor, event.resource) == ("olivia@example.org", str(row))

"""Whoever may not be here any more: the streams that were open end too."""

import asyncio
import time
from collections.abc import Collection
from contextlib import ExitStack, suppress

import pytest

from accounts import keys, services
from accounts.models import ServiceKey, User
from config import audience
from config.audience import Audience
from config.tests.stack import Stack, chat_path, said
from conftest import make_user

SLOW = "Hello [[words=400 delay_ms=30]]"  # twelve seconds


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audience, "LOOK_SECONDS", 0.01)


class Register:
    """Knows who is gone; `asked` holds what was asked."""

    def __init__(self, *gone: int) -> None:
        self.gone: set[int] | None = set(gone)
        self.asked: list[list[int]] = []

    async def find_gone(self, owners: Collection[int]) -> Collection[int] | None:
        self.asked.append(sorted(owners))
        return None if self.gone is None else self.gone & set(owners)


async def looked(audience: Audience, register: Register, seconds: float = 0.1) -> None:
    with suppress(TimeoutError):
        await asyncio.wait_for(audience.dismiss(register.find_gone), seconds)


def test_it_counts_streams_by_owner() -> None:
    audience = Audience()
    with ExitStack() as open_streams:
        for owner in (1, 1, -1):
            open_streams.enter_context(audience.joined(owner))
        assert [audience.streams_of(owner) for owner in (1, -1, 2)] == [2, 1, 0]
        assert audience.total() == 3
        with audience.joined(1):
            assert audience.streams_of(1) == 3
        assert audience.streams_of(1) == 2
    assert (audience.total(), audience.streams_of(1)) == (0, 0)


async def test_it_dismisses_all_streams_of_who_is_gone_and_no_other(quick: None) -> None:
    audience, register = Audience(), Register(1)
    with audience.joined(1) as one, audience.joined(1) as other, audience.joined(2) as stays:
        await looked(audience, register)
        assert [event.is_set() for event in (one, other, stays)] == [True, True, False]
    assert register.asked[0] == [1, 2]


async def test_it_asks_nobody_while_no_stream_is_open(quick: None) -> None:
    audience, register = Audience(), Register(1)
    await looked(audience, register)
    assert register.asked == []


async def test_it_dismisses_nobody_while_nobody_can_tell(quick: None) -> None:
    audience, register = Audience(), Register(1)
    register.gone = None
    with audience.joined(1) as stream:
        await looked(audience, register)
        assert not stream.is_set()
        register.gone = {1}
        await looked(audience, register)
        assert stream.is_set()


def make_key(user: User | None = None) -> ServiceKey:
    keys.create(service_name=f"service {ServiceKey.objects.count()}", scopes=["conversations:read"], user=user)
    return ServiceKey.objects.latest("id")


def test_those_are_shut_out_who_could_not_come_in(alice: User, bob: User) -> None:
    revoked, live, of_bob = make_key(), make_key(), make_key(bob)
    ServiceKey.objects.filter(pk=revoked.pk).update(is_active=False)
    ids = [alice.pk, bob.pk, 2**40, -revoked.pk, -live.pk, -of_bob.pk]
    assert services.shut_out(ids) == {2**40, -revoked.pk}
    User.objects.filter(pk=bob.pk).update(is_active=False)
    assert services.shut_out(ids) == {bob.pk, 2**40, -revoked.pk, -of_bob.pk}


def test_the_stream_of_somebody_deactivated_ends_within_seconds(stack: Stack) -> None:
    alice, bob = stack.client(), stack.client("bob@example.org")
    conversation = alice.imported()
    with ExitStack() as open_streams:
        first, events = open_streams.enter_context(alice.opened("POST", chat_path(conversation), json=said(SLOW)))
        watch = f"/api/runs/{first.headers['x-run-id']}/events"
        _, bobs = open_streams.enter_context(bob.opened("GET", watch))
        next(events)
        deactivated = time.monotonic()
        User.objects.filter(pk=make_user("alice@example.org").pk).update(is_active=False)
        rest = [event["type"] for event in events]
        assert time.monotonic() - deactivated < 6
        assert not {"done", "error", "cancelled"} & set(rest)
        assert alice.get(watch).status_code == 401
        assert [event["type"] for event in bobs][-1] == "done"

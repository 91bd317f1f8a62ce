"""What operators are told about the services outside."""

import asyncio
import time
from collections.abc import Iterator
from typing import Any

import pytest
from aiohttp import web
from django.test import Client
from django.utils import timezone

from config.integrations import all_integrations
from config.redis import client as redis
from config.tests.admin_pages import page
from config.tests.api_routes import check_refused
from integrations import linear
from integrations.http import ServiceAway
from integrations.tests.fake_linear import FakeLinear
from integrations.tests.loopback import LoopbackServer
from llmconfig.models import LLMCall, Task


@pytest.fixture(autouse=True)
def nobody_has_asked(db: None) -> Iterator[None]:
    forget()
    yield
    forget()


def forget() -> None:
    keys = [key for pattern in ("health:*", "probe:*") for key in redis().scan_iter(pattern)]
    if keys:
        redis().delete(*keys)


def told(olivias: Client) -> dict[str, dict[str, Any]]:
    answer = olivias.get("/api/integrations")
    assert answer.status_code == 200
    return {row["name"]: row for row in answer.json()["integrations"]}


def test_it_names_each_and_asks_none_that_is_off(olivias: Client) -> None:
    rows = told(olivias)
    unasked = {"reachable": None, "last_success_at": None, "last_error": None}
    on = {"embeddings"}  # one is always at hand
    assert rows == {row.name: {"name": row.name, "configured": row.name in on, **unasked} for row in all_integrations()}
    assert {"openai", "linear", "mem0", "summarizer", "embeddings", "storage", "google"} <= rows.keys()


def test_it_is_for_operators(alices: Client) -> None:
    check_refused(alices.get("/api/integrations"), 403)


def test_it_asks_once_a_minute(olivias: Client, fake_linear: FakeLinear) -> None:
    for _ in range(3):
        row = told(olivias)["linear"]
        assert (row["configured"], row["reachable"], row["last_error"]) == (True, True, None)
        assert row["last_success_at"]
    assert fake_linear.operations == ["GetTeams"]


def test_it_says_that_a_service_is_away_and_what_it_said_last(
    olivias: Client, fake_linear: FakeLinear, settings: Any
) -> None:
    settings.LINEAR_API_URL = "http://127.0.0.1:9/graphql"
    row = told(olivias)["linear"]
    assert (row["reachable"], row["last_error"]["code"]) == (False, "unreachable")
    assert row["last_error"]["at"]


def test_it_tells_a_service_that_refuses_from_one_that_is_away(
    olivias: Client, fake_linear: FakeLinear, settings: Any
) -> None:
    settings.LINEAR_ACCESS_KEY = "another"
    row = told(olivias)["linear"]
    assert (row["reachable"], row["last_error"]["code"]) == (True, "unauthorized")


def test_it_keeps_the_last_error_of_ordinary_work(olivias: Client, fake_linear: FakeLinear) -> None:
    fake_linear.teams = []
    with pytest.raises(ServiceAway):
        linear.probe()
    assert told(olivias)["linear"]["last_error"]["code"] == "unknown_team"


def test_it_waits_three_seconds_for_all_together(olivias: Client, settings: Any) -> None:
    async def sleep(_: web.Request) -> web.Response:
        await asyncio.sleep(20)
        return web.Response()

    with LoopbackServer(sleep) as server:
        settings.OPENAI_API_KEY, settings.OPENAI_BASE_URL = "sk-test", server.url
        begun = time.monotonic()
        assert told(olivias)["openai"]["reachable"] is False
        assert time.monotonic() - begun < 4


def test_it_takes_a_refusal_without_a_key_for_an_answer(olivias: Client, settings: Any) -> None:
    keys: list[str | None] = []

    async def refuse(request: web.Request) -> web.Response:
        keys.append(request.headers.get("Authorization"))
        return web.json_response({}, status=401)

    with LoopbackServer(refuse) as server:
        settings.OPENAI_API_KEY, settings.OPENAI_BASE_URL = "sk-test", f"{server.url}/v1"
        assert told(olivias)["openai"]["reachable"] is True
    assert keys == [None]


@pytest.mark.parametrize(("outcome", "code"), [("failed", "provider_overloaded"), ("finished", "")])
def test_it_knows_a_provider_from_its_calls(olivias: Client, outcome: str, code: str) -> None:
    now = timezone.now()
    LLMCall.objects.create(
        task=Task.CHAT, provider="openai", model_id="gpt-4o", outcome=outcome, error_code=code, created_at=now
    )
    row = told(olivias)["openai"]
    assert bool(row["last_success_at"]) is (not code)
    assert (row["last_error"] or {}).get("code", "") == code


def test_it_says_that_it_does_not_know_while_somebody_else_asks(
    olivias: Client, fake_linear: FakeLinear, settings: Any
) -> None:
    redis().set("health:linear:probed", 1, ex=60)  # as for another process that asks just now
    row = told(olivias)["linear"]
    assert (row["configured"], row["reachable"], row["last_success_at"]) == (True, None, None)
    assert fake_linear.operations == []


def test_the_back_office_says_so_in_a_line(olivias: Client, fake_linear: FakeLinear) -> None:
    fake_linear.teams = []
    told(olivias)
    line = page(olivias, "/admin/").partition('id="integrations"')[2].partition("</p>")[0]
    assert "last error unknown_team" in " ".join(line.split())
    assert "google\n  off" in line
    assert len(fake_linear.operations) == 1  # the page asks nobody

"""Pages of the lists of runs."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from accounts.models import User
from config.tests.api_routes import check_refused
from config.tests.making import make_conversation, make_run
from conversations.models import Conversation, Run

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.fixture
def conversation(alice: User) -> Conversation:
    return make_conversation(alice)


@pytest.fixture(params=["/api/runs", "/api/conversations/{}/runs"])
def path(request: pytest.FixtureRequest, conversation: Conversation) -> str:
    return str(request.param).format(conversation.pk)


def make_runs(user: User, conversation: Conversation, count: int) -> list[str]:
    """Ids of runs, the newest first; three begin in each second."""
    runs = Run.objects.bulk_create(
        Run(user=user, conversation=conversation, kind=Run.Kind.CHAT_TURN, state=Run.State.DONE) for _ in range(count)
    )
    for number, run in enumerate(runs):
        run.created_at = NOON + timedelta(seconds=number // 3)
    Run.objects.bulk_update(runs, ["created_at"])
    return [str(run.id) for run in sorted(runs, key=lambda run: (run.created_at, run.id), reverse=True)]


def asked(client: Client, path: str, **parameters: Any) -> tuple[list[str], str | None]:
    answer = client.get(path, parameters)
    assert answer.status_code == 200, answer.content[:300]
    body = answer.json()
    return [run["id"] for run in body["runs"]], body["next"]


def test_it_shows_200_and_then_the_rest(alice: User, alices: Client, conversation: Conversation, path: str):
    ids = make_runs(alice, conversation, 205)
    shown, following = asked(alices, path)
    assert shown == ids[:200]
    assert asked(alices, path, cursor=following) == (ids[200:], None)


def test_its_pages_hold_every_run_once(alice: User, alices: Client, conversation: Conversation, path: str):
    ids = make_runs(alice, conversation, 11)
    shown, following = asked(alices, path, limit=4)
    while following:
        make_run(alice, conversation)  # at the head of the list, while it is being read
        page, following = asked(alices, path, limit=4, cursor=following)
        shown += page
    assert shown == ids


def test_it_pages_through_the_active_ones(alice: User, alices: Client, conversation: Conversation, path: str):
    make_runs(alice, conversation, 3)
    active = [make_run(alice, conversation, state="queued", kind=kind) for kind in ("bulk", "chat_turn", "import")]
    first, following = asked(alices, path, state="active", limit=2)
    assert first == [str(active[2].id), str(active[1].id)]
    assert asked(alices, path, state="active", limit=2, cursor=following) == ([str(active[0].id)], None)


def test_it_goes_on_by_the_index(alice: User, alices: Client, conversation: Conversation, path: str):
    make_runs(alice, conversation, 300)
    cursor = asked(alices, path, limit=150)[1]
    with CaptureQueriesContext(connection) as queries:
        asked(alices, path, limit=5, cursor=cursor)
    with connection.cursor() as database:
        database.execute("ANALYZE runs; SET LOCAL enable_sort = off")
        database.execute("SET LOCAL enable_seqscan = off; SET LOCAL enable_bitmapscan = off")
        database.execute(f"EXPLAIN {queries[-1]['sql']}")
        plan = "\n".join(line for (line,) in database.fetchall())
    name = "runs_of_user" if path == "/api/runs" else "runs_of_conversation"
    assert f"Index Scan using {name}" in plan
    assert "Index Cond" in plan and "created_at" in plan.partition("Index Cond")[2].splitlines()[0]


@pytest.mark.parametrize(
    ("parameters", "status", "code"),
    [
        ({"limit": 0}, 400, "invalid_limit"),
        ({"limit": 1001}, 400, "invalid_limit"),
        ({"limit": "some"}, 422, "invalid_limit"),
        ({"cursor": ""}, 422, "invalid_cursor"),
        ({"cursor": "WyJydW5zIGRlc2MiXQ"}, 422, "invalid_cursor"),
        ({"state": "over"}, 422, "invalid"),
    ],
)
def test_it_refuses_a_page_that_cannot_be(
    alices: Client, path: str, parameters: dict[str, Any], status: int, code: str
):
    assert check_refused(alices.get(path, parameters), status)["code"] == code


def test_it_takes_no_cursor_of_the_conversations(alice: User, alices: Client, conversation: Conversation, path: str):
    make_conversation(alice)
    cursor = alices.get("/api/conversations?limit=1").json()["next"]
    assert cursor
    assert check_refused(alices.get(path, {"cursor": cursor}), 422)["code"] == "invalid_cursor"

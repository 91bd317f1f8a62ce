"""Memories in an import, in real processes, with a Mem0 that misbehaves."""

from collections.abc import Iterator
from typing import Any

import pytest

from config.tests.outside import words
from config.tests.stack import Stack
from conversations.models import Conversation, Memory
from drafts.tests.steps import LONG, SMALL, TEXT, calls, configured, import_text, restart, states
from integrations.tests.fake_services import FakeMem0
from integrations.tests.loopback import LoopbackServer

HITS = [{"memory": "We like boats.", "score": 0.9}, {"memory": "Not near.", "score": 0.1}]


@pytest.fixture(scope="module")
def server(_processes: Stack) -> Iterator[FakeMem0]:
    """A Mem0 that the runner knows as long as these tests take."""
    fake = FakeMem0()
    with LoopbackServer(fake) as at, configured(_processes, MEM0_API_URL=at.url, MEM0_USER_ID="team"):
        yield fake


@pytest.fixture
def mem0(stack: Stack, server: FakeMem0) -> FakeMem0:
    server.requests, server.answers, server.hits, server.is_cut, server.delay = [], [], [], False, 0.0
    return server


def test_it_writes_the_draft_with_what_the_team_remembers(stack: Stack, mem0: FakeMem0) -> None:
    mem0.hits = HITS
    events = import_text(stack.client())
    assert states(events) == ["importing", "extracting_chat_keywords", "retrieving_memories", "generating"]
    keywords = "".join(words(5)).strip()
    assert mem0.requests == [
        ("/search", {"query": keywords, "user_id": "team", "metadata": {"type": "summary"}}),
    ]
    assert Memory.objects.get().memories == HITS[:1]
    assert "1. We like boats." in stack.outside.requests[-1]["messages"][0]["content"]
    assert events[-1]["warnings"] == []


def test_it_searches_for_the_only_keyword_that_there_is(stack: Stack, mem0: FakeMem0) -> None:
    events = import_text(stack.client(), "User: [[words=1]] 7\n\nAssistant: 7")
    assert events[-1]["type"] == "done"
    assert mem0.requests[0][1]["query"] == "w0"


@pytest.mark.parametrize("trouble", ["cut", "malformed", "refused"])
def test_it_goes_on_without_memories_and_says_so(stack: Stack, mem0: FakeMem0, trouble: str) -> None:
    mem0.is_cut = trouble == "cut"
    answers: dict[str, list[tuple[int, Any]]] = {"malformed": [(200, ["lies"])], "refused": [(403, {})]}
    mem0.answers = answers.get(trouble, [])
    events = import_text(stack.client())
    done = events[-1]
    assert (done["type"], done["warnings"]) == ("done", ["memories_unavailable"])
    assert done["conversation"]["import_report"]["warnings"] == ["memories_unavailable"]
    assert done["project_draft"]["active_version"]["title"] == "Made up"


def test_it_goes_on_without_memories_when_they_come_too_late(stack: Stack, mem0: FakeMem0) -> None:
    mem0.delay = 2.0
    with configured(stack, DJANGO_SETTINGS_MODULE="drafts.tests.impatient_settings"):
        done = import_text(stack.client())[-1]
    assert (done["type"], done["warnings"]) == ("done", ["memories_unavailable"])
    assert done["project_draft"]["active_version"]["title"] == "Made up"
    assert mem0.requests
    assert Memory.objects.count() == 0


def test_it_goes_on_without_memories_when_no_model_finds_keywords(stack: Stack, mem0: FakeMem0) -> None:
    events = import_text(stack.client(), "User: [[empty]]\n\nAssistant: Yes.")
    assert states(events)[:2] == ["importing", "extracting_chat_keywords"]
    assert mem0.requests == []


def test_it_refuses_a_chat_that_is_too_long_before_money_is_spent(stack: Stack, mem0: FakeMem0) -> None:
    events = import_text(stack.client(), LONG, **SMALL | {"accept_summarization": False})
    assert [event["type"] for event in events] == ["run", "state", "model_limit_conflict"]
    assert (stack.outside.requests, mem0.requests, Conversation.objects.count()) == ([], [], 0)


@pytest.mark.parametrize("point", ["after_store", "before_checkpoint", "after_checkpoint"])
def test_it_pays_for_no_keyword_twice_when_the_runner_dies(stack: Stack, mem0: FakeMem0, point: str) -> None:
    mem0.hits = HITS
    alice = stack.client()
    usual = stack.more_environment
    restart(stack, usual | {"FAILPOINTS": f"{point}=1"})
    with alice.opened("POST", "/api/conversations/import-file", json={"text": TEXT}) as (_, events):
        stack.wait_for_exit("runner")
        restart(stack, usual)
        last = list(events)[-1]
    assert (last["type"], last["warnings"]) == ("done", [])
    assert Conversation.objects.count() == 1
    assert len(mem0.requests) == 1
    most = 2 if point == "before_checkpoint" else 1  # what was answered and not stored yet is asked for again
    assert calls().count("keywords") == most
    assert calls().count("project_draft_generation") == 1

"""The tools of `bench.fuzz`: what it counts, where it leads requests, and how it reads the beginning of a stream."""

from collections import Counter
from random import Random
from typing import Any

import pytest
from schemathesis import Response

from accounts.models import User, UserSession
from bench.fuzz.aim import NEEDED, Aimer
from bench.fuzz.campaign import members
from bench.fuzz.events import Events, events
from bench.fuzz.report import Finding, Tally
from bench.fuzz.scenes import FAILED, LIFE, POOL, Scene, World
from config.tests.test_bad_input import DOCUMENT

RUN = "01a2033d-ae82-716c-8809-2432d111e240"
OPERATIONS = {"run_list", "run_retrieve"}


def tally(**answers: dict[int, int]) -> Tally:
    return Tally(Counter({(name, status): count for name, found in answers.items() for status, count in found.items()}))


def test_it_succeeds_when_every_operation_was_reached() -> None:
    seen = tally(run_list={200: 5, 422: 5}, run_retrieve={302: 1, 404: 2})
    assert (seen.total, seen.reached) == (13, 6)
    assert seen.classes() == {"run_list": {2: 5, 4: 5}, "run_retrieve": {3: 1, 4: 2}}
    assert seen.wrong(OPERATIONS) == []


def test_it_fails_when_an_operation_was_never_asked() -> None:
    assert tally(run_list={200: 5}).wrong(OPERATIONS) == ["run_retrieve was never asked"]


def test_it_fails_when_an_operation_was_only_ever_refused() -> None:
    seen = tally(run_list={200: 50}, run_retrieve={401: 3, 404: 1})
    seen.refuse("run_retrieve", "not_authenticated")
    assert seen.wrong(OPERATIONS) == ["run_retrieve was never reached: every request was refused, not_authenticated 1"]


def test_it_fails_when_it_was_mostly_refused() -> None:
    seen = tally(run_list={200: 1, 401: 90}, run_retrieve={200: 1, 401: 90})
    assert seen.wrong(OPERATIONS) == ["only 2 of 182 requests were let through"]


def test_it_fails_for_a_finding_and_adds_up_what_two_processes_found() -> None:
    finding = Finding("run_list", 500, "Server error")
    first, second = tally(run_list={200: 1}), tally(run_list={500: 1}, run_retrieve={200: 1})
    first.in_sequence = second.in_sequence = 2
    second.find(finding, "the first")
    second.find(finding, "the second")
    first.add(second)
    assert first.wrong(OPERATIONS) == ["run_list 500: Server error"]
    assert (first.examples, first.findings[finding], first.in_sequence) == ({finding: "the first"}, 2, 4)


# ── Aims ──────────────────────────────────────────────────────────────────────────────────────────────────────────────

MEMBERS = members(DOCUMENT)


@pytest.fixture
def world(db: None) -> World:
    return World("1", Random(1), "http://127.0.0.1:1")


@pytest.fixture
def scene(alice: User) -> Scene:
    return Scene(
        alice, "answered", {"conversation_id": 7, "run_id": RUN, "file_id": 3, "prompt_type": "keywords"}, [1, 2]
    )


def test_it_leads_a_path_to_what_is_there(world: World, scene: Scene) -> None:
    path: dict[str, Any] = {"conversation_id": "x", "run_id": "y", "colour": "red", "session_id": 0}
    Aimer(world, Random(1)).fill_path(path, scene)
    assert path["conversation_id"] == 7 and path["run_id"] == RUN and path["colour"] == "red"
    assert UserSession.objects.get(pk=path["session_id"]).user == scene.owner


def test_it_asks_a_query_for_what_is_there(world: World, scene: Scene) -> None:
    query: dict[str, Any] = {"from": "x", "messages": "\x00", "conversation_id": None, "colour": "red"}
    Aimer(world, Random(1)).fill_query(query, scene, chance=1.0)
    assert query["from"] in scene.versions and query["messages"][0].isdigit()
    assert (query["conversation_id"], query["colour"]) == (7, "red")


def test_it_leaves_most_entity_tags_and_cursors_out(world: World) -> None:
    aimer, left = Aimer(world, Random(1)), 0
    for _ in range(100):
        values: dict[str, Any] = {"If-Match": '"1"', "cursor": "x", "limit": 1}
        aimer.thin(values)
        left += len(values) - 1
        assert values["limit"] == 1
    assert 10 < left < 80


def test_it_makes_a_body_that_a_client_would_send(world: World, scene: Scene) -> None:
    aimer = Aimer(world, Random(1))
    for _ in range(50):
        body: dict[str, Any] = {"\x00": 1, "llm_provider": [], "llm_model": None, "url": "", "messages": 0}
        known = ["llm_provider", "llm_model", "url", "messages", "title"]
        aimer.fill_body(body, scene, known, chance=1.0)
        assert (body["llm_provider"], body["llm_model"]) in {
            ("openai", "gpt-4o"),
            ("demo", "demo-1"),
            ("anthropic", "claude-opus-4-1"),
        }
        assert set(body) <= set(known) and ("url" in body) is not ("messages" in body)


def test_it_leaves_a_body_as_strange_as_it_is_otherwise(world: World, scene: Scene) -> None:
    body: dict[str, Any] = {"\x00": 1, "further": []}
    Aimer(world, Random(1)).fill_body(body, scene, ["title"], chance=0.0)
    assert body == {"\x00": 1, "further": []}


def test_it_knows_the_members_of_a_body() -> None:
    assert {"message", "llm_provider", "llm_model", "attachment_ids"} <= set(MEMBERS["chat_stream"])
    assert MEMBERS["run_list"] == []


def test_it_asks_for_an_operator_where_others_are_refused(world: World, scene: Scene) -> None:
    asked = Counter(world.caller(scene.owner, needed=NEEDED["auth_cleanup"]) for _ in range(200))
    assert sum(count for caller, count in asked.items() if caller.user and caller.user.is_operator) > 150
    assert len(asked) > 3


def test_it_replaces_what_was_used_up_and_never_runs_out(world: World) -> None:
    first = world.scene(kind=FAILED)
    first.left = 0
    later = [world.scene(kind=FAILED) for _ in range(LIFE * 5)]
    assert first not in later and {scene.kind for scene in later} == {FAILED}
    assert len(set(later)) > POOL[FAILED]


def test_it_signs_in_again_after_a_session_was_ended(world: World) -> None:
    caller = world.caller(world.somebody())
    before = world.headers_of(caller)
    assert world.headers_of(caller) == before
    world.sign_in_again(caller)
    assert world.headers_of(caller) != before


# ── Streams ───────────────────────────────────────────────────────────────────────────────────────────────────────────

FRAME = b'retry: 1000\n\nid: 1:1\nevent: run\ndata: {"type":"run","run_id":"1"}\n\n'
STREAM = {"responses": {"200": {"content": {"text/event-stream": {"schema": {"$ref": "#/components/schemas/Event"}}}}}}
COMPONENTS = {"components": {"schemas": {"Event": {"type": "object", "required": ["type", "run_id"]}}}}


def streamed(content: bytes) -> Response:
    return Response(200, {"Content-Type": ["text/event-stream; charset=utf-8"]}, content, None, 0.1, False)  # type: ignore[arg-type]  # nobody asked for it


def test_it_reads_the_whole_events_of_a_stream_that_was_left() -> None:
    told = {"type": "run", "run_id": "1"}
    assert list(events("text/event-stream", FRAME + b'id: 1:2\ndata: {"type":"con')) == [told]
    assert list(events("application/x-ndjson", b'{"type":"run","run_id":"1"}\n\n{"type":')) == [told]


def test_it_finds_an_event_that_the_schema_does_not_know() -> None:
    checked = Events(COMPONENTS)
    assert checked.wrong(STREAM, streamed(FRAME)) == ""
    assert "run_id" in checked.wrong(STREAM, streamed(FRAME + b'data: {"type":"done"}\n\n'))

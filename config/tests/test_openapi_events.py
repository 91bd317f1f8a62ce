"""The events of streams: that the document has each, and that what real runs tell is as it says."""

import itertools
from typing import Any

import pytest

import chat.events
import conversations.runs.events
import drafts.events
from config.openapi.events import component_of
from config.openapi.operations import EVENTS
from config.openapi.streams import ANY_RUN, STREAMS, events_of
from config.tests import openapi
from config.tests.openapi import event_faults
from config.tests.stack import Stack, chat_path, said, wait_until
from conversations.runs.events import Event

SCHEMAS = openapi.document()["components"]["schemas"]
IMPORT = "/api/conversations/import-file"
TEXT = "User: A question.\n\nAssistant: An answer."


def is_event(value: Any, module: str) -> bool:
    return isinstance(value, type) and issubclass(value, Event) and value is not Event and value.__module__ == module


MODULES = (conversations.runs.events, drafts.events, chat.events)
ALL = sorted(
    (kind for module in MODULES for kind in vars(module).values() if is_event(kind, module.__name__)), key=component_of
)


def test_it_has_each_event_that_there_is() -> None:
    assert {kind.__module__ for kind in Event.__subclasses__() if ".tests." not in kind.__module__} == {
        module.__name__ for module in MODULES
    }
    assert len(ALL) > 20
    assert set(ALL) == set(events_of(ANY_RUN)), "Name it in STREAMS of config/openapi/streams.py."
    assert {component_of(event) for event in ALL} <= set(SCHEMAS)


@pytest.mark.parametrize("event", ALL, ids=component_of)
def test_it_says_what_an_event_means_and_holds(event: type[Event]) -> None:
    schema = SCHEMAS[component_of(event)]
    assert schema["description"] and not schema["description"].startswith(f"{event.__name__}("), "Give it a docstring."
    assert schema["properties"]["type"] == {"type": "string", "const": event.type}
    assert set(schema["required"]) == set(schema["properties"])


def test_it_shows_one_of_each_class() -> None:
    assert sorted(component_of(type(event)) for event in EVENTS) == [component_of(event) for event in ALL]


@pytest.mark.parametrize("stream", STREAMS)
def test_it_tells_the_events_of_a_stream_apart_by_their_type(stream: str) -> None:
    schema = SCHEMAS[stream]
    assert schema["discriminator"]["propertyName"] == "type"
    referred = {choice["$ref"] for choice in schema["oneOf"]}
    assert referred == set(schema["discriminator"]["mapping"].values())
    assert len(referred) == len(STREAMS[stream]) > 5
    for word, reference in schema["discriminator"]["mapping"].items():
        assert openapi.resolved({"$ref": reference})["properties"]["type"]["const"] == word


def test_every_streaming_operation_refers_to_its_events() -> None:
    streaming = {}
    for name, (_, operation) in openapi.operations().items():
        for media_type, body in openapi.bodies(operation["responses"].get("200", {})):
            if media_type == "text/event-stream":
                streaming[name] = body["schema"]["$ref"].rpartition("/")[2]
    assert streaming == {
        "import_link": "ImportEvent", "import_file_file": "ImportEvent", "project_draft_generate": "ImportEvent",
        "chat_stream": "ChatEvent", "chat_regenerate": "ChatEvent", "archive_start": "ArchiveEvent",
        "run_events": ANY_RUN, "run_decision_retry": ANY_RUN,
    }  # fmt: skip


def test_it_notices_an_event_that_is_not_as_it_says() -> None:
    content = {"type": "content", "content": "A"}
    assert event_faults("ChatEvent", [content]) == event_faults(ANY_RUN, [content]) == []
    wrong: list[dict[str, Any]] = [
        {"type": "content"},
        {"type": "unheard_of"},
        content | {"content": 1},
        content | {"colour": "red"},
    ]
    assert [len(event_faults("ChatEvent", [event])) for event in wrong] == [1, 1, 1, 1]
    assert len(event_faults("ChatEvent", [{"type": "status", "status": "dancing"}])) == 1


def types(events: list[dict[str, Any]]) -> set[str]:
    return {event["type"] for event in events}


def test_what_an_import_tells_is_as_it_says(stack: Stack) -> None:
    alice = stack.client()
    events = alice.events(IMPORT, {"text": TEXT})
    assert {"run", "state", "content", "usage", "done"} <= types(events)
    again = alice.events(IMPORT, {"text": TEXT, "duplicate_resolution": "prompt"})
    assert types(again) == {"run", "conflict"}
    failed = alice.events(IMPORT, {"text": f"User: [[empty]] {TEXT}\n\nAssistant: No."})
    assert "error" in types(failed)
    told = [*events, *again, *failed]
    assert event_faults("ImportEvent", told) == event_faults(ANY_RUN, told) == []


def test_what_a_chat_tells_is_as_it_says(stack: Stack) -> None:
    alice = stack.client()
    conversation = alice.imported()
    told = alice.chat(conversation, "update the draft")
    told += alice.chat(conversation, "bad title update the draft")
    assert {"run", "status", "content", "tool_call", "project_updated", "usage", "done"} <= types(told)
    with alice.opened("POST", chat_path(conversation), json=said("create the project")) as (_, events):
        told += itertools.takewhile(lambda event: event["type"] != "approval_required", events)
    run = alice.get(f"/api/conversations/{conversation}/runs").json()["runs"][0]
    assert openapi.faults({"$ref": "#/components/schemas/Run"}, run) == []
    wait_until(lambda: alice.get(f"/api/runs/{run['id']}").json()["state"] == "waiting")
    alice.post(f"/api/runs/{run['id']}/approve", {"approve": True})
    told += alice.watch(run["id"])
    assert {"approval_required", "conversation_locked"} <= types(told)
    assert event_faults("ChatEvent", told) == event_faults(ANY_RUN, told) == []


def test_how_a_chat_ends_that_was_stopped_is_as_it_says(stack: Stack) -> None:
    alice = stack.client()
    conversation = alice.imported()
    with alice.opened("POST", chat_path(conversation), json=said("[[hang]]")) as (response, events):
        told = [next(events)]
        alice.post(f"/api/runs/{response.headers['x-run-id']}/cancel")
        told += list(events)
    assert told[-1]["type"] == "cancelled"
    assert event_faults("ChatEvent", told) == []

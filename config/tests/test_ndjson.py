"""The dialect of the old SPA, event by event: what is written, what is left out, and what never comes twice."""

import json
from typing import Any

import pytest
from django.http import HttpRequest
from hypothesis import given
from hypothesis import strategies as st

from config.api.ndjson import CANCELLED, CUT_SHORT, Ndjson, ShownText
from config.api.sse import ServerSentEvents
from config.api.streams import Dialect, requested_dialect
from config.checks import approvals_can_be_given
from config.exceptions import Invalid
from config.live import Entry

RESET = Entry(9, "reset", b'{"type":"reset"}')
FAILED = {"message": "No.", "code": "generation_failed", "partial": False, "retryable": True, "conversation_id": 1}
QUESTION = {"run_id": "r", "tool": "create_linear_project", "arguments": {}, "draft_version_id": 1}


def event(kind: str, /, **fields: Any) -> Entry:
    return Entry(1, kind, json.dumps({"type": kind} | fields).encode())


def content(text: str) -> Entry:
    return event("content", content=text)


def lines(body: bytes) -> list[dict[str, Any]]:
    return [json.loads(line) for line in body.split(b"\n") if line.strip()]


def written(*entries: Entry) -> list[dict[str, Any]]:
    return lines(Ndjson("r").encode(entries))


def shown(*entries: Entry) -> str:
    return "".join(line["data"] for line in written(*entries) if line["type"] == "content")


@pytest.mark.parametrize(
    ("entry", "line"),
    [
        (content("Hé"), {"type": "content", "data": "Hé"}),
        (event("status", status="executing_tools"), {"type": "status", "data": "executing_tools"}),
        (event("state", state="generating"), {"type": "state", "data": "generating"}),
        (
            event("progress", phase="summarizing", current=1, total=2),
            {"type": "progress", "data": {"phase": "summarizing", "current": 1, "total": 2}},
        ),
        (event("project_updated", project_draft={"title": "T"}), {"type": "project_updated", "data": "true"}),
        (
            event("conversation_locked", linear_url="https://l.example/p"),
            {"type": "conversation_locked", "data": "https://l.example/p"},
        ),
        (event("conflict", conversations=[{"id": 1}]), {"type": "conflict", "data": {"conversations": [{"id": 1}]}}),
        (
            event("model_limit_conflict", message="M", suggestion="S"),
            {"type": "model_limit_conflict", "data": {"message": "M", "suggestion": "S"}},
        ),
        (event("error", **FAILED), {"type": "error", "data": "No."}),
        (
            event("error", **FAILED | {"code": "CHAT_NOT_FOUND"}),
            {"type": "error", "data": "No.", "code": "CHAT_NOT_FOUND"},
        ),
        (event("cancelled", partial=True), {"type": "error", "data": CANCELLED}),
        (
            event("done", conversation={"id": 1}, project_draft=None, warnings=[]),
            {"type": "done", "data": {"conversation": {"id": 1}, "project_draft": None, "warnings": []}},
        ),
    ],
)
def test_it_writes_an_event_as_the_old_system_did(entry: Entry, line: dict[str, Any]) -> None:
    assert written(entry) == [line]


@pytest.mark.parametrize(
    "entry",
    [
        event("run", run_id="r", kind="import", conversation_id=None),
        event("reasoning", content="Hm"),
        event("tool_call", name="n", arguments={}, status="started", detail=""),
        event("usage", input_tokens=1, output_tokens=1, cost_usd=None),
        event("fallback", failed_model="a/b", model="c/d", code="rate_limited"),
        event("status", status="retrying"),
        event("status", status="restarting"),
        event("progress", phase="shortened", current=1, total=2),
        event("what comes next"),
        RESET,
    ],
)
def test_it_leaves_out_what_the_old_system_did_not_have(entry: Entry) -> None:
    assert Ndjson("r").encode([entry]) == b""


def test_it_ends_a_chat_turn_with_a_status_and_a_pair() -> None:
    answer = {"message": {"content": "Hello"}, "project_updated": True}
    end = [{"type": "status", "data": "done"}, {"type": "done", "data": [True, "Hello"]}]
    assert written(event("done", response=answer)) == end


def test_it_tells_a_failure_by_what_it_has_left() -> None:
    left = event("done", conversation={"id": 1}, project_draft={"project_draft_id": 2})
    failed = event("error", **FAILED)._replace(salvaged=left.data)
    assert written(failed) == written(left)
    assert ServerSentEvents("r").encode([failed]) == ServerSentEvents("r").encode([event("error", **FAILED)])


def test_it_writes_ascii_only_and_one_line_for_each_event() -> None:
    body = Ndjson("r").encode([content("Ünïcode 🌱\n\nand \u2028 a line")])
    assert body.isascii()
    assert body.count(b"\n") == 1
    assert lines(body)[0]["data"] == "Ünïcode 🌱\n\nand \u2028 a line"


@pytest.mark.parametrize(
    ("before", "after", "text"),
    [
        (["Hello ", "wor"], ["Hel", "lo ", "world"], "Hello world"),
        (["Hello"], ["Hello"], "Hello"),
        (["Hello"], ["Good ", "bye"], "Hello\n\nGood bye"),
        (["Hello"], ["Hel", "p me"], "Hello\n\nHelp me"),
        (["Hello"], ["Hel"], "Hello\n\nHel"),
        (["Hello"], [], "Hello"),
        ([], ["Hello"], "Hello"),
    ],
)
def test_it_adds_after_a_restart_only_what_is_not_shown_yet(before: list[str], after: list[str], text: str) -> None:
    end = event("error", **FAILED)
    assert shown(*map(content, before), RESET, *map(content, after), end) == text


def test_it_compares_a_third_attempt_with_the_second() -> None:
    assert shown(*map(content, "ab"), RESET, content("xy"), RESET, content("xyz")) == "ab\n\nxyz"


@given(st.lists(st.lists(st.text("ab", min_size=1, max_size=3), max_size=4), min_size=1, max_size=4))
def test_it_always_leaves_the_last_attempt_at_the_end(attempts: list[list[str]]) -> None:
    text, whole = ShownText(), ""
    for number, attempt in enumerate(attempts):
        if number:
            text.begin_anew()
        whole += "".join(map(text.add, attempt))
    whole += text.settle()
    assert whole.endswith("".join(attempts[-1]))


def test_it_ends_at_a_question_that_nobody_has_answered() -> None:
    encoder = Ndjson("r")
    told = lines(encoder.encode([event("status", status="executing_tools"), event("approval_required", **QUESTION)]))
    assert [line["type"] for line in told] == ["status", "error"]
    assert "`create_linear_project`" in told[-1]["data"] and "/api/runs/r/approve" in told[-1]["data"]
    assert encoder.is_over


def test_it_goes_on_behind_a_question_that_was_answered() -> None:
    encoder = Ndjson("r")
    told = lines(encoder.encode([event("approval_required", **QUESTION), content("Done.")]))
    assert [line["type"] for line in told] == ["content"]
    assert not encoder.is_over


def test_it_has_one_terminal_line_even_where_the_server_goes() -> None:
    encoder = Ndjson("r")
    assert (encoder.opening(), encoder.heartbeat()) == (b"", b"\n")
    assert lines(encoder.farewell()) == [{"type": "error", "data": CUT_SHORT}]
    encoder.encode([event("cancelled", partial=False)])
    assert (encoder.is_over, encoder.farewell()) == (True, b"")


SPA, BY_NAME = "text/event-stream", "application/x-ndjson"


@pytest.mark.parametrize(
    ("query", "accept", "setting", "name", "content_type"),
    [
        ("", "*/*", "sse", "sse", SPA),
        ("", "*/*", "ndjson", "ndjson", SPA),
        ("", SPA, "ndjson", "ndjson", SPA),
        ("", BY_NAME, "sse", "ndjson", BY_NAME),
        ("", "application/X-NDJSON;q=0.5", "sse", "ndjson", BY_NAME),
        ("", f"{SPA}, {BY_NAME};q=0.5", "sse", "sse", SPA),
        ("", f"{SPA};q=0.5, {BY_NAME}", "sse", "ndjson", BY_NAME),
        ("", f"{BY_NAME};q=0", "sse", "sse", SPA),
        ("", "nonsense,,;q=x", "sse", "sse", SPA),
        ("ndjson", SPA, "sse", "ndjson", SPA),
        ("ndjson", BY_NAME, "sse", "ndjson", BY_NAME),
        ("sse", BY_NAME, "ndjson", "sse", SPA),
    ],
)
def test_it_is_chosen_by_the_query_then_by_accept_then_by_the_setting(
    query: str, accept: str, setting: str, name: str, content_type: str, settings: Any
) -> None:
    settings.STREAM_DIALECT = setting
    assert requested_dialect(asking(query, accept)) == Dialect(name, content_type)


def asking(query: str, accept: str) -> HttpRequest:
    request = HttpRequest()
    request.META["HTTP_ACCEPT"] = accept
    if query:
        request.GET["dialect"] = query
    return request


def test_it_refuses_a_dialect_that_nobody_speaks() -> None:
    with pytest.raises(Invalid, match="sse, ndjson"):
        requested_dialect(asking("xml", "*/*"))


@pytest.mark.parametrize(
    ("dialect", "approval", "warnings"),
    [("ndjson", "required", ["config.W009"]), ("ndjson", "auto", []), ("sse", "required", [])],
)
def test_it_warns_where_the_client_can_not_approve(
    dialect: str, approval: str, warnings: list[str], settings: Any
) -> None:
    settings.STREAM_DIALECT, settings.TOOL_APPROVAL = dialect, approval
    assert [message.id for message in approvals_can_be_given()] == warnings

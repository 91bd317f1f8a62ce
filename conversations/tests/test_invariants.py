"""The rules by which a chaos run is judged: each lets a healthy database pass, and finds what breaks it."""

import dataclasses
from typing import Any

import pytest
from django.db import connection

from bench.chaos.invariants import broken_promises, broken_rules, rules, takeovers
from bench.chaos.ledger import Ledger, Told
from config.tests.making import make_conversation, make_draft, make_run, make_turn
from conversations.models import Run

BREAKS = {
    "messages are numbered 1, 2, 3 in their draft, as its counter says": [
        "UPDATE chat_messages SET sequence_number = 9 WHERE role = 'assistant'"
    ],
    "versions are numbered 1, 2, 3 in their draft, as its counter says": [
        "UPDATE project_drafts SET last_version_number = 3"
    ],
    "a chat turn that is done has exactly one answer": ["DELETE FROM chat_messages WHERE role = 'assistant'"],
    "a chat turn that failed or was stopped has an answer if and only if text was shown, and never two": [
        "UPDATE runs SET state = 'failed', partial = E' \\n' WHERE kind = 'chat_turn'"
    ],
    "a chat turn that is not over has no answer": ["UPDATE runs SET state = 'waiting' WHERE kind = 'chat_turn'"],
    "no run has a lease that lapsed a minute ago": [
        "UPDATE runs SET state = 'running', lease_until = now() - interval '61 seconds' WHERE kind = 'import'"
    ],
    "no run is left queued, running or waiting": ["UPDATE runs SET state = 'queued' WHERE kind = 'import'"],
    "at most one chat turn of a conversation is not over": [
        "DROP INDEX runs_one_active_chat_turn",
        "UPDATE runs SET kind = 'chat_turn', state = 'queued'",
    ],
    "a draft's active version is its own": ["UPDATE project_drafts SET active_version_id = NULL"],
    "a tool's call takes effect once": [
        "DROP INDEX draft_versions_tool_call_key",
        "UPDATE project_draft_versions SET tool_call = '0.0', run_id = (SELECT id FROM runs WHERE kind = 'chat_turn')",
    ],
    "a run that wrote a draft wrote one version": [
        "UPDATE project_draft_versions SET run_id = (SELECT id FROM runs WHERE kind = 'import')"
    ],
    "an import that is done has a conversation with a draft, unless it asked a question": [
        "UPDATE runs SET conversation_id = NULL WHERE kind = 'import'"
    ],
    "a conversation comes from one import": [
        "UPDATE runs SET kind = 'import', payload = '{\"duplicate_resolution\": \"create_new\"}'"
    ],
    "no draft is still being written": ["UPDATE project_draft_versions SET title = 'Generating...'"],
    "a conversation has at most one project": [
        "ALTER TABLE projects DROP CONSTRAINT projects_conversation_id_key",
        "INSERT INTO projects (conversation_id, linear_project_id, title, description, linear_url, created_by_user_id,"
        " created_at) SELECT id, 'p', 't', 'd', 'u', imported_by_user_id, now()"
        " FROM conversations, generate_series(1, 2)",
    ],
    "a conversation is locked if and only if it has become a project, unless an operator has unlocked it": [
        "UPDATE conversations SET is_locked = true"
    ],
    "a wish for a project has come true if and only if there is the project": [
        "INSERT INTO linear_project_requests (conversation_id, linear_id, title, description, user_id, tool_call,"
        " state, tries, error_code, asked_at, check_at, created_at) SELECT id, gen_random_uuid(), 't', 'd',"
        " imported_by_user_id, '', 'created', 1, '', now(), now(), now() FROM conversations"
    ],
}


@pytest.fixture
def turn(alice: Any) -> Run:
    """A done chat turn about the second version of a draft that an import has made."""
    draft = make_draft(make_conversation(alice), "First", "Second")
    payload = {"duplicate_resolution": "create_new"}
    make_run(alice, draft.conversation, kind=Run.Kind.IMPORT, payload=payload)
    return make_turn(draft, "#1 How high?", "Thirty metres.", partial="Thirty metres.")


@pytest.fixture
def ledger(turn: Run) -> Ledger:
    """What a client remembers that has seen all that."""
    told = Told(
        "send", "#1 How high?", "Second", turn.conversation_id, str(turn.id), "Thirty metres.", {"type": "done"}
    )
    imported = Told("import", "A lighthouse", "", turn.conversation_id, end={"type": "conflict"})
    return Ledger([told, imported], edits={"First": True, "Lost with the connection": False})


def execute(*statements: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")  # PostgreSQL alters no table with checks still to do
        for statement in statements:
            cursor.execute(statement)


def test_it_finds_nothing_wrong_with_a_healthy_database(turn: Run):
    assert broken_rules() == {}


def test_it_knows_how_to_break_every_rule():
    assert set(rules()) == set(BREAKS)


@pytest.mark.parametrize("rule", BREAKS)
def test_it_finds_what_breaks_a_rule(turn: Run, rule: str):
    execute(*BREAKS[rule])
    assert len(broken_rules().get(rule, [])) == 1


def test_it_lets_a_stopped_turn_keep_what_was_shown(turn: Run):
    execute("UPDATE runs SET state = 'cancelled' WHERE kind = 'chat_turn'")
    assert broken_rules() == {}


def test_it_takes_an_earlier_answer_for_the_answer_of_its_run(turn: Run):
    execute(
        "INSERT INTO chat_message_revisions (chat_message_id, content, model, run_id, written_at, created_at)"
        " SELECT id, content, model, run_id, now(), now() FROM chat_messages WHERE role = 'assistant'",
        "UPDATE chat_messages SET run_id = NULL WHERE role = 'assistant'",
    )
    assert broken_rules() == {}


def test_it_counts_how_often_a_run_was_taken_over(turn: Run):
    assert takeovers() == 0
    execute("UPDATE runs SET fence = 3 WHERE kind = 'chat_turn'", "UPDATE runs SET fence = 1 WHERE kind = 'import'")
    assert takeovers() == 2


def test_it_finds_that_every_promise_was_kept(ledger: Ledger):
    assert broken_promises(ledger) == {}


@pytest.mark.parametrize(
    ("statement", "what"),
    [
        ("UPDATE chat_messages SET content = 'Other' WHERE role = 'user'", "lost messages"),
        ("UPDATE chat_messages SET content = 'Same', role = 'user', run_id = NULL", "doubled messages"),
        ("UPDATE chat_messages SET content = content || ' '", "texts that differ from what was shown"),
        ("UPDATE runs SET state = 'cancelled'", "endings that differ from what was told"),
        ("UPDATE project_draft_versions SET title = 'First'", "lost or doubled versions"),
        ("UPDATE project_draft_versions SET title = 'Second'", "lost or doubled versions"),
    ],
)
def test_it_finds_a_promise_that_was_broken(ledger: Ledger, statement: str, what: str):
    execute(statement)
    assert what in broken_promises(ledger)


def test_it_finds_a_conversation_that_was_made_twice(ledger: Ledger, alice: Any):
    make_conversation(alice)
    assert broken_promises(ledger) == {"lost or doubled conversations": ["A lighthouse"]}


def test_it_finds_an_import_that_was_told_to_be_done_and_left_nothing(ledger: Ledger, turn: Run):
    imported = Told("import", "A chat", run_id=str(turn.id), end={"type": "done"})
    ledger.runs.append(imported)
    assert broken_promises(ledger) == {"lost or doubled conversations": ["A chat"]}


def test_it_reports_what_never_ended_and_what_surprised_a_client(ledger: Ledger):
    ledger.runs[0].end = None
    ledger.odd["GET 500"] += 2
    assert broken_promises(ledger) == {
        "runs that never ended": [ledger.runs[0].run_id],
        "answers that no client expects": ["2 × GET 500"],
    }


def test_it_compares_the_code_of_an_error(ledger: Ledger, turn: Run):
    execute(f"UPDATE runs SET state = 'failed', error_code = 'empty_output' WHERE id = '{turn.id}'")
    ledger.runs[0].end = {"type": "error", "code": "empty_output"}
    assert broken_promises(ledger) == {}
    ledger.runs[0].end = {"type": "error", "code": "attempts_exhausted"}
    assert broken_promises(ledger) == {"endings that differ from what was told": [str(turn.id)]}


def test_it_assembles_a_text_as_a_client_shows_it():
    told = Told("send")
    for number, event in enumerate(
        [
            {"type": "run"},
            {"type": "content", "content": "Half of"},
            {"type": "reset"},
            {"type": "content", "content": "The "},
            {"type": "content", "content": "whole"},
        ]
    ):
        told.see(event, f"r:{number}")
    assert (told.text, told.last_event_id, told.ending) == ("The whole", "r:4", "never ended")
    told.see({"type": "error", "code": "provider_refused"}, "r:5")
    assert (told.text, told.ending) == ("The whole", "provider_refused")
    assert dataclasses.replace(told, end={"type": "cancelled"}).ending == "cancelled"


def test_it_counts_runs_by_how_they_ended():
    ledger = Ledger([Told("send", end={"type": "done"}), Told("send"), Told("import", end={"type": "done"})])
    assert (ledger.ended("send"), ledger.ended("send", "import")) == (1, 2)
    assert ledger.endings("send") == {"done": 1, "never ended": 1}
    assert ledger.tag() != Ledger().tag()

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from config.env import BASE_DIR
from config.tests.stack import Stack
from integrations.tests.fixtures.chatgpt import conversation, message, share_page

EXPORT = [conversation(message("user", "Where are the keys?"), message("assistant", "On the hook."), linear=False)]
PATH = "/api/conversations/import-file"


def upload(stack: Stack, data: bytes, name: str = "chat.bin", **fields: Any) -> Any:
    return stack.client().http.post(PATH, files={"file": (name, data)}, data=fields)


@pytest.mark.parametrize(
    ("data", "source"),
    [
        (json.dumps(EXPORT).encode(), "chatgpt"),
        (share_page(EXPORT[0]).encode(), "chatgpt"),
        (b"# Keys\n\n**User:**\n\nWhere are the keys?\n\n**Assistant:**\n\nOn the hook.\n", "text"),
    ],
)
def test_it_reads_a_file_by_its_content(stack: Stack, data: bytes, source: str) -> None:
    answer = upload(stack, data, "überraschung.dat")
    assert answer.status_code == 200
    stored = stack.client().get("/api/conversations/1").json()
    assert [turn["content"] for turn in stored["imported_chat"]] == ["Where are the keys?", "On the hook."]
    assert stored["source"] == source
    assert stored["import_report"]["messages"] == 2


@pytest.mark.parametrize(
    ("data", "status", "code"),
    [
        (b"", 422, "no_messages"),
        (b" \n\t ", 422, "no_messages"),
        (b"<html><body>Just a page</body></html>", 422, "unknown_format"),
        (b'{"mapping": {}', 422, "unknown_format"),
        (json.dumps(EXPORT * 2).encode(), 422, "several_conversations"),
        (json.dumps([conversation(message("system", "hidden"), linear=False)]).encode(), 422, "no_messages"),
    ],
)
def test_it_refuses_a_file_without_one_readable_chat(stack: Stack, data: bytes, status: int, code: str) -> None:
    answer = upload(stack, data)
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert stack.client().get("/api/conversations").json()["conversations"] == []
    assert stack.client().get("/api/runs").json()["runs"] == []


def test_it_names_where_an_archive_of_several_conversations_goes(stack: Stack) -> None:
    assert "/api/imports" in upload(stack, json.dumps(EXPORT * 2).encode()).json()["detail"]


@pytest.mark.parametrize(
    "body", [{}, {"text": 5}, {"text": "User: a", "llm_model": "gpt-4o"}, {"text": "User: \x00"}, [1]]
)
def test_it_refuses_a_body_of_another_shape(stack: Stack, body: Any) -> None:
    answer = stack.client().post(PATH, body)
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"


def test_it_parses_a_big_file_in_a_process_of_its_own(stack: Stack) -> None:
    text = "User: " + "many words " * 120_000 + "\n\nAssistant: Indeed."
    answer = upload(stack, text.encode(), accept_summarization="true")
    assert answer.status_code == 200
    assert len(stack.client().get("/api/conversations/1").json()["imported_chat"][0]["content"]) > 1_300_000


def test_it_refuses_a_file_over_25_mib_in_a_way_the_client_hears(stack: Stack) -> None:
    answer = upload(stack, b"x" * (26 * 1024 * 1024))
    assert (answer.status_code, answer.json()["code"]) == (413, "too_large")


def test_it_imports_a_file_from_the_command_line(stack: Stack, tmp_path: Path) -> None:
    file = tmp_path / "chat.json"
    file.write_text(json.dumps(EXPORT))
    command = [sys.executable, "manage.py", "import_conversation", str(file), "--user", "carol@example.org"]
    done = subprocess.run(command, cwd=BASE_DIR, env=stack.environment(), capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "Conversation 1: Made up"
    assert stack.client().get("/api/conversations/1").json()["user_email"] == "carol@example.org"


def test_it_says_on_the_command_line_why_a_file_cannot_be_imported(stack: Stack, tmp_path: Path) -> None:
    command = [
        sys.executable,
        "manage.py",
        "import_conversation",
        str(tmp_path / "none"),
        "--user",
        "carol@example.org",
    ]
    done = subprocess.run(command, cwd=BASE_DIR, env=stack.environment(), capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    assert "can't be read: No such file or directory." in done.stderr

import json
import subprocess
import sys
from typing import Any

import pytest

from config.limits import PARSE_IN_PROCESS_BYTES
from integrations.importers import child
from integrations.importers.base import ImporterError
from integrations.importers.detect import read_chat
from integrations.tests.fixtures.chatgpt import conversation, message, page, share_page, table


def padded(data: dict[str, Any]) -> dict[str, Any]:
    return data | {"padding": "x" * PARSE_IN_PROCESS_BYTES}


CHAT = conversation(
    message("user", "Which beans climb?\n\u2028 🌱", create_time=1_760_000_000.5),
    message("assistant", "Runner beans do.", status="in_progress"),
    message("tool", "rows"),
)


def test_it_gives_the_same_from_a_process_of_its_own():
    for data in (json.dumps([padded(CHAT)]).encode(), share_page(padded(CHAT)).encode()):
        assert len(data) > PARSE_IN_PROCESS_BYTES
        chat = child.parse(data, "my chat\n\udcff.json")
        assert chat == read_chat(data)
        assert (chat.omitted, chat.warnings) == ({"tool_result": 1}, ("interrupted",))
        assert chat.messages[0].created_at is not None


def test_it_gives_the_same_error_from_a_process_of_its_own():
    data = json.dumps([padded(CHAT), CHAT]).encode()
    with pytest.raises(ImporterError) as caught:
        child.parse(data)
    assert (caught.value.code, caught.value.extra) == ("several_conversations", {"conversations": 2})


def test_it_starts_no_process_for_a_small_file(monkeypatch):
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    assert child.parse(json.dumps(CHAT).encode()).title == "Garden plan"
    with pytest.raises(FileNotFoundError):
        child.parse(json.dumps(padded(CHAT)).encode())


def test_it_calls_a_file_too_large_that_needs_more_memory_than_the_limit():
    with pytest.raises(ImporterError) as caught:
        child.parse(b"[" + (b"[" * 20 + b"]" * 20 + b",") * 600_000 + b"{}]")
    assert caught.value.code == "too_large"


def test_it_reads_or_refuses_a_table_of_twenty_megabytes():
    values = [*table(CHAT), *(f"value {number:012d}" for number in range(900_000))]
    data = page(json.dumps(values)).encode()
    assert len(data) > 20_000_000
    assert child.parse(data).title == "Garden plan"


def test_it_calls_a_file_too_large_whose_process_breaks(monkeypatch):
    monkeypatch.setattr(child, "_ROOT", child._ROOT / "docs")
    with pytest.raises(ImporterError) as caught:
        child.parse(json.dumps(padded(CHAT)).encode())
    assert caught.value.code == "too_large"


def test_it_calls_a_file_too_large_that_takes_too_long(monkeypatch):
    monkeypatch.setattr(child, "WALL_SECONDS", 0.01)
    with pytest.raises(ImporterError) as caught:
        child.parse(json.dumps(padded(CHAT)).encode())
    assert caught.value.code == "too_large"


def test_it_limits_the_process_itself():
    program = (
        "import resource\nfrom integrations.importers import child\nchild._limit()\n"
        "print([resource.getrlimit(getattr(resource, 'RLIMIT_' + name))[1] for name in ('AS', 'CPU', 'CORE')])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, cwd=child._ROOT, env={}, check=True)
    assert json.loads(done.stdout) == [child.MEMORY_BYTES, child.CPU_SECONDS, 0]

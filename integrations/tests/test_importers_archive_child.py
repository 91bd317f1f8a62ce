import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import psutil
import pytest

from config.env import BASE_DIR
from integrations.importers import archive_child
from integrations.importers.archive_child import Answer, ArchiveChild
from integrations.importers.base import ImporterError
from integrations.tests.fixtures.archives import chat, export, zipped

PEAK = """
import resource, sys
from pathlib import Path
from integrations.importers.archive_child import ArchiveChild
codes = []
with ArchiveChild(Path(sys.argv[1]), "x") as child:
    while (answers := child.take()) is not None:
        codes += [answer.error_code for answer in answers]
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss, *codes, sep=",")
"""


@pytest.fixture
def file(tmp_path: Path) -> Any:
    def write(data: bytes) -> Path:
        path = tmp_path / "archive"
        path.write_bytes(data)
        return path

    return write


def all_of(child: ArchiveChild) -> list[Answer]:
    found: list[Answer] = []
    with child:
        while (answers := child.take()) is not None:
            found += answers
    return found


def process_of(child: ArchiveChild) -> psutil.Process:
    return psutil.Process(child._process.pid)


def positions(found: list[Answer]) -> list[int]:
    return [answer.position for answer in found]


def test_it_lists_without_messages(file: Any) -> None:
    child = ArchiveChild(file(zipped({"conversations.json": export(1, 2), "x.zip": b""})), "export.zip")
    first, second = all_of(child)
    assert child.warnings == ["nested_archive"]
    assert (first.position, first.title, first.error_code, first.chat) == (0, "Chat 1", "", None)
    assert second.source_id == "00000002-0000-4000-8000-000000000000"
    assert second.facts == {
        "source": "chatgpt",
        "url": "draftloom:import/chatgpt/00000002-0000-4000-8000-000000000000",
        "messages": 2,
        "created_at": "2025-10-09T08:53:20.250000+00:00",
        "updated_at": "2025-10-09T09:03:20.500000+00:00",
        "omitted": {},
        "warnings": [],
    }


def test_it_hands_over_the_chats_that_are_asked_for(file: Any) -> None:
    path = file(export(1, 2, 3, 4))
    found = all_of(ArchiveChild(path, "", positions=[3, 1], chats=True))
    assert positions(found) == [1, 3]
    assert found[0].chat and [message.text[:8] for message in found[0].chat.messages] == ["asked2 a", "answered"]
    assert positions(all_of(ArchiveChild(path, "", start=2))) == [2, 3]
    assert all_of(ArchiveChild(path, "", positions=[])) == []


def test_it_titles_a_chat_by_the_files_name_for_want_of_a_better_one(file: Any) -> None:
    (answer,) = all_of(ArchiveChild(file(b"**Assistant:** Hello.\n\n**User:**\n\n```\n```"), "lamp.md"))
    assert answer.title


def test_it_says_what_is_wrong_with_an_archive(file: Any) -> None:
    with pytest.raises(ImporterError) as raised:
        all_of(ArchiveChild(file(zipped({"photo.jpg": b""})), ""))
    assert (raised.value.code, raised.value.detail[:12]) == ("no_conversations", "This archive")


def test_a_file_that_is_gone_is_an_error_of_its_own(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        ArchiveChild(tmp_path / "gone", "")


def test_a_very_long_conversation_comes_through_whole(file: Any) -> None:
    (answer,) = all_of(ArchiveChild(file(export(1, words=300_000)), "", chats=True))
    assert answer.chat and len(answer.chat.messages[1].text) > 2_000_000


def test_it_goes_on_behind_a_conversation_that_kills_the_child(file: Any) -> None:
    found: list[Answer] = []
    with ArchiveChild(file(export(*range(3000), words=200)), "") as child:
        while len(found) < 5:
            found += child.take() or []
        process_of(child).kill()
        while (answers := child.take()) is not None:
            found += answers
    assert positions(found) == list(range(3000))
    failed = [answer for answer in found if answer.error_code]
    assert [answer.error_code for answer in failed] == ["too_large"]


def test_it_gives_up_when_the_child_dies_again_and_again(file: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive_child, "_ROOT", Path("/"))  # where there is no such module
    with pytest.raises(ImporterError) as raised:
        all_of(ArchiveChild(file(export(1)), ""))
    assert raised.value.code == "archive_too_large"


def test_it_can_be_closed_while_somebody_waits(file: Any) -> None:
    child = ArchiveChild(file(export(*range(2000), words=200)), "")
    assert child.take() is not None
    process = process_of(child)
    child.close()
    assert child.take() is None
    assert not process.is_running()


def test_the_child_ends_when_nobody_listens(file: Any) -> None:
    child = ArchiveChild(file(export(*range(3000), words=200)), "")
    while not child.take():
        pass
    process = process_of(child)
    output = child._process.stdout
    assert output
    output.close()
    process.wait(10)
    child.close()


def test_it_knows_no_secret(file: Any) -> None:
    with ArchiveChild(file(export(*range(2000), words=200)), "") as child:
        child.take()
        assert process_of(child).environ() == {}


def peak(path: Path) -> tuple[float, list[str]]:
    """The most memory that the child has had, in MB, and the error codes of what it found."""
    command = [sys.executable, "-c", PEAK, str(path)]
    done = subprocess.run(command, cwd=BASE_DIR, capture_output=True, text=True, check=True, timeout=120)
    kilobytes, *codes = done.stdout.strip().split(",")
    return int(kilobytes) / 1024, codes


def test_no_file_makes_it_take_much_memory(file: Any) -> None:
    idle, _ = peak(file(export(1)))
    deep = b'{"mapping": ' + b"[" * 1_000_000 + b"]" * 1_000_000 + b"}"
    lists = b'{"mapping": [' + b"[]," * 5_000_000 + b"[]]}"
    long = json.dumps(chat(1, title="x" * 26 * 1024 * 1024)).encode()
    emoji = json.dumps(chat(1, title="\U0001f5fc" * 6 * 1024 * 1024), ensure_ascii=False).encode()
    good = json.dumps(chat(1)).encode()
    most, codes = peak(file(b"[" + b",".join([good, deep, good, lists, good, long, good, emoji, good]) + b"]"))
    assert most - idle < 300
    assert codes[::2] == [""] * 5
    assert codes[1] in {"damaged", "too_large"}
    assert codes[3] in {"unknown_format", "too_large"}
    assert codes[5] == "too_large"


def test_a_bomb_of_spaces_costs_little(file: Any) -> None:
    began = time.process_time()
    _, codes = peak(file(zipped({"conversations.json": b" " * 200 * 1024 * 1024})))
    assert codes == ["too_large"]
    assert time.process_time() - began < 10

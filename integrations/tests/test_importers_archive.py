import io
import json
import zipfile
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from integrations.importers import zip_members
from integrations.importers.archive import open_archive, read_single, why
from integrations.importers.base import ImporterError, Reading
from integrations.tests.fixtures.archives import chat, export, zipped

CANARY = "canary@example.org"
ACCOUNT = json.dumps([chat(99, title=CANARY)]).encode()  # it would be read, if anybody opened it
MARKDOWN = b"# Keys\n\n**User:** Where?\n\n**Assistant:** On the hook.\n"


def readings(data: bytes, filename: str = "") -> list[Reading]:
    return list(open_archive(io.BytesIO(data), filename).readings())


def titles(data: bytes, filename: str = "") -> list[str]:
    return [reading.title if reading.chat else reading.error_code for reading in readings(data, filename)]


def error_of(data: bytes) -> str:
    with pytest.raises(ImporterError) as raised:
        readings(data)
    assert raised.value.detail.endswith(".")
    return raised.value.code


# ── Single files ──────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("data", "found"),
    [
        (export(1, 2, 3), ["Chat 1", "Chat 2", "Chat 3"]),
        (export(1), ["Chat 1"]),
        (json.dumps(chat(1)).encode(), ["Chat 1"]),
        (b"\xef\xbb\xbf" + export(1, 2), ["Chat 1", "Chat 2"]),
        (json.dumps({"version": 1, "conversations": [chat(1), chat(2)]}).encode(), ["Chat 1", "Chat 2"]),
        (json.dumps([{"title": "no mapping"}, chat(2)]).encode(), ["unknown_format", "Chat 2"]),
        (json.dumps([chat(1), None, 5, "x", [], chat(2)]).encode(), ["Chat 1", "unknown_format", "Chat 2"]),
        (json.dumps([{"role": "user", "content": f"Say {n}"} for n in range(80)]).encode(), ["Say 0"]),
        (export(1, 2).decode().encode("utf-16"), ["Chat 1", "Chat 2"]),
        (MARKDOWN, ["Keys"]),
        (b"", ["no_messages"]),
        (b"[]", ["unknown_format"]),
        (b"[{}]", ["unknown_format"]),
        (b"%PDF-1.7", ["unknown_format"]),
    ],
)
def test_it_reads_a_file_by_its_content(data: bytes, found: list[str]) -> None:
    assert titles(data) == found


def test_it_names_each_conversation_as_its_importer_does() -> None:
    first, second = readings(export(1, 2))
    assert (first.index, second.index) == (0, 1)
    assert second.source_id == "00000002-0000-4000-8000-000000000000"
    assert second.chat and (second.chat.source, len(second.chat.messages)) == ("chatgpt", 2)


def test_one_damaged_conversation_costs_no_other() -> None:
    good = json.dumps(chat(1))[:-1]
    data = f'[{good}}}, {good}, "n": }}, {good}, "deep": {"[" * 200_000}{"]" * 200_000}}}, {good}}}]'.encode()
    assert titles(data) == ["Chat 1", "damaged", "damaged", "Chat 1"]


def test_it_reads_what_stands_before_the_end_of_a_file_that_was_cut_off() -> None:
    assert titles(export(1, 2, 3)[:-300]) == ["Chat 1", "Chat 2", "cut_off"]


def test_a_conversation_without_messages_is_no_success() -> None:
    empty = chat(2, mapping={}, current_node=None)
    assert titles(json.dumps([chat(1), empty, chat(3)]).encode()) == ["Chat 1", "no_messages", "Chat 3"]


def test_it_reads_only_what_is_wanted_and_numbers_all() -> None:
    data = zipped({"conversations-0.json": export(1, 2), "conversations-1.json": export(3, 4)})
    found = list(open_archive(io.BytesIO(data)).readings({1, 2}.__contains__))
    assert [(reading.index, reading.title) for reading in found] == [(1, "Chat 2"), (2, "Chat 3")]


# ── ZIP ───────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_it_reads_shards_in_their_order() -> None:
    members = {f"conversations-{number}.json": export(number) for number in (10, 9, 1)}
    assert titles(zipped(members)) == ["Chat 1", "Chat 9", "Chat 10"]


ACCOUNT_FILES = (
    "user.json", "users.json", "deep/er/user.json", "USER.JSON", "prod-mc-auth-mgmt-api.json", "prod-mc-billing.json",
    "message_feedback.json", "memories.json", "projects.json", "shared_conversations.json", "user-abc/user.json",
    "__MACOSX/._conversations.json", ".hidden.json",
)  # fmt: skip


@pytest.mark.parametrize("data_file", ["conversations.json", "a1/b2/prod-grok-backend.json", "My chat.md"])
def test_it_opens_no_file_of_the_account(data_file: str, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[str] = []
    real = zipfile.ZipFile.open

    def spied(self: zipfile.ZipFile, name: Any, *args: Any, **options: Any) -> Any:
        opened.append(name.filename)
        return real(self, name, *args, **options)

    content = MARKDOWN if data_file.endswith("md") else export(1)
    data = zipped({data_file: content, "file-1.png": b"\x89PNG", **dict.fromkeys(ACCOUNT_FILES, ACCOUNT)})
    monkeypatch.setattr(zipfile.ZipFile, "open", spied)
    assert len(titles(data)) == 1
    assert set(opened) == {data_file}


def test_files_beside_the_vendors_own_are_left_alone() -> None:
    members = {"conversations.json": export(1), "chat.html": b"<html>", "notes.md": MARKDOWN, "other.json": ACCOUNT}
    assert titles(zipped(members)) == ["Chat 1"]


def test_it_reads_a_folder_of_chats() -> None:
    members = {"b/two.json": json.dumps(chat(2)).encode(), "a/one.md": MARKDOWN, "README.md": b"hello", "x.bin": b""}
    assert titles(zipped(members)) == ["Keys", "Chat 2"]


def test_a_damaged_member_costs_no_other() -> None:
    data = bytearray(zipped({"conversations-0.json": export(1, words=500), "conversations-1.json": export(2)}))
    data[120:160] = b"\x00" * 40  # in the middle of the first member's compressed data
    found = titles(bytes(data))
    assert found[-1] == "Chat 2"
    assert found[0] in {"damaged", "unknown_format"}


@pytest.mark.parametrize("name", ["../../etc/conversations.json", "/etc/chat.json", "..\\..\\chat.json", "C:chat.json"])
def test_a_name_that_climbs_leads_nowhere(name: str, tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert titles(zipped({name: export(1)})) == ["Chat 1"]
    assert list(tmp_path.rglob("*")) == []


@pytest.mark.parametrize(
    ("members", "code"),
    [
        ({}, "empty_archive"),
        ({"folder/": b""}, "empty_archive"),
        ({"photo.jpg": b"\xff\xd8"}, "no_conversations"),
        ({"user.json": ACCOUNT}, "no_conversations"),
        ({"inner.zip": zipped({"conversations.json": export(1)})}, "nested_archive"),
        ({f"{number}.txt": b"" for number in range(10_001)}, "too_many_members"),
    ],
    ids=["empty", "folders only", "photos", "account only", "nested", "10,001 members"],
)
def test_it_says_what_is_wrong_with_an_archive(members: dict[str, bytes], code: str) -> None:
    assert error_of(zipped(members)) == code


def test_it_warns_of_an_archive_within() -> None:
    archive = open_archive(io.BytesIO(zipped({"conversations.json": export(1), "more.zip": zipped({})})))
    assert archive.warnings == ("nested_archive",)
    assert len(list(archive.readings())) == 1


def test_it_opens_no_archive_that_is_called_json() -> None:
    inner = zipped({"conversations.json": export(1)})
    members = {"conversations-1.json": inner, "conversations-2.json": export(2)}
    assert titles(zipped(members)) == ["unknown_format", "Chat 2"]


def test_it_reads_ten_thousand_members() -> None:
    members = {"conversations.json": export(1)} | {f"file-{number}": b"" for number in range(9_999)}
    assert titles(zipped(members, compression=zipfile.ZIP_STORED)) == ["Chat 1"]


def test_it_refuses_a_bomb(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(zip_members, "UNSUSPICIOUS_BYTES", 1024 * 1024)
    bomb = zipped({"conversations.json": b" " * 8 * 1024 * 1024})
    assert len(bomb) < 20_000
    assert error_of(bomb) == "archive_too_large"
    assert titles(zipped({"conversations.json": export(1, words=100)})) == ["Chat 1"]


def test_it_refuses_more_than_it_could_ever_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(zip_members, "CONTENT_BYTES", 1000)
    assert error_of(zipped({"conversations.json": export(1, 2, 3)})) == "archive_too_large"


def test_it_refuses_what_is_encrypted() -> None:
    data = bytearray(zipped({"conversations.json": export(1)}))
    for signature, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        data[data.index(signature) + offset] |= 1
    assert error_of(bytes(data)) == "encrypted_archive"


@pytest.mark.parametrize("share", [0.2, 0.9, 0.99])
def test_it_says_that_an_archive_was_cut_off(share: float) -> None:
    data = zipped({"conversations.json": export(1, words=500)})
    assert error_of(data[: int(len(data) * share)]) == "damaged_archive"


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 10_000), st.integers(0, 255)), max_size=8), st.integers(0, 400))
def test_no_archive_raises_anything_else(changes: list[tuple[int, int]], cut: int) -> None:
    data = bytearray(zipped({"conversations.json": export(1, 2), "user.json": ACCOUNT, "a.zip": b""}))
    for position, byte in changes:
        data[position % len(data)] = byte
    try:
        found = readings(bytes(data[: len(data) - cut]))
    except ImporterError:
        return
    assert all(reading.chat or reading.error_code for reading in found)


@settings(max_examples=60, deadline=None)
@given(st.recursive(st.none() | st.integers() | st.text(), lambda v: st.lists(v) | st.dictionaries(st.text(), v)))
def test_no_json_raises_anything_else(value: Any) -> None:
    for wrapped in (value, [value], {"conversations": value}, [chat(1), value]):
        found = readings(json.dumps(wrapped).encode())
        assert found and all(reading.chat or reading.error_code for reading in found)


def test_it_explains_each_reason() -> None:
    for code in ("cut_off", "damaged", "no_messages", "too_large", "unknown_format", "format_changed"):
        assert why(code).endswith(".")


# ── One conversation ──────────────────────────────────────────────────────────────────────────────────────────────────


def test_it_reads_the_one_conversation_of_an_archive() -> None:
    empty = chat(2, mapping={}, current_node=None)
    data = zipped({"conversations.json": json.dumps([chat(1), empty]).encode(), "user.json": ACCOUNT})
    assert read_single(io.BytesIO(data)).title == "Chat 1"


@pytest.mark.parametrize(("numbers", "code"), [([1, 2], "several_conversations"), ([], "no_conversations")])
def test_it_refuses_more_or_fewer_than_one(numbers: list[int], code: str) -> None:
    with pytest.raises(ImporterError) as raised:
        read_single(io.BytesIO(zipped({"conversations.json": export(*numbers)})))
    assert raised.value.code == code

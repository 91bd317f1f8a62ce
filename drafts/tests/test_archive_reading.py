"""How a worker lists an archive: what comes of each file, and that a death costs nothing."""

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from accounts.models import User
from config.tests.making import make_archive
from drafts import archive_reading, archives, tasks
from drafts.archive_reading import read_on, waiting
from drafts.archives import path_of
from drafts.models import Archive, ArchiveEntry
from integrations.tests.fixtures.archives import chat, export, zipped

EMPTY = chat(2, mapping={}, current_node=None, title="Nothing said")


@pytest.fixture(autouse=True)
def own_folder(settings: Any, tmp_path: Path) -> None:
    settings.DATA_DIR = tmp_path


@pytest.fixture
def uploaded(alice: User) -> Any:
    def upload(data: bytes, **fields: Any) -> Archive:
        archive = make_archive(alice, **{"state": Archive.State.UPLOADED} | fields)
        path_of(archive.id).parent.mkdir(exist_ok=True)
        path_of(archive.id).write_bytes(data)
        return archive

    return upload


def read(archive: Archive) -> Archive:
    assert read_on(archive.id) is False
    archive.refresh_from_db()
    return archive


def titles(archive: Archive) -> list[str]:
    return list(archive.entries.order_by("position").values_list("title", flat=True))


def test_it_lists_every_conversation_and_imports_none(uploaded: Any) -> None:
    data = json.dumps([chat(1), EMPTY, chat(3)]).encode()
    archive = read(uploaded(zipped({"conversations.json": data, "user.json": b"[]", "more.zip": b"PK"})))
    assert (archive.state, archive.listed, archive.warnings) == ("ready", 3, ["nested_archive"])
    assert (archive.error_code, archive.lease_until) == ("", None)
    first, empty, last = archive.entries.order_by("position")
    assert (first.title, first.source, first.messages, first.error_code) == ("Chat 1", "chatgpt", 2, "")
    assert (first.source_id, first.url) == (chat(1)["conversation_id"], f"draftloom:import/chatgpt/{first.source_id}")
    assert first.begun_at and first.changed_at and first.begun_at.year == first.changed_at.year == 2025
    assert (empty.title, empty.messages, empty.error_code) == ("Nothing said", 0, "no_messages")
    assert (last.position, last.result, last.conversation) == (2, "", None)


def test_no_message_of_a_chat_is_stored_before_it_is_chosen(uploaded: Any) -> None:
    archive = read(uploaded(export(1, 2)))
    row = str(list(ArchiveEntry.objects.values())) + str(Archive.objects.values().get())
    assert "Chat 1" in row
    assert "asked1" not in row and "answered1" not in row
    assert path_of(archive.id).exists()


@pytest.mark.parametrize(
    ("data", "code", "says"),
    [
        (b" ", "no_messages", "no message"),
        (b"[]", "unknown_format", "none of the kinds"),
        (b'{"a": 1}', "unknown_format", "none of the kinds"),
        (json.dumps([EMPTY, EMPTY]).encode(), "no_messages", "no message"),
        (b"<html><title>Just a moment...</title>", "bot_challenge", "could not be read"),
        (zipped({}), "empty_archive", "is empty"),
        (zipped({"photo.jpg": b""}), "no_conversations", "no conversations"),
        (zipped({"conversations.json": export(1)})[:-40], "damaged_archive", "cut off"),
    ],
    ids=["blank", "empty list", "other JSON", "nothing said", "challenge page", "empty ZIP", "photos", "cut off"],
)
def test_what_holds_nothing_readable_is_a_failure_and_its_file_goes_at_once(
    uploaded: Any, alices: Client, data: bytes, code: str, says: str
) -> None:
    archive = read(uploaded(data))
    shown = alices.get(f"/api/imports/{archive.id}").json()
    assert (shown["state"], shown["error_code"]) == ("failed", code)
    assert says in shown["error"] and shown["error"].endswith(".")
    assert not path_of(archive.id).exists()
    answer = alices.post(f"/api/imports/{archive.id}/start", {"all": True}, content_type="application/json")
    assert (answer.status_code, answer.json()["code"]) == (409, "import_not_ready")


def test_a_file_that_is_gone_is_a_failure(uploaded: Any) -> None:
    archive = uploaded(export(1))
    path_of(archive.id).unlink()
    assert (read(archive).state, archive.error_code) == ("failed", "file_gone")


def test_it_refuses_too_many_conversations(uploaded: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive_reading, "CONVERSATIONS", 2)
    assert read(uploaded(export(1, 2))).state == "ready"
    assert read(uploaded(export(1, 2, 3))).error_code == "too_many_conversations"


# ── Who reads it ──────────────────────────────────────────────────────────────────────────────────────────────────────


def test_it_goes_on_where_a_worker_died(uploaded: Any) -> None:
    archive = uploaded(
        export(1, 2, 3, 4), listed=2, state="reading", fence=1, lease_until=timezone.now() - timedelta(seconds=1)
    )
    for position in (0, 1):
        ArchiveEntry.objects.create(archive=archive, position=position, title="listed before")
    assert titles(read(archive)) == ["listed before", "listed before", "Chat 3", "Chat 4"]
    assert (archive.state, archive.listed, archive.fence) == ("ready", 4, 2)


def test_it_leaves_an_archive_to_the_worker_that_reads_it(uploaded: Any) -> None:
    archive = uploaded(export(1), state="reading", fence=1, lease_until=timezone.now() + timedelta(seconds=5))
    assert (read(archive).state, archive.listed) == ("reading", 0)
    assert list(waiting()) == []


@pytest.mark.parametrize("state", ["ready", "failed"])
def test_it_reads_nothing_twice(uploaded: Any, state: str) -> None:
    assert (read(uploaded(export(1), state=state))).state == state
    assert not ArchiveEntry.objects.exists()


def test_a_worker_whose_archive_was_taken_or_deleted_writes_nothing_more(uploaded: Any) -> None:
    archive = uploaded(export(1))
    ghost = archive_reading._claim(archive.id)
    assert ghost
    Archive.objects.filter(pk=archive.pk).update(fence=7)
    with pytest.raises(archive_reading.LostArchive):
        archive_reading._read(ghost)
    assert not ArchiveEntry.objects.exists()
    archives._remove(archive)
    assert read_on(archive.id) is False


def test_what_takes_long_is_read_in_slices(uploaded: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive_reading, "SLICE_SECONDS", 0.0)
    archive, slices = uploaded(export(*range(8), words=100_000)), 1
    while read_on(archive.id):
        slices += 1
        assert slices <= 9  # the last may find only the end
        assert list(waiting()) == [archive]  # the next one may begin at once
    archive.refresh_from_db()
    assert slices > 1
    assert (archive.state, archive.listed) == ("ready", 8)
    assert titles(archive) == [f"Chat {number}" for number in range(8)]


def test_it_finds_what_no_message_names(uploaded: Any) -> None:
    past, soon = (timezone.now() + timedelta(seconds=seconds) for seconds in (-1, 5))
    fresh, dropped = uploaded(b"x"), uploaded(b"x", state="reading", lease_until=past)
    uploaded(b"x", state="reading", lease_until=soon)
    uploaded(b"x", state="ready")
    assert list(waiting()) == [fresh, dropped]


def test_the_tasks_do_what_they_are_called(uploaded: Any) -> None:
    archive = uploaded(export(1), expires_at=timezone.now() - timedelta(seconds=1))
    tasks.read_archive(str(archive.id))
    archive.refresh_from_db()
    assert archive.state == "ready"
    assert tasks.delete_expired_archives() == 1
    tasks.read_waiting_archives()

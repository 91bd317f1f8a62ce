"""Uploading archives, looking at them and deleting them: over HTTP, without a worker."""

import os
import time
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts.models import AuditEvent, User
from config.limits import ARCHIVES_PER_USER
from config.tests.making import make_archive, make_conversation, make_run
from conversations.models import Conversation, Run
from drafts import archives
from drafts.archives import path_of
from drafts.models import Archive, ArchiveEntry
from integrations.tests.fixtures.archives import export

LISTED = {
    "id", "filename", "size", "state", "error_code", "error", "warnings", "conversations", "run_id",
    "created_at", "expires_at",
}  # fmt: skip


@pytest.fixture(autouse=True)
def own_folder(settings: Any, tmp_path: Path) -> Path:
    settings.DATA_DIR = tmp_path
    return tmp_path / "archives"


def upload(client: Client, data: bytes = b"content", *, key: str = "") -> Any:
    headers = {"Idempotency-Key": key} if key else {}
    return client.post("/api/imports", {"file": SimpleUploadedFile("export.zip", data)}, headers=headers)


def page(client: Client, archive: Archive, query: str = "") -> Any:
    answer = client.get(f"/api/imports/{archive.id}{query}")
    assert answer.status_code == 200, answer.content
    return answer.json()


# ── Uploading ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_it_keeps_an_upload_for_a_day_and_looks_at_nothing(alices: Client, alice: User, own_folder: Path) -> None:
    answer = upload(alices, b"\x00not an archive")
    taken = answer.json()
    assert (answer.status_code, set(taken)) == (202, LISTED)
    assert answer["Location"] == f"/api/imports/{taken['id']}"
    assert (taken["state"], taken["filename"], taken["size"]) == ("uploaded", "export.zip", 15)
    assert (taken["error_code"], taken["error"], taken["run_id"], taken["conversations"]) == (None, None, None, 0)
    row = Archive.objects.get(pk=taken["id"])
    assert row.user == alice
    assert timedelta(hours=23) < row.expires_at - timezone.now() <= timedelta(days=1)
    (file,) = own_folder.iterdir()
    assert (file, file.read_bytes()) == (path_of(row.id), b"\x00not an archive")
    assert (file.stat().st_mode & 0o777, own_folder.stat().st_mode & 0o777) == (0o600, 0o700)


@pytest.mark.parametrize(
    ("name", "kept"),
    [("../../etc/passwd.zip", "passwd.zip"), ("a\x00b.zip", "ab.zip"), ("x" * 300 + ".zip", ("x" * 300)[:255])],
)
def test_it_keeps_a_name_to_show_and_never_to_open(alice: User, own_folder: Path, name: str, kept: str) -> None:
    file = SimpleUploadedFile("x", b"content")
    file.__dict__["_name"] = name  # what a browser may send before Django tidies it
    archive = archives.take_in(user=alice, file=file)
    assert archive.filename == kept
    assert [path.name for path in own_folder.iterdir()] == [str(archive.id)]


def test_it_takes_an_upload_once_for_one_key(alices: Client) -> None:
    first, again = (upload(alices, key="k1") for _ in range(2))
    assert first.json() == again.json()
    assert (again["Idempotent-Replayed"], first.get("Idempotent-Replayed")) == ("true", None)
    assert Archive.objects.count() == 1
    assert upload(alices, b"other", key="k1").json()["code"] == "idempotency_key_reused"


@pytest.mark.parametrize(("bytes_more", "status"), [(0, 202), (1, 413)])
def test_it_refuses_more_than_the_limit_to_the_byte(
    alices: Client, settings: Any, own_folder: Path, bytes_more: int, status: int
) -> None:
    settings.LIMIT_ARCHIVE_BYTES = 1000
    answer = upload(alices, b"x" * (1000 + bytes_more))
    assert answer.status_code == status
    assert own_folder.exists() is (status == 202)


@pytest.mark.parametrize("body", [{}, {"file": "text"}])
def test_it_refuses_a_form_without_a_file(alices: Client, body: Any) -> None:
    answer = alices.post("/api/imports", body)
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, "file")


def test_it_refuses_an_empty_file(alices: Client) -> None:
    assert upload(alices, b"").status_code == 422
    assert not Archive.objects.exists()


def test_it_refuses_a_hoard(alices: Client, alice: User, bobs: Client) -> None:
    for _ in range(ARCHIVES_PER_USER):
        make_archive(alice)
    answer = upload(alices)
    assert (answer.status_code, answer.json()["code"]) == (409, "too_many_imports")
    assert upload(bobs).status_code == 202


def test_it_leaves_no_file_when_the_row_cannot_be_stored(alice: User, own_folder: Path) -> None:
    alice.pk = None
    with pytest.raises(ValueError, match="unsaved"):
        archives.take_in(user=alice, file=SimpleUploadedFile("x", b"content"))
    assert list(own_folder.iterdir()) == []


def test_it_says_that_there_is_no_room(alices: Client, own_folder: Path) -> None:
    own_folder.write_bytes(b"a file where the folder should be")
    answer = upload(alices)
    assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")
    assert not Archive.objects.exists()


# ── Looking ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_it_lists_the_newest_first_and_only_ones_own(alices: Client, alice: User, bob: User) -> None:
    older, newer = make_archive(alice), make_archive(alice)
    make_archive(bob)
    shown = alices.get("/api/imports").json()["imports"]
    assert [row["id"] for row in shown] == [str(newer.id), str(older.id)]
    assert set(shown[0]) == LISTED


@pytest.mark.parametrize("visibility", ["workspace", "private"])
def test_it_is_there_for_its_uploader_alone(
    alice: User, bobs: Client, olivias: Client, settings: Any, visibility: str
) -> None:
    settings.VISIBILITY = visibility
    path = f"/api/imports/{make_archive(alice, 'One').id}"
    for client in (bobs, olivias):
        asked = [client.get(path), client.delete(path)]
        asked += [client.post(f"{path}/start", {"all": True}, content_type="application/json")]
        for answer in asked:
            assert (answer.status_code, answer.json()["code"]) == (404, "import_not_found")
        assert client.get("/api/imports").json() == {"imports": []}


def test_it_shows_what_an_archive_holds_page_by_page(alices: Client, alice: User) -> None:
    archive = make_archive(alice, "One", "Two", "Three")
    archive.entries.filter(position=1).update(
        error_code="damaged", begun_at=timezone.now(), omitted={"image": 2}, warnings=["interrupted"]
    )
    shown = page(alices, archive, "?limit=2&offset=1")
    assert set(shown) == LISTED | {"unreadable", "results", "entries", "total"}
    assert (shown["conversations"], shown["unreadable"], shown["total"], shown["results"]) == (3, 1, 3, {})
    assert [(entry["key"], entry["title"], entry["error_code"]) for entry in shown["entries"]] == [
        (1, "Two", "damaged"),
        (2, "Three", None),
    ]
    first = shown["entries"][0]
    assert (first["omitted"], first["warnings"], first["messages"]) == ({"image": 2}, ["interrupted"], 2)
    assert first["created_at"] is not None
    assert (first["source"], first["source_id"], first["conversation_id"], first["result"]) == (
        "chatgpt",
        "Two",
        None,
        None,
    )


def test_it_says_what_is_imported_already(alices: Client, alice: User, bob: User) -> None:
    archive = make_archive(alice, "One", "Two", "Three", "Four")
    archive.entries.filter(position__in=[1, 3]).update(source_id="")  # then the address tells
    make_conversation(bob, source="chatgpt", source_id="One")
    newer = make_conversation(bob, source="chatgpt", source_id="One")
    two = make_conversation(alice, url="draftloom:import/chatgpt/Two")
    make_conversation(alice, source="claude", source_id="Three")
    known = [newer.pk, two.pk, None, None]
    assert [entry["conversation_id"] for entry in page(alices, archive)["entries"]] == known
    for query, titles in (("imported", ["One", "Two"]), ("new", ["Three", "Four"]), ("unreadable", [])):
        shown = page(alices, archive, f"?show={query}")
        assert ([entry["title"] for entry in shown["entries"]], shown["total"]) == (titles, len(titles))


def test_it_names_no_conversation_that_the_uploader_may_not_see(
    alices: Client, alice: User, bob: User, settings: Any
) -> None:
    settings.VISIBILITY = "private"
    archive = make_archive(alice, "One", "Two")
    archive.entries.filter(position=1).update(source_id="")
    make_conversation(bob, source="chatgpt", source_id="One")
    make_conversation(bob, url="draftloom:import/chatgpt/Two")
    assert [entry["conversation_id"] for entry in page(alices, archive)["entries"]] == [None, None]


def test_it_takes_as_many_queries_for_many_entries_as_for_few(alices: Client, alice: User) -> None:
    counts = []
    for number in (1, 50):
        archive = make_archive(alice, *map(str, range(number)))
        with CaptureQueriesContext(connection) as queries:
            page(alices, archive)
        counts.append(len(queries))
    assert counts[0] == counts[1] <= 12


@pytest.mark.parametrize("query", ["?show=some", "?limit=0", "?limit=1001", "?offset=-1", "?limit=x"])
def test_it_refuses_a_page_that_cannot_be(alices: Client, alice: User, query: str) -> None:
    assert alices.get(f"/api/imports/{make_archive(alice).id}{query}").status_code in {400, 422}


# ── Deleting ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def with_file(user: User, *titles: str, **fields: Any) -> Archive:
    archive = make_archive(user, *titles, **fields)
    path_of(archive.id).parent.mkdir(exist_ok=True)
    path_of(archive.id).write_bytes(export(1))
    return archive


def test_it_deletes_the_file_at_once_and_keeps_what_was_imported(
    alices: Client, alice: User, django_capture_on_commit_callbacks: Any
) -> None:
    archive, conversation = with_file(alice, "One"), make_conversation(alice)
    archive.entries.update(result="created", conversation=conversation)
    with django_capture_on_commit_callbacks(execute=True):
        assert alices.delete(f"/api/imports/{archive.id}").status_code == 200
    assert not path_of(archive.id).exists()
    assert not ArchiveEntry.objects.exists()
    assert Conversation.objects.filter(pk=conversation.pk).exists()
    assert alices.delete(f"/api/imports/{archive.id}").status_code == 404
    event = AuditEvent.objects.get(action="import.deleted")
    assert (event.user, event.resource) == (alice, f"import {archive.id}")


def test_it_deletes_nothing_that_a_run_works_on(alices: Client, alice: User) -> None:
    run = make_run(alice, kind=Run.Kind.BULK, state=Run.State.QUEUED)
    archive = with_file(alice, "One", run=run, state=Archive.State.IMPORTING)
    answer = alices.delete(f"/api/imports/{archive.id}")
    assert (answer.status_code, answer.json()["code"]) == (409, "run_in_progress")
    assert answer.json()["run_id"] == str(run.id)
    assert path_of(archive.id).exists()


def test_deleting_a_conversation_leaves_the_entry_without_it(alices: Client, alice: User) -> None:
    archive, conversation = make_archive(alice, "One"), make_conversation(alice)
    archive.entries.update(result="created", conversation=conversation)
    assert alices.delete(f"/api/conversations/{conversation.pk}").status_code == 200
    (entry,) = page(alices, archive)["entries"]
    assert entry["result"] == {"status": "created", "reason": None, "conversation_id": None}
    assert alices.post(f"/api/conversations/{conversation.pk}/restore").status_code == 200
    (entry,) = page(alices, archive)["entries"]
    assert entry["result"]["conversation_id"] == conversation.pk


def test_it_deletes_what_is_a_day_old_unless_a_run_works_on_it(
    alice: User, django_capture_on_commit_callbacks: Any
) -> None:
    past = timezone.now() - timedelta(seconds=1)
    run = make_run(alice, kind=Run.Kind.BULK, state=Run.State.RUNNING)
    old, fresh = with_file(alice, "One", expires_at=past), with_file(alice, "Two")
    busy = with_file(alice, "Three", expires_at=past, run=run, state=Archive.State.IMPORTING)
    failed = with_file(alice, expires_at=past, state=Archive.State.FAILED)
    with django_capture_on_commit_callbacks(execute=True):
        assert archives.delete_expired() == 2
    assert set(Archive.objects.values_list("pk", flat=True)) == {fresh.pk, busy.pk}
    assert [path_of(archive.id).exists() for archive in (old, fresh, busy, failed)] == [False, True, True, False]


def test_it_deletes_files_that_belong_to_no_archive_when_they_are_old(alice: User, own_folder: Path) -> None:
    assert archives.delete_expired() == 0  # before there is a folder
    known = with_file(alice)
    orphan, upload_of_now = own_folder / str(uuid4()), own_folder / str(uuid4())
    for file in (orphan, upload_of_now):
        file.write_bytes(b"content")
    for file in (orphan, path_of(known.id)):
        os.utime(file, (time.time() - 90_000,) * 2)
    archives.delete_expired()
    assert set(own_folder.iterdir()) == {path_of(known.id), upload_of_now}

"""Rows and objects: neither is there without the other, whatever fails in between."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from io import BytesIO
from typing import Any, NoReturn

import pytest
from django.core.management import call_command
from django.db import connection, transaction
from django.test import Client
from django.utils import timezone

from accounts.models import User
from chat import files, objects
from chat.models import FileAttachment, StoredObject
from chat.objects import Content, Differences
from chat.tasks import sweep_objects
from config.exceptions import NotFound, TooLarge, Unavailable
from config.tests.api_routes import check_refused
from config.tests.making import make_conversation, make_file
from conversations import deletion
from conversations.models import Conversation
from integrations.storage import file_storage

KEY = "conversations/1/files/one"


@pytest.fixture
def conversation(alice: User) -> Conversation:
    return make_conversation(alice)


def upload(user: User, conversation: Conversation, size: int = 10) -> FileAttachment:
    content = BytesIO(b"x" * size)
    return files.upload(user=user, conversation_id=conversation.pk, file=content, size=size, name="note.txt")


def keys() -> set[str]:
    return set(file_storage().keys())


def states() -> dict[str, str]:
    return dict(StoredObject.objects.values_list("key", "state"))


def age(minutes: int = 60) -> None:
    """Makes all rows older than any upload takes."""
    StoredObject.objects.update(changed_at=timezone.now() - timedelta(minutes=minutes))


@contextmanager
def storage_away(settings: Any) -> Iterator[None]:
    endpoint = settings.AWS_S3_ENDPOINT_URL
    settings.AWS_S3_ENDPOINT_URL = "http://127.0.0.1:9"
    yield
    settings.AWS_S3_ENDPOINT_URL = endpoint


# ── Deleting takes the object along ───────────────────────────────────────────────────────────────────────────────────


def test_it_removes_the_objects_of_a_conversation_that_is_purged(
    file_place: str, alices: Client, conversation: Conversation, alice: User
):
    kept = upload(alice, make_conversation(alice, "Another"))
    row = upload(alice, conversation)
    files.store_thumbnail(file=row, content=b"small")
    assert len(keys()) == 3
    assert alices.delete(f"/api/conversations/{conversation.pk}").status_code == 200
    assert (sweep_objects(), len(keys())) == (0, 3)  # it may be restored
    assert deletion.purge_all(before=timezone.now()) == 1
    assert sweep_objects() == 2
    assert keys() == set(states()) == {kept.s3_key}


def test_it_notices_also_what_is_deleted_by_hand(folder: Any, conversation: Conversation):
    make_file(conversation)
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM file_attachments")
    assert set(states().values()) == {"deleting"}
    assert (objects.sweep(), keys()) == (2, set())


def test_it_removes_a_thumbnail_that_was_replaced(folder: Any, conversation: Conversation):
    row = make_file(conversation)
    first = row.thumbnail_key
    files.store_thumbnail(file=row, content=b"another")
    assert objects.sweep() == 1
    assert keys() == {row.s3_key, row.thumbnail_key} and first not in keys()


def test_it_keeps_the_objects_of_a_deletion_that_was_undone(folder: Any, conversation: Conversation):
    row = make_file(conversation)
    with pytest.raises(RuntimeError), transaction.atomic():
        row.delete()
        raise RuntimeError
    assert (objects.sweep(), len(keys())) == (0, 2)


# ── Uploads that do not come to an end ────────────────────────────────────────────────────────────────────────────────


def content() -> Content:
    return Content(BytesIO(b"abc"), 3, "text/plain")


def refuse() -> NoReturn:
    raise NotFound("There is no such conversation.")


def test_it_removes_the_object_of_what_was_refused_in_the_end(file_place: str, db: None):
    with pytest.raises(NotFound):
        objects.store(key=KEY, content=content(), record=refuse)
    assert (objects.sweep(), keys(), states()) == (1, set(), {})


def test_it_stores_nothing_for_a_conversation_that_is_deleted_meanwhile(
    folder: Any, alice: User, conversation: Conversation
):
    """Deleted while the bytes are on their way, which is told by a file that deletes it when it is read."""

    class Deleting(BytesIO):
        def read(self, *size: Any) -> bytes:
            Conversation.objects.filter(pk=conversation.pk).delete()
            return super().read(*size)

    with pytest.raises(NotFound):
        files.upload(user=alice, conversation_id=conversation.pk, file=Deleting(b"A note."), size=7, name="a.txt")
    assert set(states().values()) == {"deleting"}
    assert (objects.sweep(), keys(), FileAttachment.objects.count()) == (1, set(), 0)


def test_it_gives_an_upload_up_only_when_it_must_be_over(folder: Any, db: None):
    StoredObject.objects.create(key=KEY, size=3)
    file_storage().put(KEY, BytesIO(b"abc"), "text/plain")
    age(minutes=14)
    assert (objects.sweep(), keys()) == (0, {KEY})
    age(minutes=16)
    assert (objects.sweep(), keys(), states()) == (1, set(), {})


def test_it_keeps_no_file_whose_upload_was_given_up(folder: Any, alice: User, conversation: Conversation):
    """The sweeper was here between the object and the row: whoever uploads is told, and the object goes."""

    class Slow(BytesIO):
        def read(self, *size: Any) -> bytes:
            if StoredObject.objects.filter(state="uploading").exists():
                age()
                objects.sweep()
            return super().read(*size)

    with pytest.raises(Unavailable):
        files.upload(user=alice, conversation_id=conversation.pk, file=Slow(b"A note."), size=7, name="a.txt")
    assert not FileAttachment.objects.exists()
    objects.sweep()
    assert (keys(), states()) == (set(), {})


def test_it_leaves_nothing_behind_when_the_bucket_is_away(
    bucket: Any, alices: Client, conversation: Conversation, settings: Any
):
    with storage_away(settings):
        answer = alices.post(f"/api/conversations/{conversation.pk}/files", {"file": BytesIO(b"A note.")})
        assert check_refused(answer, 503)["code"] == "storage_unavailable"
        assert int(answer["Retry-After"]) > 0
    assert not FileAttachment.objects.exists()
    age()
    assert (objects.sweep(), keys(), states()) == (1, set(), {})


def test_it_tries_again_to_delete_what_the_bucket_would_not(
    bucket: Any, alice: User, conversation: Conversation, settings: Any
):
    rows = [upload(alice, conversation) for _ in range(2)]
    for row in rows:
        files.delete(user=alice, file_id=row.pk)
    with storage_away(settings):
        assert objects.sweep() == 0
    assert set(states()) == keys() == {row.s3_key for row in rows}
    assert (objects.sweep(), keys(), states()) == (2, set(), {})


def test_it_begins_with_others_after_one_that_could_not_be_deleted(folder: Any, db: None):
    in_the_way = "conversations/1/files/in-the-way"
    for key in (in_the_way, KEY):
        StoredObject.objects.create(key=key, size=1, state="deleting")
    folder.joinpath(in_the_way, "full").mkdir(parents=True)  # a folder that cannot be removed
    assert [objects.sweep() for _ in range(3)] == [0, 1, 0]
    assert set(states()) == {in_the_way}


# ── The quota ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_it_gives_each_person_so_much_room_and_no_byte_more(
    folder: Any, alice: User, bob: User, conversation: Conversation, settings: Any
):
    settings.LIMIT_STORAGE_PER_USER = 25
    for size in (10, 15):
        upload(alice, conversation, size)
    with pytest.raises(TooLarge) as refusal:
        upload(alice, conversation, 1)
    assert refusal.value.code == "quota_exceeded"
    assert upload(bob, conversation, 25).file_size == 25
    assert len(keys()) == 3


def test_it_gives_room_back_when_files_are_deleted(folder: Any, alice: User, conversation: Conversation, settings: Any):
    settings.LIMIT_STORAGE_PER_USER = 10
    row = upload(alice, conversation)
    files.store_thumbnail(file=row, content=b"counts against nobody")
    assert objects.used_by(alice) == 10
    files.delete(user=alice, file_id=row.pk)
    assert objects.used_by(alice) == 0
    assert upload(alice, conversation).file_size == 10


def test_it_counts_uploads_under_way(folder: Any, alice: User, conversation: Conversation, settings: Any):
    settings.LIMIT_STORAGE_PER_USER = 10
    StoredObject.objects.create(key=KEY, size=1, user=alice)
    with pytest.raises(TooLarge):
        upload(alice, conversation)


# ── Comparing ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_it_tells_what_storage_and_rows_do_not_agree_on(file_place: str, alice: User, conversation: Conversation):
    lost, kept = upload(alice, conversation), upload(alice, conversation)
    assert objects.differences() == Differences(set(), set())
    file_storage().delete(lost.s3_key)
    file_storage().put(KEY, BytesIO(b"of nobody"), "text/plain")
    assert objects.differences() == Differences({KEY}, {lost.s3_key})
    assert kept.s3_key in keys()


def test_it_compares_when_it_is_told_to(folder: Any, alice: User, conversation: Conversation, capsys: Any):
    lost = upload(alice, conversation)
    file_storage().delete(lost.s3_key)
    file_storage().put(KEY, BytesIO(b"of nobody"), "text/plain")
    call_command("compare_files")
    lines = [f"unknown {KEY}", f"missing {lost.s3_key}", "1 objects without a row, 1 rows without an object."]
    assert (capsys.readouterr().out.splitlines(), keys()) == (lines, {KEY})
    call_command("compare_files", "--delete-unknown")
    assert keys() == set()

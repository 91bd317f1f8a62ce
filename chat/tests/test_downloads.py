"""Fetching files and deleting them."""

from io import BytesIO
from typing import Any
from urllib.parse import unquote

import httpx2
import pytest
from django.test import Client

from accounts.models import AuditEvent, User
from chat import files
from chat.models import FileAttachment
from config.exceptions import NotFound
from config.tests.api_routes import check_refused
from config.tests.making import make_conversation, make_draft, make_turn
from conversations.models import Conversation
from integrations.storage import file_storage
from integrations.tests.fixtures.files import docx, image, pdf

PNG = image("PNG")
DRAWING = b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>'
CORPUS = {
    "light.png": PNG,
    "photo.jpg": image("JPEG"),
    "one.gif": image("GIF"),
    "still.webp": image("WEBP"),
    "script.gif": image("GIF") + b"/*<script>alert(1)</script>",
    "archive.png": PNG + docx("behind a picture"),
    "page.png": PNG + b"<html><script>alert(1)</script>",
    "drawing.svg": DRAWING,
    "page.txt": b"<!doctype html><script>alert(1)</script>",
    "page.md": b"<script>alert(1)</script>",
    "page.json": b"<script>alert(1)</script>",
    "formula.csv": b"=cmd|' /C calc'!A0",
    "plan.pdf": pdf("A plan") + b"<script>alert(1)</script>",
    "letter.docx": docx("Dear"),
}
"""Files that are two things at once, or hold what would act if a browser ran it."""
SHOWN = {"light.png", "photo.jpg", "one.gif", "still.webp", "script.gif", "archive.png", "page.png"}


@pytest.fixture
def conversation(alice: User) -> Conversation:
    return make_conversation(alice)


@pytest.fixture
def file(folder: Any, alice: User, conversation: Conversation) -> FileAttachment:
    return make(alice, conversation, "light.png", PNG)


def make(user: User, conversation: Conversation, name: str, content: bytes) -> FileAttachment:
    return files.upload(user=user, conversation_id=conversation.pk, file=BytesIO(content), size=len(content), name=name)


def path_of(file: FileAttachment, what: str = "download") -> str:
    return f"/api/conversations/files/{file.pk}/{what}"


def follow(client: Client, path: str) -> tuple[dict[str, str], bytes]:
    """Headers and content of what a redirect leads to, asked without a session as a browser on another site would."""
    address = client.get(path)["Location"]
    if address.startswith("/"):
        answer: Any = Client().get(address)
        content = b"".join(answer.streaming_content)
    else:
        answer = httpx2.get(address, trust_env=False)
        content = answer.content
    assert answer.status_code == 200
    return dict(answer.headers), content


# ── Fetching ──────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("name", CORPUS)
def test_it_hands_nothing_out_that_a_browser_would_run(
    file_place: str, alice: User, alices: Client, conversation: Conversation, name: str
):
    row = make(alice, conversation, name, CORPUS[name])
    headers, content = follow(alices, path_of(row))
    lower = {key.lower(): value for key, value in headers.items()}
    assert content == CORPUS[name]
    assert lower["content-type"] == row.file_type != "text/html"
    assert lower["content-disposition"].partition(";")[0] == ("inline" if name in SHOWN else "attachment")
    assert "no-store" in lower["cache-control"]
    if file_place == "folder":  # a bucket adds no headers of its own; it is another origin, though
        assert lower["x-content-type-options"] == "nosniff"
        assert "sandbox" in lower["content-security-policy"]


def test_it_redirects_so_that_nobody_keeps_the_address(alices: Client, file: FileAttachment):
    answer = alices.get(path_of(file))
    assert (answer.status_code, answer["Cache-Control"]) == (302, "private, no-store")
    assert answer["Referrer-Policy"] == "no-referrer"
    assert answer["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize("name", ['a "b" \\ c;d=e%.png', "Größe 日本 🗼.png", "x" * 251 + ".png", "🗼" * 62 + ".png"])
def test_it_hands_the_name_on(file_place: str, alice: User, alices: Client, conversation: Conversation, name: str):
    row = make(alice, conversation, name, PNG)
    headers, _ = follow(alices, path_of(row))
    disposition = next(value for key, value in headers.items() if key.lower() == "content-disposition")
    word, _, told = disposition.partition("; ")
    assert word == "inline"
    if told.startswith("filename*=utf-8''"):
        assert unquote(told.removeprefix("filename*=utf-8''")) == row.filename
    else:
        assert told == 'filename="{}"'.format(row.filename.replace("\\", "\\\\").replace('"', '\\"'))


def test_it_lets_the_address_lapse(alices: Client, file: FileAttachment, settings: Any):
    settings.FILE_URL_TTL = -1
    address = alices.get(path_of(file))["Location"]
    assert check_refused(Client().get(address), 410)["code"] == "link_expired"


def test_it_asks_each_time_whether_one_may(
    bobs: Client, alices: Client, file: FileAttachment, settings: Any, alice: User
):
    assert bobs.get(path_of(file)).status_code == 302
    settings.VISIBILITY = "private"
    assert check_refused(bobs.get(path_of(file)), 404)["code"] == "file_not_found"
    assert alices.get(path_of(file)).status_code == 302
    User.objects.filter(pk=alice.pk).update(is_active=False)
    assert alices.get(path_of(file)).status_code == 401


def test_it_says_that_a_file_is_lost(file_place: str, alice: User, alices: Client, conversation: Conversation):
    row = make(alice, conversation, "light.png", PNG)
    file_storage().delete(row.s3_key)
    assert check_refused(alices.get(path_of(row)), 404)["code"] == "file_not_stored"


def test_it_says_that_the_bucket_does_not_answer(
    bucket: Any, alice: User, alices: Client, conversation: Conversation, settings: Any
):
    row = make(alice, conversation, "light.png", PNG)
    settings.AWS_S3_ENDPOINT_URL = "http://127.0.0.1:9"
    answer = alices.get(path_of(row))
    assert check_refused(answer, 503)["code"] == "storage_unavailable"
    assert answer["Retry-After"] == "5"


# ── Thumbnails ────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_it_shows_a_thumbnail_once_there_is_one(
    file_place: str, alice: User, alices: Client, conversation: Conversation
):
    row = make(alice, conversation, "light.png", PNG)
    assert check_refused(alices.get(path_of(row, "thumbnail")), 404)["code"] == "no_thumbnail"
    files.store_thumbnail(file=row, content=b"small")
    listed = alices.get(f"/api/conversations/{conversation.pk}/files").json()["files"]
    assert listed[0]["thumbnail_url"] == path_of(row, "thumbnail")
    headers, content = follow(alices, path_of(row, "thumbnail"))
    assert content == b"small"
    assert {key.lower(): value for key, value in headers.items()}["content-type"] == "image/webp"


def test_it_keeps_one_thumbnail_of_a_file(file: FileAttachment):
    for content in (b"first", b"second"):
        files.store_thumbnail(file=file, content=content)
    file.refresh_from_db()
    with file_storage().open(file.thumbnail_key) as kept:
        assert kept.read() == b"second"


def test_it_keeps_no_thumbnail_of_a_file_that_is_gone(file: FileAttachment, alice: User):
    files.delete(user=alice, file_id=file.pk)
    with pytest.raises(NotFound):
        files.store_thumbnail(file=file, content=b"late")


# ── Deleting ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_it_deletes_a_file_that_was_not_sent(alices: Client, file: FileAttachment):
    path = f"/api/conversations/files/{file.pk}"
    assert alices.delete(path).status_code == 204
    assert check_refused(alices.delete(path), 404)["code"] == "file_not_found"
    assert not FileAttachment.objects.exists()
    assert AuditEvent.objects.get(action="file.deleted").resource == (
        f"file {file.pk} of conversation {file.conversation_id}"
    )


def test_it_keeps_a_file_that_was_sent(alices: Client, file: FileAttachment, conversation: Conversation):
    run = make_turn(make_draft(conversation), "Look at this")
    FileAttachment.objects.update(chat_message=run.chat_messages.get())
    assert check_refused(alices.delete(f"/api/conversations/files/{file.pk}"), 409)["code"] == "file_sent"
    assert FileAttachment.objects.exists()


def test_it_keeps_the_files_of_a_locked_conversation(alices: Client, file: FileAttachment):
    Conversation.objects.update(is_locked=True)
    assert check_refused(alices.delete(f"/api/conversations/files/{file.pk}"), 409)["code"] == "conversation_locked"
    assert alices.get(path_of(file)).status_code == 302

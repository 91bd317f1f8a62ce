"""Bringing files in, and what is refused; see `faults.md`'s list of hostile files for where the cases come from."""

from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from accounts import keys
from accounts.models import SCOPES, User
from chat.files import clean_name
from chat.models import FileAttachment, StoredObject
from config.limits import FILENAME_BYTES, UPLOAD_BYTES, Rate
from config.tests.api_routes import check_refused, row_counts
from config.tests.making import make_conversation
from conversations.models import Conversation
from integrations.storage import file_storage
from integrations.tests.fixtures.files import docx, image, pdf

PNG = image("PNG")
BOUNDARY = "a-line-between"


@pytest.fixture
def conversation(alice: User) -> Conversation:
    return make_conversation(alice)


def upload(
    client: Client, conversation: Conversation, content: bytes = PNG, name: str = "light.png", **more: Any
) -> Any:
    form = {"file": SimpleUploadedFile(name, content, "application/x-whatever"), **more}
    return client.post(f"/api/conversations/{conversation.pk}/files", form)


def send_form(client: Client, conversation: Conversation, *parts: tuple[str, bytes]) -> Any:
    """A form of these parts: the value of each one's `Content-Disposition`, and its content."""
    body = b"".join(
        f"--{BOUNDARY}\r\nContent-Disposition: {head}\r\n\r\n".encode() + content + b"\r\n" for head, content in parts
    )
    return client.generic(
        "POST",
        f"/api/conversations/{conversation.pk}/files",
        body + f"--{BOUNDARY}--\r\n".encode(),
        content_type=f"multipart/form-data; boundary={BOUNDARY}",
    )


def stored() -> list[str]:
    return sorted(file_storage().keys())


def read(key: str) -> bytes:
    with file_storage().open(key) as file:
        return file.read()


# ── What is taken ─────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("name", "content", "kind"),
    [
        ("light.png", PNG, "image/png"),
        ("plan.pdf", pdf("A plan"), "application/pdf"),
        ("table.csv", b"a,b\n1,2\n", "text/csv"),
        ("letter.docx", docx("Dear"), "application/vnd.openxmlformats-officedocument.wordprocessingml.document"),
        ("Größe 日本 🗼.txt", b"A note.", "text/plain"),
    ],
)
def test_it_keeps_a_file(
    file_place: str, alices: Client, alice: User, conversation: Conversation, name: str, content: bytes, kind: str
):
    answer = upload(alices, conversation, content, name, llm_provider="openai", llm_model="gpt-4o")
    row = FileAttachment.objects.get()
    assert answer.status_code == 200
    assert answer.json()["message"]
    file = answer.json()["file"]
    assert file | {"created_at": "", "status": ""} == {
        "id": row.pk,
        "filename": name,
        "file_size": len(content),
        "file_type": kind,
        "s3_key": row.s3_key,
        "created_at": "",
        "conversation_id": conversation.pk,
        "chat_message_id": None,
        "uploaded_by_user_id": alice.pk,
        "status": "",
        "status_detail": None,
        "page_count": None,
        "thumbnail_url": None,
    }
    assert row.uploaded_by_user == alice
    assert row.s3_key.startswith(f"conversations/{conversation.pk}/files/")
    assert read(row.s3_key) == content
    assert StoredObject.objects.get(key=row.s3_key).state == "stored"


def test_it_keeps_two_files_of_one_name_apart(file_place: str, alices: Client, conversation: Conversation):
    for content in (b"one", b"two"):
        assert upload(alices, conversation, content, "note.txt").status_code == 200
    rows = FileAttachment.objects.order_by("pk")
    assert [(row.filename, read(row.s3_key)) for row in rows] == [("note.txt", b"one"), ("note.txt", b"two")]


def test_it_takes_a_file_of_exactly_ten_megabytes(folder: Any, alices: Client, conversation: Conversation):
    assert upload(alices, conversation, b"x" * UPLOAD_BYTES, "big.txt").status_code == 200
    assert len(read(FileAttachment.objects.get().s3_key)) == UPLOAD_BYTES


def test_it_lists_the_files_of_a_conversation(folder: Any, alices: Client, conversation: Conversation, alice: User):
    path = f"/api/conversations/{conversation.pk}/files"
    assert alices.get(path).json() == {"files": [], "file_count": 0}
    uploaded = [upload(alices, conversation, name=name).json()["file"] for name in ("b.png", "a.png")]
    upload(alices, make_conversation(alice, "Another"))
    listed = alices.get(path).json()
    assert [file["id"] for file in listed["files"]] == [file["id"] for file in uploaded]
    assert listed["file_count"] == 2


def test_it_reads_no_text_of_files_to_list_them(
    folder: Any, alices: Client, conversation: Conversation, django_assert_max_num_queries: Any
):
    for number in range(5):
        upload(alices, conversation, name=f"{number}.png")
    with django_assert_max_num_queries(5) as asked:
        alices.get(f"/api/conversations/{conversation.pk}/files")
    assert not any("extracted_text" in query["sql"] for query in asked.captured_queries)


# ── What is refused, and leaves nothing ───────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("name", "content", "status", "code"),
    [
        ("empty.txt", b"", 400, "empty_file"),
        ("page.html", b"<script>alert(1)</script>", 415, "file_type_not_allowed"),
        ("page.png", b"<script>alert(1)</script>", 415, "file_type_not_allowed"),
        ("program.txt", b"\x7fELF\x02\x00", 415, "file_type_not_allowed"),
        ("large.txt", b"x" * (UPLOAD_BYTES + 1), 413, "too_large"),
    ],
)
def test_it_refuses_a_file(
    folder: Any, alices: Client, conversation: Conversation, name: str, content: bytes, status: int, code: str
):
    before = row_counts()
    document = check_refused(upload(alices, conversation, content, name), status)
    assert document["code"] == code
    assert (row_counts(), stored()) == (before, [])


@pytest.mark.parametrize(
    ("parts", "status", "code"),
    [
        ([], 400, "no_file"),
        ([('form-data; name="file"', b"no name")], 400, "no_file"),
        ([('form-data; name="file"; filename=""', PNG)], 400, "no_file"),
        ([('form-data; name="file"; filename=".."', PNG)], 400, "no_file"),
        ([('form-data; name="file"; filename="a.png"', PNG)] * 2, 422, "invalid"),
        ([(f'form-data; name="{name}"; filename="a.png"', PNG) for name in ("file", "other")], 422, "invalid"),
        ([('form-data; name="other"; filename="a.png"', PNG)], 422, "invalid"),
        ([('form-data; name="file"; filename="a.png"', PNG)] * 200, 400, "bad_request"),
        ([(f'form-data; name="file"; filename="{"a" * 4096}.png"', PNG)], 400, "malformed"),
    ],
)
def test_it_refuses_a_form_without_exactly_one_file(
    folder: Any, alices: Client, conversation: Conversation, parts: list[tuple[str, bytes]], status: int, code: str
):
    before = row_counts()
    assert check_refused(send_form(alices, conversation, *parts), status)["code"] == code
    assert (row_counts(), stored()) == (before, [])


def test_it_refuses_a_form_that_breaks_off(folder: Any, alices: Client, conversation: Conversation):
    """A part without its end counts as it is for Django; one without the end of its head is nothing."""
    path, kind = f"/api/conversations/{conversation.pk}/files", f"multipart/form-data; boundary={BOUNDARY}"
    for body in (b"", b"--", f"--{BOUNDARY}\r\nContent-Disposition: form-data; name".encode(), b"\x00" * 5000):
        check_refused(alices.generic("POST", path, body, content_type=kind), 400)
    check_refused(alices.generic("POST", path, b"x", content_type="multipart/form-data"), 400)
    check_refused(alices.post(path, {"file": "text"}, content_type="application/json"), 415)
    assert stored() == []


def test_it_refuses_files_for_a_locked_conversation(folder: Any, alices: Client, conversation: Conversation):
    Conversation.objects.update(is_locked=True)
    assert check_refused(upload(alices, conversation), 403)["code"] == "conversation_locked"
    assert stored() == []


def test_it_refuses_a_file_under_the_name_of_nobody(folder: Any, conversation: Conversation, alice: User):
    client = Client(headers={"X-API-Key": keys.create(service_name="reader", scopes=["conversations:read"])})
    assert check_refused(upload(client, conversation), 403)["code"] == "missing_scope"
    client = Client(headers={"X-API-Key": keys.create(service_name="writer", scopes=SCOPES, user=alice)})
    assert upload(client, conversation).status_code == 200
    assert FileAttachment.objects.get().uploaded_by_user == alice


def test_it_counts_how_often_a_person_uploads(folder: Any, alices: Client, conversation: Conversation, settings: Any):
    settings.LIMIT_UPLOADS = Rate(2, 3600)
    assert [upload(alices, conversation).status_code for _ in range(3)] == [200, 200, 429]


# ── Names ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        ("../../etc/passwd.png", "passwd.png"),
        (r"C:\\Users\\alice\\note.png", "note.png"),
        ("note.txt\x00.png", "note.txt.png"),
        ("a%0d%0aSet-Cookie: b.png", "a%0d%0aSet-Cookie: b.png"),
        ("exe.\u202egnp.png", "exe.gnp.png"),
        ("tab\there.png", "tabhere.png"),
        ("  spaced  .png", "spaced  .png"),
        ("e\u0301.png", "é.png"),
        ("😀.png", "😀.png"),
        ('quo\\"te.png', 'quo"te.png'),
        ("日" * 200 + ".png", "日" * 83 + ".png"),
    ],
)
def test_it_cleans_a_name(folder: Any, alices: Client, conversation: Conversation, sent: str, kept: str):
    answer = send_form(alices, conversation, (f'form-data; name="file"; filename="{sent}"', PNG))
    assert answer.status_code == 200, answer.content
    assert answer.json()["file"]["filename"] == kept
    (key,) = stored()
    assert key.startswith(f"conversations/{conversation.pk}/files/") and len(key) < 80


@pytest.mark.parametrize(
    ("name", "clean"),
    [
        ("a" * 4096 + ".png", "a" * 251 + ".png"),
        ("a." + "b" * 4096, "a." + "b" * 253),
        ("😀" * 200 + ".png", "😀" * 62 + ".png"),
        ("", "file"),
        ("\x00\u202e", "file"),
        ("/", "file"),
        ("..", ".."),
        ("a/b\\c\r\nd.txt", "cd.txt"),
        (".png", ".png"),
    ],
)
def test_it_makes_a_name_that_can_be_stored_and_shown(name: str, clean: str):
    assert clean_name(name) == clean
    assert len(clean_name(name).encode()) <= FILENAME_BYTES


@pytest.mark.parametrize("name", ["a\r\nSet-Cookie: b=c.png", "a\r\n\r\n<script>.png", "a\rb.png", "a\nb.png"])
def test_it_keeps_no_name_with_a_line_break(folder: Any, alices: Client, conversation: Conversation, name: str):
    answer = send_form(alices, conversation, (f'form-data; name="file"; filename="{name}"', PNG))
    assert answer.status_code in {200, 400, 415}
    names = FileAttachment.objects.values_list("filename", flat=True)
    assert [name for name in names if set(name) & set("\r\n")] == []
    assert len(stored()) == len(names)

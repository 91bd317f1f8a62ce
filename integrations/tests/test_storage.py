"""Both places for files, through one suite; the bucket's server is a real one."""

import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from threading import Thread
from typing import Any

import httpx2
import pytest
from django.test import Client

from config.exceptions import DraftloomError, Gone, NotFound, Unavailable
from config.tests.making import make_conversation, make_file
from integrations.storage import file_storage, links
from integrations.storage.base import FileStorage
from integrations.storage.bucket import BucketStorage
from integrations.storage.folder import FolderStorage
from integrations.tests.fake_s3 import FakeS3

KEY = "conversations/7/files/0190"
NAME = 'Größe "1"; 日本.png'
SHOWN: dict[str, Any] = {"filename": NAME, "content_type": "image/png", "seconds": 60, "inline": True}


@pytest.fixture
def storage(file_place: str) -> FileStorage:
    return file_storage()


@pytest.fixture
def a_file_of_that_key(alice: Any) -> None:
    """Draftloom's own links lead only to files of conversations that are there."""
    make_file(make_conversation(alice, pk=7), s3_key=KEY)


def put(storage: FileStorage, key: str = KEY, content: bytes = b"abc") -> None:
    storage.put(key, BytesIO(content), "image/png")


def fetched(address: str) -> Any:
    """The answer of whoever a signed address names."""
    return Client().get(address) if address.startswith("/") else httpx2.get(address, trust_env=False)


def body_of(answer: Any) -> bytes:
    return b"".join(answer.streaming_content) if getattr(answer, "streaming", False) else answer.content


# ── What each can do ──────────────────────────────────────────────────────────────────────────────────────────────────


def test_it_gives_back_what_it_was_given(storage: FileStorage):
    content = bytes(range(256)) * 40_000  # 10 MB, in one request
    put(storage, content=content)
    with storage.open(KEY) as file:
        assert file.read() == content
    assert (storage.exists(KEY), list(storage.keys())) == (True, [KEY])


def test_it_knows_nothing_that_was_not_put(storage: FileStorage):
    assert (storage.exists(KEY), list(storage.keys())) == (False, [])
    with pytest.raises(NotFound) as refusal:
        storage.open(KEY)
    assert refusal.value.code == "file_not_stored"


def test_it_forgets_what_is_deleted_and_minds_no_repetition(storage: FileStorage):
    put(storage)
    put(storage, KEY + "-other")
    storage.delete(KEY)
    storage.delete(KEY)
    assert list(storage.keys()) == [KEY + "-other"]


def test_it_lists_every_key(storage: FileStorage):
    keys = {f"conversations/{number}/files/{number}" for number in range(30)}
    for key in keys:
        put(storage, key)
    assert sorted(storage.keys()) == sorted(keys)


@pytest.mark.parametrize("key", ["../outside", "conversations/../../outside", "/etc/outside"])
def test_it_leaves_nothing_outside_of_its_place(storage: FileStorage, tmp_path: Path, key: str):
    with pytest.raises(Exception, match=r"(?i)denied|detected|outside"):
        put(storage, key)
    assert not list(tmp_path.parent.rglob("outside")) and not Path("/etc/outside").exists()


# ── Signed addresses ──────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(("inline", "word"), [(True, "inline"), (False, "attachment")])
def test_it_signs_an_address_that_says_how_to_take_the_file(
    storage: FileStorage, a_file_of_that_key: None, inline: bool, word: str
):
    put(storage, content=b"abc" * 100_000)
    answer = fetched(storage.signed_url(KEY, **SHOWN | {"inline": inline}))
    assert (answer.status_code, body_of(answer)) == (200, b"abc" * 100_000)
    assert answer.headers["Content-Type"] == "image/png"
    assert answer.headers["Content-Disposition"] == (
        f"{word}; filename*=utf-8''Gr%C3%B6%C3%9Fe%20%221%22%3B%20%E6%97%A5%E6%9C%AC.png"
    )
    assert "no-store" in answer.headers["Cache-Control"]


def test_it_signs_an_address_that_lapses(db: None, folder: Path):
    put(file_storage())
    answer = fetched(file_storage().signed_url(KEY, **SHOWN | {"seconds": 0}))
    assert (answer.status_code, answer.json()["code"]) == (410, "link_expired")


def test_it_tells_the_bucket_when_an_address_lapses(bucket: FakeS3):
    put(file_storage())
    assert "X-Amz-Expires=60&" in file_storage().signed_url(KEY, **SHOWN)


def test_it_serves_what_it_signs_and_nothing_that_was_changed(folder: Path, a_file_of_that_key: None):
    put(file_storage())
    address = file_storage().signed_url(KEY, **SHOWN)
    for end in (address[:-1], address + "a", "/files/" + links.sign(links.Link(*"abcd"), 60)[::-1], "/files/x"):
        assert (fetched(end).status_code, fetched(end).json()["code"]) == (404, "not_found")
    with pytest.raises(Gone):
        links.read(links.sign(links.Link(KEY, NAME, "image/png", True), 0))
    file_storage().delete(KEY)
    assert fetched(address).json()["code"] == "file_not_stored"


def test_it_serves_a_file_so_that_nothing_in_it_can_act(folder: Path, a_file_of_that_key: None):
    put(file_storage())
    answer = fetched(file_storage().signed_url(KEY, **SHOWN))
    assert body_of(answer) == b"abc"
    assert answer["X-Content-Type-Options"] == "nosniff"
    assert "sandbox" in answer["Content-Security-Policy"] and "default-src 'none'" in answer["Content-Security-Policy"]
    assert answer["Referrer-Policy"] == "no-referrer"
    assert answer["Content-Length"] == "3"


def test_it_says_which_addresses_work_from_elsewhere(settings: Any, folder: Path):
    assert file_storage().takes_links is False
    settings.AWS_S3_BUCKET_NAME, settings.AWS_ACCESS_KEY_ID, settings.AWS_SECRET_ACCESS_KEY = "of-amazon", "a", "s"
    assert file_storage().takes_links is True
    address = file_storage().signed_url(KEY, **SHOWN)
    assert address.startswith("https://of-amazon.s3.amazonaws.com/conversations/7/files/0190?")
    settings.AWS_S3_ENDPOINT_URL = "http://minio.internal:9000"
    assert file_storage().takes_links is False
    assert file_storage().signed_url(KEY, **SHOWN).startswith("http://minio.internal:9000/of-amazon/conversations/7/")


# ── When it fails ─────────────────────────────────────────────────────────────────────────────────────────────────────


@contextmanager
def server(answer: bytes | None) -> Iterator[str]:
    """Something that takes connections and answers each request with these bytes, or never."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.settimeout(0.1)
        taken: list[socket.socket] = []
        over: list[bool] = []
        serving = Thread(target=_serve, args=(listening, answer, taken, over))
        serving.start()
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        over.append(True)
        serving.join(5)
        for connection in taken:
            connection.close()


def _serve(listening: socket.socket, answer: bytes | None, taken: list[socket.socket], over: list[bool]) -> None:
    while not over:
        try:
            connection, _ = listening.accept()
        except TimeoutError:
            continue
        taken.append(connection)
        if answer is not None:
            connection.settimeout(5)
            connection.recv(65536)
            connection.sendall(answer)
            connection.close()


def unreachable(endpoint: str) -> BucketStorage:
    return BucketStorage(
        bucket="b-1", region="us-east-1", endpoint=endpoint, access_key="a", secret_key="s", read_seconds=0.1
    )


def everything(storage: FileStorage) -> Iterator[Any]:
    yield lambda: put(storage)
    yield lambda: storage.open(KEY)
    yield lambda: storage.exists(KEY)
    yield lambda: storage.delete(KEY)
    yield lambda: list(storage.keys())


@pytest.mark.parametrize(
    "answer",
    [
        None,
        b"",
        b"\x00\xff nonsense\r\n\r\n",
        b"HTTP/1.1 503 Slow Down\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n",
    ],
    ids=["silent", "closed", "nonsense", "busy", "forbidden"],
)
def test_it_says_that_a_bucket_is_not_there_and_soon(answer: bytes | None, caplog: pytest.LogCaptureFixture):
    with server(answer) as endpoint:
        for ask in everything(unreachable(endpoint)):
            began = time.monotonic()
            with pytest.raises(Unavailable) as refusal:
                ask()
            assert time.monotonic() - began < 5
            assert (refusal.value.code, refusal.value.extra) == ("storage_unavailable", {"retry_after": 5})
    assert KEY not in caplog.text and "0190" not in refusal.value.detail


def test_it_says_that_nobody_listens_where_the_bucket_should_be():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        endpoint = f"http://127.0.0.1:{probe.getsockname()[1]}"
    for ask in everything(unreachable(endpoint)):
        with pytest.raises(Unavailable):
            ask()


def test_it_says_that_a_folder_cannot_be_written(tmp_path: Path):
    tmp_path.joinpath("files").write_text("in the way")
    storage = FolderStorage(tmp_path / "files")
    with pytest.raises(DraftloomError) as refusal:
        put(storage)
    assert refusal.value.code == "storage_unavailable"


def test_it_lets_nobody_else_on_the_machine_read(folder: Path):
    put(file_storage())
    assert folder.joinpath(KEY).stat().st_mode & 0o077 == 0
    assert folder.joinpath(KEY).parent.stat().st_mode & 0o077 == 0

"""Files of a form while they are on their way in."""

import os
import tempfile
from pathlib import Path
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.http.multipartparser import MultiPartParserError
from django.test import RequestFactory

from config.api.uploads import MEMORY_BYTES


@pytest.fixture
def temporary(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def form(content: bytes) -> Any:
    return RequestFactory().post("/", {"file": SimpleUploadedFile("a.txt", content, "text/plain")})


@pytest.mark.parametrize("size", [0, 1, MEMORY_BYTES, MEMORY_BYTES + 1, 5 * MEMORY_BYTES + 7])
def test_it_takes_a_file_in_whole(size: int):
    content = os.urandom(size)
    file = form(content).FILES["file"]
    assert (file.name, file.size, file.content_type) == ("a.txt", size, "text/plain")
    assert file.read() == content


def test_it_leaves_no_file_that_a_crash_could_leave_behind(temporary: Path):
    file = form(bytes(10 * MEMORY_BYTES)).FILES["file"]
    assert isinstance(file.file.fileno(), int), "it is not on disk"
    assert list(temporary.iterdir()) == []


def test_it_lets_go_of_the_file_with_the_request():
    request = form(b"abc")
    spool = request.FILES["file"].file
    request.close()
    assert spool.closed


def test_it_lets_go_of_the_file_of_a_form_that_breaks_off():
    whole = form(bytes(MEMORY_BYTES)).body
    request = RequestFactory().generic(
        "POST",
        "/",
        whole + b"\r\n--BoUnDaRyStRiNg\r\n" + b"x" * 5000,
        content_type="multipart/form-data; boundary=BoUnDaRyStRiNg",
    )
    with pytest.raises(MultiPartParserError):
        _ = request.POST
    (handler,) = request.upload_handlers
    assert handler.file.closed  # type: ignore[attr-defined]  # of ours

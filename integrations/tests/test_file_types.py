"""What a file is, by its bytes and its name."""

import struct
import time
import tracemalloc
import zlib
from io import BytesIO

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from config.exceptions import DraftloomError, Invalid, UnsupportedType
from config.limits import IMAGE_PIXELS, UPLOAD_BYTES
from integrations.file_types import DOCX, EXTENSIONS, PDF, PICTURES, SVG, type_of
from integrations.tests.fixtures.files import docx, image, pdf

DRAWING = b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>'
PAGE = b"<!doctype html><html><script>alert(1)</script></html>"
HONEST = {
    "photo.jpg": (image("JPEG"), "image/jpeg"),
    "photo.JPEG": (image("JPEG"), "image/jpeg"),
    "photo.jfif": (image("JPEG"), "image/jpeg"),
    "shot.png": (image("PNG"), "image/png"),
    "one.gif": (image("GIF"), "image/gif"),
    "lossy.webp": (image("WEBP"), "image/webp"),
    "lossless.webp": (image("WEBP", lossless=True), "image/webp"),
    "glass.webp": (image("WEBP", mode="RGBA", quality=20), "image/webp"),
    "plan.pdf": (pdf("Hello"), PDF),
    "late.pdf": (b"\xef\xbb\xbf\r\n" + pdf("Hello"), PDF),
    "letter.docx": (docx("Hello"), DOCX),
    "plain.svg": (DRAWING, SVG),
    "prefixed.svg": (b'<svg:svg xmlns:svg="http://www.w3.org/2000/svg"/>', SVG),
    "wide.svg": (DRAWING.decode().encode("utf-16"), SVG),
    "drawn.svg": (
        b"\xef\xbb\xbf<?xml version='1.0'?>\n<!-- drawn --> <!DOCTYPE svg PUBLIC '-//W3C//DTD SVG 1.1//EN' 'x' "
        b'[<!ENTITY ns "http://x">]>\n' + DRAWING,
        SVG,
    ),
    "note.txt": (b"A note.\r\n\tWith \x1b[31mcolour\x1b[0m.", "text/plain"),
    "LICENSE": (b"Permission is granted", "text/plain"),
    "latin.txt": ("Größe".encode("cp1252"), "text/plain"),
    "dos.txt": ("Größe".encode("cp437") + b"\x1a", "text/plain"),
    "chinese.txt": ("灯塔".encode("gb18030"), "text/plain"),
    "wide.txt": ("灯塔".encode("utf-16"), "text/plain"),
    "wider.txt": ("灯塔".encode("utf-32"), "text/plain"),
    "table.csv": (b"a;b\n1;2\n", "text/csv"),
    "readme.md": (b"# Title\n\n<script>alert(1)</script>", "text/markdown"),
    "data.json": (b'{"a": 1}', "application/json"),
    "lines.json": (b'{"a": 1}\n{"a": 2}', "application/json"),
    "page.txt": (PAGE, "text/plain"),  # kept as text, and nothing but text
}
DISHONEST = {
    "page.png": PAGE,
    "page.svg": PAGE,
    "page.pdf": PAGE,
    "page.html": PAGE,
    "page.htm": PAGE,
    "page.xhtml": PAGE,
    "holder.svg": b"<html><svg></svg></html>",
    "quoted.svg": b"<!-- <svg> -->",
    "script.js": b"alert(1)",
    "program.exe": b"MZ\x90\x00",
    "program.txt": b"MZ\x90\x00\x03\x00\x00\x00",
    "program": b"\x7fELF\x02\x01\x01\x00",
    "photo.png": image("JPEG"),
    "photo.txt": image("JPEG"),
    "photo": image("JPEG"),
    "paper.txt": pdf("Hello"),
    "paper.docx": pdf("Hello"),
    "archive.docx": b"PK\x03\x04 and no document",
    "table.xlsx": docx("Hello"),
    "letter.pdf": docx("Hello"),
    "letter.docm": docx("Hello"),
    "head.jpg": b"\xff\xd8\xff",
    "head.png": b"\x89PNG\r\n\x1a\n",
    "head.gif": b"GIF89a",
    "head.webp": b"RIFF\x00\x00\x00\x00WEBPVP8 ",
    "broken.txt": "灯塔".encode("utf-16")[:-1],
    "holes.txt": "a\x00b".encode("utf-16"),
    "wide-by-guess.txt": "Hello".encode("utf-16-le"),
    "shot.png.html": image("PNG"),
}
FLOODS = {
    "flood.png": b"\x89PNG\r\n\x1a\n"
    + struct.pack(">I4sIIBBBBBI", 13, b"IHDR", 60_000, 60_000, 8, 2, 0, 0, 0, 0)[:-4]
    + struct.pack(">I", zlib.crc32(b"IHDR" + struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)))
    + struct.pack(">I4s", 0, b"IDAT")
    + bytes(4),
    "flood.gif": b"GIF89a"
    + struct.pack("<HHBBB", 65_535, 65_535, 0, 0, 0)
    + b",\x00\x00\x00\x00\xff\xff\xff\xff\x00\x08\x00",
    "flood.jpg": b"\xff\xd8\xff\xc0\x00\x11\x08" + struct.pack(">HH", 65_500, 65_500) + b"\x03\x01\x22\x00\x02\x11\x01"
    b"\x03\x11\x01\xff\xda\x00\x0c\x03\x01\x00\x02\x11\x03\x11\x00\x3f\x00",
    "flood.webp": b"RIFF\x16\x00\x00\x00WEBPVP8X\x0a\x00\x00\x00\x00\x00\x00\x00" + b"\xff\x3f\x00\xff\x3f\x00",
    "lossless.webp": b"RIFF\x16\x00\x00\x00WEBPVP8L\x0a\x00\x00\x00\x2f" + b"\xff\xff\xff\x0f" + bytes(5),
    "lossy.webp": b"RIFF\x16\x00\x00\x00WEBPVP8 \x0a\x00\x00\x00\x00\x00\x00\x9d\x01\x2a\xff\x3f\xff\x3f",
}


@pytest.mark.parametrize("name", HONEST)
def test_it_takes_what_is_what_it_says(name: str):
    content, kind = HONEST[name]
    assert type_of(BytesIO(content), name) == kind


def test_it_knows_an_honest_file_for_each_extension():
    assert {name.rpartition(".")[2].lower() for name in HONEST} >= set(EXTENSIONS) - {"markdown"}


@pytest.mark.parametrize("name", DISHONEST)
def test_it_refuses_what_is_not_what_it_says(name: str):
    with pytest.raises(UnsupportedType) as refusal:
        type_of(BytesIO(DISHONEST[name]), name)
    assert refusal.value.code == "file_type_not_allowed"
    assert "Attach one of these: JPEG" in refusal.value.detail


@pytest.mark.parametrize("name", FLOODS)
def test_it_refuses_a_flood_of_pixels_from_the_header_alone(name: str):
    tracemalloc.start()
    with pytest.raises(Invalid) as refusal:
        type_of(BytesIO(FLOODS[name]), name)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert refusal.value.code == "image_too_large" and "50 million pixels" in refusal.value.detail
    assert peak < 2**20


def test_it_takes_an_image_of_as_many_pixels_as_may_be():
    side = 2**12
    rows = IMAGE_PIXELS // side
    for height, fits in ((rows, True), (rows + 1, False)):
        header = struct.pack(">IIBBBBB", side, height, 8, 2, 0, 0, 0)
        chunk = struct.pack(">I", 13) + b"IHDR" + header + struct.pack(">I", zlib.crc32(b"IHDR" + header))
        picture = BytesIO(b"\x89PNG\r\n\x1a\n" + chunk + struct.pack(">I", 0) + b"IDAT" + bytes(4))
        if fits:
            assert type_of(picture, "a.png") == "image/png"
        else:
            with pytest.raises(Invalid):
                type_of(picture, "a.png")


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("comments.svg", b"<!---->" * (UPLOAD_BYTES // 7)),
        ("open.svg", b"<!--" * (UPLOAD_BYTES // 4)),
        ("types.svg", b"<!DOCTYPE x [" * (UPLOAD_BYTES // 13)),
        ("spaces.svg", b" " * UPLOAD_BYTES),
        ("names.svg", b"<" + b"a" * UPLOAD_BYTES),
        ("spaces.pdf", b" " * UPLOAD_BYTES),
        ("long.docx", b"PK\x03\x04" + b"[Content_Types]" * (UPLOAD_BYTES // 15)),
    ],
)
def test_it_is_not_held_up(name: str, content: bytes):
    began = time.monotonic()
    with pytest.raises(UnsupportedType):
        type_of(BytesIO(content), name)
    assert time.monotonic() - began < 1


def test_it_finds_the_parts_of_a_document_wherever_they_stand():
    for filler in range(256 * 1024 - 40, 256 * 1024, 5):
        content = b"PK\x03\x04" + b"x" * filler + b"[Content_Types].xml" + b"x" * 30 + b"word/document.xml"
        assert type_of(BytesIO(content), "a.docx") == DOCX


@pytest.mark.parametrize("kind", PICTURES)
@given(data=st.data())
@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
def test_it_is_brought_down_by_no_header(kind: str, data: st.DataObject):
    name = kind.replace("image/", "a.")
    content = bytearray(image(kind.removeprefix("image/").upper(), size=(8, 8)))
    for place, byte in data.draw(st.lists(st.tuples(st.integers(0, min(len(content), 64) - 1), st.integers(0, 255)))):
        content[place] = byte
    cut = data.draw(st.integers(0, len(content)))
    try:
        assert type_of(BytesIO(bytes(content[:cut])), name) == kind
    except DraftloomError as refusal:
        assert refusal.code in {"file_type_not_allowed", "image_too_large"}

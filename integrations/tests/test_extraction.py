"""What is read from files: from honest ones all there is, from hostile ones nothing that costs more than it may."""

import io
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from config.limits import (
    EXTRACTION_CHARACTERS,
    EXTRACTION_CPU_SECONDS,
    EXTRACTION_MEMORY_BYTES,
    EXTRACTION_OUTPUT_BYTES,
    EXTRACTION_PAGES,
    EXTRACTION_SECONDS,
    THUMBNAIL_PIXELS,
)
from integrations.extraction import child
from integrations.extraction.base import REASONS, Extraction
from integrations.extraction.plain import decode
from integrations.file_types import DOCX, PDF, SVG
from integrations.tests.fixtures import files

SAMPLE = "Grüße – „so“, 5 €"


def read(data: bytes, media_type: str = "text/plain") -> Extraction:
    return child.extract(io.BytesIO(data), media_type)


# ── PDF ───────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_it_reads_a_pdf_page_by_page() -> None:
    found = read(files.pdf("The first page", "", "The third"), PDF)
    assert found == Extraction("ready", "[page 1]\nThe first page\n\n[page 3]\nThe third", page_count=3)


def test_it_says_that_a_scanned_pdf_has_no_text() -> None:
    assert read(files.pdf("", ""), PDF) == Extraction("no_text", reason="scanned", page_count=2)


@pytest.mark.parametrize("algorithm", ["AES-256", "RC4-128"])
def test_it_says_that_a_pdf_asks_for_a_password(algorithm: str) -> None:
    found = read(files.encrypted_pdf("Secret", password="open sesame", algorithm=algorithm), PDF)
    assert found == Extraction("failed", reason="encrypted")


def test_it_reads_a_pdf_that_is_encrypted_without_a_password() -> None:
    found = read(files.encrypted_pdf("For all to read", password=""), PDF)
    assert (found.state, found.text) == ("ready", "[page 1]\nFor all to read")


def test_it_reads_the_first_pages_of_ten_thousand() -> None:
    found = read(files.pdf(*(f"This is number {number}." for number in range(1, 10_001))), PDF)
    assert (found.state, found.page_count, found.is_cut) == ("ready", 10_000, True)
    assert found.text.count("[page ") == EXTRACTION_PAGES
    assert found.text.endswith(f"[page {EXTRACTION_PAGES}]\nThis is number {EXTRACTION_PAGES}.")


def test_it_reads_the_other_pages_if_one_is_damaged() -> None:
    good, bomb = files.stream(files.shown("Good")), files.deflated(b"0 " * 60_000_000)
    found = read(files.pdf_with([good, bomb, good]), PDF)
    assert (found.state, found.is_cut) == ("ready", True)
    assert found.text == "[page 1]\nGood\n\n[page 3]\nGood"


# ── Word ──────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_it_reads_the_paragraphs_and_tables_of_a_word_document() -> None:
    found = read(files.docx("A plan", "", "in two parts", table=[["Part", "Cost"], ["Lamp", "5 €"], ["", ""]]), DOCX)
    assert found == Extraction("ready", "A plan\nin two parts\nPart | Cost\nLamp | 5 €")


def test_it_reads_a_long_word_document_whole_and_in_order() -> None:
    lines = [f"Paragraph {number} says something." for number in range(2000)]
    found = read(files.docx(*lines), DOCX)
    assert found.state == "ready"
    assert [line for line in found.text.split("\n") if line] == lines


def test_it_reads_a_cell_over_two_columns_once() -> None:
    cell = '<w:tc><w:tcPr><w:gridSpan w:val="2"/></w:tcPr><w:p><w:r><w:t>Wide</w:t></w:r></w:p></w:tc>'
    assert read(files.docx_with({files.BODY: files.body(f"<w:tbl><w:tr>{cell}</w:tr></w:tbl>")}), DOCX).text == "Wide"


def test_it_says_that_a_word_document_is_empty() -> None:
    assert read(files.docx(), DOCX) == Extraction("no_text", reason="empty")


# ── Text ──────────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32", "cp1252"])
def test_it_reads_text_in_any_common_encoding(encoding: str) -> None:
    assert read(SAMPLE.encode(encoding)) == Extraction("ready", SAMPLE)


@pytest.mark.parametrize("media_type", ["text/csv", "text/markdown", "application/json"])
def test_it_reads_text_for_machines_as_it_is(media_type: str) -> None:
    text = '{"a": "<b>",\r\n# 1;2}\t'
    assert read(text.encode(), media_type) == Extraction("ready", text)


@pytest.mark.parametrize("order", ["utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be"])
def test_it_goes_by_the_byte_order_mark(order: str) -> None:
    assert decode(f"\ufeff{SAMPLE}".encode(order)) == SAMPLE


def test_a_few_broken_bytes_do_not_change_the_encoding() -> None:
    assert decode(SAMPLE.encode() + b"\xe2\x82") == SAMPLE + "\ufffd"
    assert decode(b"plain \xff words") == "plain ÿ words"


def test_it_drops_what_can_be_neither_stored_nor_seen() -> None:
    hidden = "".join(chr(0xE0000 + ord(letter)) for letter in "obey")
    assert read(f"a\0b\u200bc\u2060d{hidden}e \u200d".encode()).text == "abcde \u200d"
    assert read(b"\xff\xfe" + "x\ud800y".encode("utf-16-le", "surrogatepass")).text == "x\ufffdy"


def test_it_keeps_exactly_so_many_characters() -> None:
    whole, longer = (read(("ä" * (EXTRACTION_CHARACTERS + more)).encode()) for more in (0, 1))
    assert (len(whole.text), whole.is_cut) == (EXTRACTION_CHARACTERS, False)
    assert (len(longer.text), longer.is_cut) == (EXTRACTION_CHARACTERS, True)


def test_it_may_write_all_of_a_text_however_it_is_escaped() -> None:
    assert len(read(("🗼" * EXTRACTION_CHARACTERS).encode()).text) == EXTRACTION_CHARACTERS


@pytest.mark.parametrize("data", [b"", b" \r\n\t", "\ufeff".encode(), b"\xff\xfe"])
def test_it_says_that_a_text_is_empty(data: bytes) -> None:
    assert read(data) == Extraction("no_text", reason="empty")


def test_it_reads_the_words_of_an_svg_and_nothing_else() -> None:
    drawing = (
        '<?xml version="1.0"?><!DOCTYPE svg [<!ENTITY a "ha"><!ENTITY b "&a;&a;"><!ENTITY f SYSTEM "file:///etc/hosts">]>'
        "<svg onload='alert(1)'><style>text {}</style><script>alert(2)</script><title>A lamp</title>"
        "<text>on &lt;top&gt; &b;&f;<tspan>of it</tspan></text><image href='https://example.org/x.png'/></svg>"
    )
    assert read(drawing.encode(), SVG) == Extraction("ready", "A lamp\non <top> &b;&f;\nof it")
    assert read(b"<svg><script>alert(1)</script></svg>", SVG).state == "no_text"


# ── Images ────────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "GIF", "WEBP"])
def test_it_makes_a_small_copy_of_an_image(kind: str) -> None:
    found = read(files.image(kind, (600, 300)), f"image/{kind.lower()}")
    assert (found.state, found.text, found.picture) == ("no_text", "", (600, 300, 1))
    with Image.open(io.BytesIO(found.thumbnail)) as small:
        assert (small.format, small.size) == ("WEBP", (THUMBNAIL_PIXELS, THUMBNAIL_PIXELS // 2))


@pytest.mark.parametrize("mode", ["1", "LA", "P", "RGBA", "I;16"])
def test_it_makes_a_small_copy_whatever_the_pixels_are_made_of(mode: str) -> None:
    assert read(files.image(size=(300, 300), mode=mode), "image/png").thumbnail.startswith(b"RIFF")


def test_the_small_copy_is_upright_and_says_nothing_of_the_place() -> None:
    exif = Image.Exif()
    exif[0x0112], exif[0x010E] = 6, "at home"  # turned by 90°, a description
    exif.get_ifd(0x8825)[1] = "N"
    data = files.image("JPEG", (600, 300), exif=exif)
    assert b"at home" in data
    found = read(data, "image/jpeg")
    with Image.open(io.BytesIO(found.thumbnail)) as small:
        assert small.size == (THUMBNAIL_PIXELS // 2, THUMBNAIL_PIXELS)
        assert dict(small.getexif()) == {}
    assert b"at home" not in found.thumbnail


def test_it_counts_the_frames_of_a_moving_image() -> None:
    frames = [Image.new("RGB", (8, 8), (number, 0, 0)) for number in (0, 80, 160)]
    file = io.BytesIO()
    frames[0].save(file, "GIF", save_all=True, append_images=frames[1:])
    assert read(file.getvalue(), "image/gif").picture == (8, 8, 3)


def test_it_looks_at_an_image_of_as_many_pixels_as_it_may_have() -> None:
    found = read(files.image(size=(10_000, 5_000), mode="L"), "image/png")
    assert found.picture == (10_000, 5_000, 1)
    assert found.thumbnail


# ── Hostile files (faults.md U2, U4, U5) ──────────────────────────────────────────────────────────────────────────────

IMAGE = "image/png"
WHY = {
    "a content too long": "too_complex",
    "a page that is its own parent": "too_complex",
    "nothing but zeros": "damaged",
    "a page of HTML": "damaged",
    "more than may be unpacked": "too_complex",
    "six thousand parts": "too_complex",
    "a cell of two billion columns": "too_complex",
    "no document": "damaged",
    "four billion pixels": "too_large",
    "sixty million pixels": "too_large",
    "half an image": "damaged",
}
CORPUS = {
    **{name: (PDF, make) for name, make in files.HOSTILE_PDFS.items()},
    **{name: (DOCX, make) for name, make in files.HOSTILE_DOCUMENTS.items()},
    **{name: ("image/gif" if "frames" in name else IMAGE, make) for name, make in files.HOSTILE_IMAGES.items()},
    "open tags": (SVG, lambda: b"<svg>" + b"<g " * 3_000_000),
    "open comments": (SVG, lambda: b"<svg>" + b"<!--" * 2_500_000),
    "open scripts": (SVG, lambda: b"<svg>" + b"<script></" * 1_000_000),
    "open brackets": ("application/json", lambda: b"[" * 10_000_000),
}


@pytest.mark.parametrize("name", CORPUS)
def test_a_hostile_file_costs_little_and_gives_an_answer(name: str) -> None:
    media_type, make = CORPUS[name]
    data, begun = make(), time.monotonic()
    found = read(data, media_type)
    assert time.monotonic() - begun < EXTRACTION_SECONDS
    assert found.reason in {"", *REASONS}
    assert "root:" not in found.text
    if name in WHY:
        assert (found.state, found.reason, found.text) == ("failed", WHY[name], "")


def test_it_has_a_sentence_for_each_reason() -> None:
    assert set(WHY.values()) <= set(REASONS)
    assert all(child.explain(reason).endswith(".") for reason in REASONS)
    assert child.explain("") == ""


# ── The process ───────────────────────────────────────────────────────────────────────────────────────────────────────

CONFINED = """
import resource, signal
from integrations.extraction.__main__ import _confine
_confine()
print([resource.getrlimit(getattr(resource, "RLIMIT_" + name))[1] for name in ("AS", "CPU", "FSIZE", "CORE")])
print(signal.alarm(0))
"""


def test_it_limits_the_process_itself() -> None:
    done = subprocess.run([sys.executable, "-c", CONFINED], capture_output=True, cwd=child._ROOT, env={}, check=True)
    limits = [EXTRACTION_MEMORY_BYTES, EXTRACTION_CPU_SECONDS, EXTRACTION_OUTPUT_BYTES, 0]
    assert done.stdout.decode().split("\n")[:2] == [str(limits), str(EXTRACTION_SECONDS)]


def test_it_ends_a_process_that_takes_too_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(child, "EXTRACTION_SECONDS", 0)
    monkeypatch.setattr(child, "GRACE_SECONDS", 0.01)
    assert read(files.pdf("Hello"), PDF) == Extraction("failed", reason="too_complex")


@pytest.fixture
def in_place_of_python(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[[str], None]:
    """Lets a shell script be the child."""

    def put(script: str) -> None:
        program = tmp_path / "child.sh"
        program.write_text(f"#!/bin/sh\n{script}\n")
        program.chmod(0o700)
        monkeypatch.setattr(sys, "executable", str(program))

    return put


def test_it_keeps_what_was_found_before_the_process_died(in_place_of_python: Callable[[str], None]) -> None:
    lines = """{"Pages": {"total": 3}}\\n{"Text": {"text": "[page 1]"}}\\n{"Text": {"te"""
    in_place_of_python(f"printf '{lines}'; kill -9 $$")
    assert read(b"x") == Extraction("ready", "[page 1]", "too_complex", page_count=3, is_cut=True)


def test_it_takes_no_secret_along(in_place_of_python: Callable[[str], None], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")
    in_place_of_python("""printf '{"Text": {"text": "key: %s."}}\\n' "$OPENAI_API_KEY" """)
    assert read(b"x").text == "key: ."

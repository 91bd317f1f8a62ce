"""Bytes and text in pieces, whatever the pieces are."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.text import clean_text, is_storable
from integrations.llm.sse_lines import LINE_BYTES, DataLines, LineTooLong
from integrations.llm.streamed_text import StreamedText


def halves(text: str) -> str:
    """`text` with each character outside the basic plane as the two halves of a surrogate pair."""
    units = text.encode("utf-16-le", "surrogatepass")
    return "".join(chr(int.from_bytes(units[at : at + 2], "little")) for at in range(0, len(units), 2))


@given(st.text(), st.lists(st.integers(0, 200)))
def test_it_gives_back_any_text_however_it_is_cut(text, cuts):
    split, stream = halves(text), StreamedText()
    edges = [0, *sorted(cut for cut in cuts if cut < len(split)), len(split)]
    pieces = [stream.feed(split[a:b]) for a, b in zip(edges, edges[1:], strict=False)]
    assert "".join(pieces) + stream.end() == clean_text(text)


@given(st.lists(st.text(alphabet=st.characters(exclude_categories=[]))))
def test_it_gives_out_nothing_that_cannot_be_stored(pieces):
    stream = StreamedText()
    assert all(is_storable(stream.feed(piece)) for piece in pieces)
    assert is_storable(stream.end())


@given(st.binary(), st.integers(1, 7))
def test_it_cuts_lines_the_same_however_the_bytes_arrive(data, size):
    stream = data + b"\r\ndata: one\r\n: comment\ndata:two\nid: 3\n\ndata: [DONE]\n"
    whole, pieces = DataLines(), DataLines()
    cut = [line for at in range(0, len(stream), size) for line in pieces.feed(stream[at : at + size])]
    assert cut == whole.feed(stream)
    assert cut[-3:] == [b"one", b"two", b"[DONE]"]


def test_it_waits_for_the_end_of_a_line():
    lines = DataLines()
    assert lines.feed(b"data: a\ndata: b") == [b"a"]
    assert lines.feed(b"c\n") == [b"bc"]


def test_it_refuses_a_line_that_never_ends():
    lines = DataLines()
    assert lines.feed(b"x" * LINE_BYTES) == []
    with pytest.raises(LineTooLong):
        lines.feed(b"x")

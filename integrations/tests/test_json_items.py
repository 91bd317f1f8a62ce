import io
import json
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from integrations.importers import json_items
from integrations.importers.json_items import Item, items

MOST = 10_000
scalars = st.none() | st.booleans() | st.integers() | st.text('a"\\[]{}é😀', max_size=90) | st.just("conversations")
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(["a", "conversations"]), inner),
    max_leaves=12,
)


class Dripping(io.BytesIO):
    """Gives a few bytes at a time, as a compressed member may."""

    def __init__(self, data: bytes, size: int) -> None:
        super().__init__(data)
        self._size = size

    def read(self, size: int | None = -1, /) -> bytes:
        return super().read(self._size)


def split(data: bytes, *, size: int = 1_000_000, most: int = MOST) -> list[Item]:
    return list(items(Dripping(data, size), most=most))


def parsed(found: list[Item]) -> list[Any]:
    return [json.loads(item.data or b"null") for item in found]


@given(st.lists(values, max_size=5), st.integers(1, 80), st.booleans(), st.booleans())
def test_it_finds_every_item_however_the_file_is_cut(
    chats: list[Any], size: int, is_object: bool, is_ascii: bool
) -> None:
    value = {"first": [1], "more": {"a": [[]]}, "conversations": chats, "last": [{}]} if is_object else chats
    data = json.dumps(value, ensure_ascii=is_ascii).encode()
    assert parsed(split(data, size=size)) == [chat for chat in chats if isinstance(chat, list | dict)]


@given(st.lists(st.dictionaries(st.just("a"), values), max_size=5), st.floats(0, 1), st.integers(1, 80))
def test_it_gives_what_stands_before_the_end_of_a_file_that_was_cut_off(
    chats: list[Any], share: float, size: int
) -> None:
    data = json.dumps(chats).encode()
    found = split(data[: int(share * len(data))], size=size)
    whole = [item for item in found if not item.error_code]
    assert parsed(whole) == chats[: len(whole)]
    assert [item.error_code for item in found if item.error_code] in ([], ["cut_off"])
    if whole or len(data) * share > 2:
        assert found == whole or found[-1] == Item(None, "cut_off")


@given(st.binary(max_size=300))
def test_it_raises_nothing_whatever_the_file_holds(data: bytes) -> None:
    for size in (1, 7, 1000):
        assert isinstance(split(data, size=size), list)


def test_it_leaves_out_an_item_that_is_too_long_and_goes_on() -> None:
    data = json.dumps([{"a": 1}, {"a": "x" * 200}, {"a": 2}]).encode()
    found = split(data, size=16, most=50)
    assert [item.error_code for item in found] == ["", "too_large", ""]
    assert found[1].data is None


def test_it_goes_on_behind_an_item_that_is_no_json() -> None:
    found = split(b'[{"a": NaN}, {"a": \'\'}, {"a" 1}, {"a": "\\x"}, {"a": 2}]')
    assert [item.data for item in found] == [b'{"a": NaN}', b"{\"a\": ''}", b'{"a" 1}', b'{"a": "\\x"}', b'{"a": 2}']


@pytest.mark.parametrize(
    "data", [b"", b"null", b'"[{}]"', b"{}", b'{"mapping": {"conversations": [{}]}}', b'{"list": [{"a": 1}]}']
)
def test_it_finds_nothing_in_a_file_of_another_shape(data: bytes) -> None:
    assert split(data) == []


def test_it_ignores_what_follows_the_list() -> None:
    assert parsed(split(b'[{"a": 1}] [{"a": 2}] rubbish ]]]}')) == [{"a": 1}]


@pytest.mark.parametrize(
    "data",
    [b"[" * 4_000_000, b'["' + b"\\" * 8_000_000, b'"' * 8_000_001, b"[[" + b"{}," * 1_000_000, b"]" * 4_000_000],
    ids=["deep", "escapes", "quotes", "many", "closing"],
)
def test_it_takes_linear_time_and_little_memory(data: bytes) -> None:
    began = time.process_time()
    assert len(split(data, size=json_items.CHUNK_BYTES)) <= 1
    assert time.process_time() - began < 10

import io
import json
import time
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from django.utils.functional import lazystr
from hypothesis import given
from hypothesis import strategies as st
from rest_framework import serializers

from config import limits
from config.api.fields import StrictCharField, StrictIntegerField
from config.api.parsers import StrictJSONParser, is_shallow
from config.api.renderers import JSONRenderer
from config.exceptions import BadRequest, Invalid
from config.text import is_storable

storable = st.text().filter(is_storable)
values: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | storable,
    lambda inner: st.lists(inner) | st.dictionaries(storable, inner),
    max_leaves=20,
)


def parse(body: str | bytes) -> Any:
    return StrictJSONParser().parse(io.BytesIO(body.encode() if isinstance(body, str) else body))


def depth(value: Any) -> int:
    if isinstance(value, dict):
        return 1 + max(map(depth, value.values()), default=0)
    return 1 + max(map(depth, value), default=0) if isinstance(value, list) else 0


@given(values)
def test_it_reads_what_the_standard_library_writes(value):
    assert parse(json.dumps(value)) == value


@given(values, st.integers(0, 6))
def test_it_knows_the_depth_of_a_value(value, most):
    assert is_shallow(json.dumps(value).encode(), most) == (depth(value) <= most)


@given(st.binary())
def test_it_only_ever_refuses(body):
    try:
        parse(body)
    except Invalid as refusal:
        assert refusal.code in {"malformed", "unstorable_text"}


def test_it_takes_the_deepest_value_allowed():
    levels = limits.JSON_DEPTH
    assert depth(parse("[" * levels + "]" * levels)) == levels


@pytest.mark.parametrize(("opening", "closing"), [("[", "]"), ('{"a":', "}")])
def test_it_refuses_a_value_one_level_deeper(opening, closing):
    levels = limits.JSON_DEPTH + 1
    with pytest.raises(BadRequest) as refusal:
        parse(opening * levels + "1" + closing * levels)
    assert refusal.value.code == "malformed"


def test_it_does_not_count_brackets_in_strings():
    text = '[["\\"' * 3
    body = json.dumps([text] * 40)
    assert body.count("[") > limits.JSON_DEPTH
    assert parse(body) == [text] * 40


@pytest.mark.parametrize(
    "body", [b"[" * 2_000_000, b'"' + b'\\"' * 1_000_000 + b"[" * 100, b"[]" * 1_000_000, b'[["' * 600_000]
)
def test_it_refuses_a_hostile_body_quickly(body):
    started = time.process_time()
    with pytest.raises(BadRequest):
        parse(body)
    assert time.process_time() - started < 2


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"NaN",
        b"[Infinity]",
        b"-Infinity",
        b"1e999",
        b"1" * 5000,
        b"{'a': 1}",
        b'{"a": 1,}',
        b'"\xff"',
        b'"\xed\xa0\x80"',
        b'"raw\x00nul"',
        b"\xef\xbb\xbf{}",
        "é".encode("utf-16"),
        b"[}" * 100,
    ],
)
def test_it_refuses_what_is_not_json(body):
    with pytest.raises(BadRequest) as refusal:
        parse(body)
    assert refusal.value.code == "malformed"


@pytest.mark.parametrize(
    "body",
    [
        r'"a\u0000b"',
        r'{"\u0000": 1}',
        r'[{"a": [["\u0000"]]}]',
        r'"\ud800"',
        r'{"\uDFFF": 1}',
        r'["\udc00\ud800"]',
        r'"\ud800\u0041"',
    ],
)
def test_it_refuses_text_that_cannot_be_stored(body):
    with pytest.raises(Invalid) as refusal:
        parse(body)
    assert not isinstance(refusal.value, BadRequest)
    assert (refusal.value.code, refusal.value.field) == ("unstorable_text", "")


@pytest.mark.parametrize(
    ("body", "value"),
    [
        (r'"\\u0000"', "\\u0000"),
        (r'"\\ud800"', "\\ud800"),
        (r'"\ud83d\ude00"', "😀"),
        ('{"a": 1, "a": 2}', {"a": 2}),
        ("18446744073709551615", 2**64 - 1),
    ],
)
def test_it_takes_what_only_looks_wrong(body, value):
    assert parse(body) == value


def test_it_takes_a_very_large_number():
    assert parse("1" * 40) == pytest.approx(1.11e39, rel=0.01)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (datetime(2026, 11, 22, 9, 58, 15, 339917, UTC), '"2026-11-22T09:58:15.339917+00:00"'),
        (datetime(2026, 11, 22, 9, 58, 15, 0, UTC), '"2026-11-22T09:58:15.000000+00:00"'),
        (datetime(2026, 1, 1, 1, tzinfo=timezone(timedelta(hours=2))), '"2025-12-31T23:00:00.000000+00:00"'),
        (datetime(2026, 1, 1), '"2026-01-01T00:00:00.000000+00:00"'),
        (UUID(int=1), '"00000000-0000-0000-0000-000000000001"'),
        (Decimal("1.50"), '"1.50"'),
        (lazystr("later"), '"later"'),
        ("é\u2028", '"é\u2028"'),
        (serializers.ErrorDetail("text", "code"), '"text"'),
        (None, ""),
    ],
)
def test_it_writes(value, text):
    assert JSONRenderer().render(value) == text.encode()


def test_it_writes_nothing_it_does_not_know():
    with pytest.raises(TypeError):
        JSONRenderer().render({"value": object()})


@pytest.mark.parametrize("value", [1, 1.5, True, ["a"], {"a": 1}, None, "", "abcdef", "a\x00"])
def test_it_refuses_what_is_not_a_string_of_the_length(value):
    with pytest.raises(serializers.ValidationError):
        StrictCharField(max_length=5).run_validation(value)


def test_it_keeps_white_space_unless_told_otherwise():
    assert StrictCharField(max_length=5).run_validation(" a\n") == " a\n"
    assert StrictCharField(max_length=5, trim_whitespace=True).run_validation(" a\n") == "a"


@pytest.mark.parametrize("value", ["1", True, 1.0, None, [1], 2**63, -(2**63) - 1])
def test_it_refuses_what_is_not_an_integer_of_the_database(value):
    with pytest.raises(serializers.ValidationError):
        StrictIntegerField().run_validation(value)


def test_it_takes_integers_within_the_range():
    assert StrictIntegerField().run_validation(2**63 - 1) == 2**63 - 1
    assert StrictIntegerField(min_value=0).run_validation(0) == 0
    with pytest.raises(serializers.ValidationError):
        StrictIntegerField(min_value=0).run_validation(-1)

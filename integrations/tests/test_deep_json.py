import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from integrations.importers.deep_json import MAX_DEPTH, parsed

VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=4),
    max_leaves=20,
)


@settings(deadline=None)
@given(VALUES)
def test_it_parses_what_pythons_own_parser_parses(value):
    text = json.dumps(value, ensure_ascii=False)
    assert parsed(text) == json.loads(text)


@pytest.mark.parametrize("text", ["", "[", "[1", '{"a"', '{"a":}', "[1]]", "[1] x", "nonsense", '["a', "[1,]"])
def test_it_refuses_what_is_not_json(text):
    with pytest.raises(ValueError, match="not JSON"):
        parsed(text)


@pytest.mark.parametrize(("start", "end"), [("[", "]"), ('{"a":', "}")])
def test_it_goes_deeper_than_pythons_own_parser_but_not_without_end(start, end):
    depth = MAX_DEPTH - 2
    value = parsed(f"{start * depth}1{end * depth}")
    for _ in range(depth):
        [value] = value if isinstance(value, list) else value.values()
    assert value == 1
    with pytest.raises(RecursionError):
        parsed(start * (MAX_DEPTH + 1))

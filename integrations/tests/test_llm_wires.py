"""Any text, through each vendor's wire: what streams is what may be stored."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from config.text import clean_text, is_storable
from integrations.llm.answer import Answer
from integrations.llm.anthropic_wire import AnthropicAnswer
from integrations.llm.events import Finished, ReasoningDelta, TextDelta, ToolCall
from integrations.llm.openai_chat import ChatAnswer
from integrations.llm.openai_responses import ResponsesAnswer
from integrations.tests.fake_anthropic import FakeAnthropic
from integrations.tests.fake_model import FakeModel, event
from integrations.tests.fake_openai import FakeOpenAI
from integrations.tests.fake_openai_responses import FakeResponses
from integrations.tests.llm_cases import read

WIRES: list[tuple[type[Answer], type[FakeModel]]] = [
    (ChatAnswer, FakeOpenAI),
    (ResponsesAnswer, FakeResponses),
    (AnthropicAnswer, FakeAnthropic),
]
ANY_TEXT = st.text(st.characters(exclude_categories=[]), max_size=40)
each_wire = pytest.mark.parametrize(("answer", "fake"), WIRES, ids=["chat", "responses", "messages"])


def units(text: str) -> list[str]:
    """`text` with each character outside the basic plane as the two halves of a surrogate pair."""
    raw = text.encode("utf-16-le", "surrogatepass")
    return [chr(int.from_bytes(raw[at : at + 2], "little")) for at in range(0, len(raw), 2)]


def whole(text: str) -> str:
    """`text` with the halves that stand together joined."""
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "surrogatepass")


@each_wire
@settings(max_examples=200, deadline=None)
@given(text=ANY_TEXT, said=st.integers(1, 5), read_at_once=st.integers(1, 90))
def test_it_streams_what_may_be_stored_of_any_text(
    answer: type[Answer], fake: type[FakeModel], text: str, said: int, read_at_once: int
):
    model, split = fake(), units(text)
    pieces = ["".join(split[at : at + said]) for at in range(0, len(split), said)]
    stream = b"".join([*model.head(), *map(model.said, pieces), *model.finish("stop")])
    events = read(answer(), *(stream[at : at + read_at_once] for at in range(0, len(stream), read_at_once)))
    assert "".join(event.text for event in events if isinstance(event, TextDelta)) == clean_text(whole(text))
    assert all(is_storable(event.text) for event in events if isinstance(event, TextDelta | ReasoningDelta))
    assert events[-1] == Finished("stop")


@each_wire
@settings(max_examples=100, deadline=None)
@given(pieces=st.lists(ANY_TEXT.filter(bool), min_size=1))
def test_it_joins_the_arguments_of_a_call_and_repairs_nothing(
    answer: type[Answer], fake: type[FakeModel], pieces: list[str]
):
    model = fake()
    (call, *_) = read(answer(), *model.head(), *model.call(0, "c", "n", *pieces), *model.finish("tool_calls"))
    assert isinstance(call, ToolCall)
    assert call.arguments == (clean_text(whole("".join(pieces))) or "{}")


@each_wire
@settings(max_examples=200, deadline=None)
@given(pieces=st.lists(st.binary(max_size=60) | st.sampled_from([b"data: ", b"\n", b'{"type":', b"[DONE]", b"{}"])))
def test_it_never_stumbles_over_bytes(answer: type[Answer], fake: type[FakeModel], pieces: list[bytes]):
    events = read(answer(), b"".join(fake().head()), *pieces)
    assert not any(isinstance(event, ToolCall) for event in events)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5) | st.sampled_from(["content_block_delta", "error"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["type", "delta", "index", "choices", "usage", "item", "error"]), inner)
    ),
    max_leaves=12,
)


@each_wire
@settings(max_examples=200, deadline=None)
@given(document=JSON)
def test_it_never_stumbles_over_a_document(answer: type[Answer], fake: type[FakeModel], document: object):
    made = answer()
    read(made, event(document), *fake().finish("stop"))
    assert made.has_finished or made.is_over

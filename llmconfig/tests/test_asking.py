"""Asking once, outside of any run, and what is kept of each call."""

import asyncio
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest

from config.exceptions import Invalid
from config.tests.outside import Outside, words
from integrations.llm import registry
from integrations.llm.errors import AuthenticationFailed, ContextTooLong, Interrupted, LLMError
from integrations.llm.messages import ChatRequest, text_message
from llmconfig.asking import ask_once, request_to, stream_answer
from llmconfig.metering import Purpose, estimate_input, store_begun, store_ended
from llmconfig.models import DefaultModel, LLMCall, LLMModel, Task

PURPOSE = Purpose(Task.KEYWORDS, conversation_id=7)


@pytest.fixture(scope="module")
def outside() -> Iterator[Outside]:
    with Outside() as started:
        yield started


@pytest.fixture
def asked(outside: Outside, settings: Any, django_db_setup: None, django_db_blocker: Any) -> Iterator[Outside]:
    """A model to ask, and a database in which other threads see what the test writes; what it wrote goes again."""
    settings.OPENAI_API_KEY, settings.OPENAI_BASE_URL = "k", outside.openai_url
    outside.begin_anew()
    with django_db_blocker.unblock():
        yield outside
        LLMCall.objects.all().delete()
        DefaultModel.objects.all().delete()


def ask(text: str, **options: Any) -> str:
    return ask_once(PURPOSE, [text_message("user", text)], **options).text


class Noted:
    """A ledger in memory."""

    def __init__(self) -> None:
        self.started: list[LLMCall] = []
        self.calls: list[LLMCall] = []

    def begun(self, call: LLMCall) -> None:
        self.started.append(call)

    def ended(self, call: LLMCall) -> None:
        self.calls.append(call)


def test_it_asks_the_default_model_and_keeps_the_call(asked: Outside) -> None:
    assert ask("Hello [[words=3]]", max_output_tokens=600) == "".join(words(3))
    assert (asked.requests[0]["model"], asked.requests[0]["max_tokens"]) == ("gpt-4o", 600)
    call = LLMCall.objects.get()
    assert (call.task, call.provider, call.model_id, call.conversation_id) == ("keywords", "openai", "gpt-4o", 7)
    assert (call.outcome, call.stop_reason, call.error_code) == ("finished", "stop", "")
    assert (call.input_tokens, call.output_tokens, call.is_estimated) == (11, 3, False)
    assert call.cost_usd is None
    assert call.first_event_ms is not None
    assert call.duration_ms is not None
    assert 0 < call.first_event_ms <= call.duration_ms < 60_000


def test_it_keeps_every_attempt(asked: Outside) -> None:
    with pytest.raises(LLMError) as caught:
        ask("Hello [[status=529]]")
    assert caught.value.code == "provider_overloaded"
    calls = LLMCall.objects.all()
    assert [(call.outcome, call.error_code, call.input_tokens, call.cost_usd) for call in calls] == [
        ("failed", "provider_overloaded", None, None)
    ] * 3


def test_a_cut_answer_is_a_failed_call_with_its_tokens_estimated(asked: Outside) -> None:
    with pytest.raises(Interrupted):
        ask("Hello [[words=40 cut_after=20]]")
    call = LLMCall.objects.get()
    assert (call.outcome, call.error_code, call.is_estimated) == ("failed", "provider_interrupted", True)
    said = "".join(words(20))
    assert (call.input_tokens, call.output_tokens) == (len("Hello [[words=40 cut_after=20]]") // 4, len(said) // 4)


def test_it_uses_the_stand_ins_of_the_task(asked: Outside) -> None:
    DefaultModel.objects.create(
        prompt_type=Task.KEYWORDS, llm_provider="openai", llm_model="gpt-4o", fallbacks=["openai/gpt-4.1"]
    )
    asked.refused_models.add("gpt-4o")
    assert ask("Hello [[words=2]]") == "".join(words(2))
    assert [call.model_id for call in LLMCall.objects.order_by("created_at")] == ["gpt-4o", "gpt-4.1"]


def test_it_leaves_no_connection_and_no_loop_behind(asked: Outside) -> None:
    ask("Hello")
    ask("Hello")
    assert registry.provider("openai")._clients == {}  # type: ignore[attr-defined]


def test_a_call_costs_what_was_paid_on_its_day(asked: Outside) -> None:
    LLMModel.objects.filter(model_id="gpt-4o").update(input_price="2.5", output_price="10", priced_on="2026-11-22")
    try:
        ask("Hello [[words=100]]")
    finally:
        LLMModel.objects.filter(model_id="gpt-4o").update(input_price=None, output_price=None, priced_on=None)
    assert LLMCall.objects.get().cost_usd == Decimal("0.0010275")  # (11 × 2.5 + 100 × 10) / 1,000,000


def test_the_end_of_a_call_may_be_stored_before_its_beginning(db: None) -> None:
    call = LLMCall(task=Task.CHAT, provider="demo", model_id="demo-1", created_at="2026-11-22T12:00:00Z")
    beginning = LLMCall(**{field.attname: getattr(call, field.attname) for field in LLMCall._meta.fields})
    call.outcome, call.output_tokens = LLMCall.Outcome.FINISHED, 3
    store_ended(call)
    store_begun(beginning)
    row = LLMCall.objects.get()
    assert (row.outcome, row.output_tokens) == ("finished", 3)


# ── Which model answers ───────────────────────────────────────────────────────────────────────────────────────────────


def models(*names: str) -> list[LLMModel]:
    return [
        LLMModel(provider="openai", model_id=name, label=name, context_window_tokens=8_000, options={})
        for name in names
    ]


async def stream(text: str, names: list[str], ledger: Noted, told: list[tuple[str, str, str]]) -> int:
    """The number of events of an answer."""

    async def build(model: LLMModel) -> ChatRequest:
        return request_to(model, [text_message("user", text)])

    async def fall_back(failed: LLMModel, stand_in: LLMModel, error: LLMError) -> None:
        told.append((failed.model_id, stand_in.model_id, error.code))

    count = 0
    try:
        async for _ in stream_answer(PURPOSE, models(*names), build, ledger, on_fallback=fall_back):
            count += 1
    finally:
        await registry.provider("openai").aclose()
    return count


def test_it_tells_of_each_fallback_and_raises_the_last_error(asked: Outside) -> None:
    asked.refused_models.update(["a", "b", "c"])
    told: list[tuple[str, str, str]] = []
    ledger = Noted()
    with pytest.raises(AuthenticationFailed):
        asyncio.run(stream("Hello", ["a", "b", "c"], ledger, told))
    assert told == [("a", "b", "provider_authentication"), ("b", "c", "provider_authentication")]
    assert [call.model_id for call in ledger.started] == ["a", "b", "c"]
    assert {call.outcome for call in ledger.calls} == {"failed"}


def test_nobody_stands_in_after_the_first_event(asked: Outside) -> None:
    told: list[tuple[str, str, str]] = []
    with pytest.raises(Interrupted):
        asyncio.run(stream("Hello [[cut_after=2]]", ["a", "b"], Noted(), told))
    assert told == []
    assert [request["model"] for request in asked.requests] == ["a"]


def test_a_provider_that_is_gone_is_stood_in_for(asked: Outside, settings: Any) -> None:
    gone = LLMModel(provider="nobody", model_id="x", label="x", context_window_tokens=8_000)

    async def build(model: LLMModel) -> ChatRequest:
        return request_to(model, [text_message("user", "Hello [[words=2]]")])

    async def count() -> int:
        ledger = Noted()
        answer = stream_answer(PURPOSE, [gone, *models("a")], build, ledger)
        number = len([event async for event in answer])
        await registry.provider("openai").aclose()
        return number

    assert asyncio.run(count()) == 4  # two words, usage, the end


def test_a_request_that_a_model_cannot_hold_is_told_as_such(asked: Outside) -> None:
    async def build(model: LLMModel) -> ChatRequest:
        raise Invalid("Too long for it.", code="context_too_long")

    async def ask_in_vain() -> None:
        async for _ in stream_answer(PURPOSE, models("a"), build, Noted()):
            pass

    with pytest.raises(ContextTooLong, match="Too long for it"):
        asyncio.run(ask_in_vain())
    assert asked.requests == []


def test_a_model_that_thinks_gets_its_own_cap(settings: Any) -> None:
    model = models("o3")[0]
    model.output_cap_tokens = 16_384
    assert request_to(model, [], max_output_tokens=600).output_cap == 16_384
    model.output_cap_tokens = None
    assert request_to(model, [], max_output_tokens=600).output_cap == 600
    assert request_to(model, []).output_cap == settings.MAX_COMPLETION_TOKENS


def test_pictures_are_not_among_the_estimated_tokens() -> None:
    request = request_to(models("a")[0], [text_message("system", "x" * 40), text_message("user", "y" * 8)])
    assert estimate_input(request) == 12

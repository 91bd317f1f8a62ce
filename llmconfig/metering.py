"""The record of each call of a provider: what it took, what it cost, how it ended."""

import logging
import time
from collections.abc import AsyncGenerator, Iterable, Iterator
from contextlib import aclosing, contextmanager
from dataclasses import dataclass
from decimal import Decimal
from typing import Protocol
from uuid import UUID

from django.db import DatabaseError, transaction
from django.utils import timezone

from integrations.llm.base import LLMProvider
from integrations.llm.errors import LLMError
from integrations.llm.events import Finished, LLMEvent, ReasoningDelta, TextDelta, ToolCall, Usage
from integrations.llm.messages import ChatRequest, TextPart, ToolCallPart, ToolResultPart
from integrations.llm.tokens import BYTES_PER_TOKEN, estimate_tokens
from llmconfig.models import LLMCall, LLMModel

log = logging.getLogger(__name__)

ENDED_FIELDS = [
    "outcome", "error_code", "stop_reason", "input_tokens", "cached_tokens", "output_tokens", "is_estimated",
    "cost_usd", "first_event_ms", "duration_ms",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Purpose:
    """What a model is asked for, and on whose behalf. `prompt_version` is None where the prompt has none."""

    task: str
    user_id: int | None = None
    run_id: UUID | None = None
    conversation_id: int | None = None
    prompt_version: int | None = None


class Ledger(Protocol):
    """Keeps the calls. Both are called from an event loop and return at once; the same row may come in any order."""

    def begun(self, call: LLMCall) -> None: ...

    def ended(self, call: LLMCall) -> None: ...


class Metered:
    """An `LLMProvider` that does as `provider` does and tells `ledger` of each call.

    `model` is asked as a row of the catalogue, so that the cost can be told.
    """

    def __init__(self, provider: LLMProvider, model: LLMModel, purpose: Purpose, ledger: Ledger) -> None:
        self.name = provider.name
        self._provider, self._model, self._purpose, self._ledger = provider, model, purpose, ledger

    async def prepare(self) -> None:
        await self._provider.prepare()

    async def aclose(self) -> None:
        await self._provider.aclose()

    async def stream(self, request: ChatRequest) -> AsyncGenerator[LLMEvent, None]:
        meter = _Meter(_new_call(self._purpose, self._model.provider, self._model.model_id))
        self._ledger.begun(meter.call)
        try:
            async with aclosing(self._provider.stream(request)) as events:
                async for event in events:
                    meter.see(event)
                    yield event
        except LLMError as error:
            meter.call.outcome, meter.call.error_code = LLMCall.Outcome.FAILED, error.code
            raise
        finally:
            meter.close(request, self._model)
            self._ledger.ended(meter.call)


class _Meter:
    """Watches one call. Until a `Finished` or an error is seen, whoever closes the stream has stopped it."""

    def __init__(self, call: LLMCall) -> None:
        self.call = call
        self._ended_as = LLMCall.Outcome.STOPPED
        self._started = time.monotonic()
        self._written = 0

    def see(self, event: LLMEvent) -> None:
        if self.call.first_event_ms is None:
            self.call.first_event_ms = self._elapsed()
        match event:
            case TextDelta(text) | ReasoningDelta(text):
                self._written += len(text)
            case ToolCall():
                self._written += len(event.arguments)
            case Usage(taken, given, cached):
                self._count(taken, given, cached)
            case Finished(reason):
                self._ended_as, self.call.stop_reason = LLMCall.Outcome.FINISHED, reason

    def close(self, request: ChatRequest, model: LLMModel) -> None:
        call = self.call
        call.duration_ms = self._elapsed()
        if call.outcome == LLMCall.Outcome.STARTED:
            call.outcome = self._ended_as
        if call.input_tokens is None and call.first_event_ms is not None:
            self._count(estimate_input(request), self._written // BYTES_PER_TOKEN, 0)
            call.is_estimated = True
        call.cost_usd = _cost(call, model)

    def _count(self, taken: int, given: int, cached: int) -> None:
        self.call.input_tokens, self.call.output_tokens, self.call.cached_tokens = taken, given, cached

    def _elapsed(self) -> int:
        return int((time.monotonic() - self._started) * 1000)


@contextmanager
def counted(purpose: Purpose, name: str) -> Iterator[LLMCall]:
    """Keeps a call of the model `name`, `provider/model`, that is no stream; the block says what it took.

    An `LLMError` out of the block makes it a failed one. A database that is away is only logged.
    """
    provider, _, model_id = name.partition("/")
    call, started = _new_call(purpose, provider, model_id), time.monotonic()
    try:
        yield call
        call.outcome = LLMCall.Outcome.FINISHED
    except LLMError as error:
        call.outcome, call.error_code = LLMCall.Outcome.FAILED, error.code
        raise
    finally:
        call.duration_ms = int((time.monotonic() - started) * 1000)
        _store(call)


def _store(call: LLMCall) -> None:
    try:
        model = LLMModel.objects.filter(provider=call.provider, model_id=call.model_id).first()
        call.cost_usd = _cost(call, model) if model else None
        with transaction.atomic():
            call.save(force_insert=True)
    except DatabaseError as error:
        log.error("A call of %s was not stored: %s", call.provider, type(error).__name__)


def _new_call(purpose: Purpose, provider: str, model_id: str) -> LLMCall:
    return LLMCall(
        task=purpose.task,
        provider=provider,
        model_id=model_id,
        prompt_version=purpose.prompt_version,
        user_id=purpose.user_id,
        run_id=purpose.run_id,
        conversation_id=purpose.conversation_id,
        created_at=timezone.now(),
    )


def _cost(call: LLMCall, model: LLMModel) -> Decimal | None:
    if call.input_tokens is None or call.output_tokens is None:
        return None
    return model.cost(
        input_tokens=call.input_tokens, output_tokens=call.output_tokens, cached_tokens=call.cached_tokens or 0
    )


def estimate_input(request: ChatRequest) -> int:
    """Tokens of the text in a request; pictures and PDFs are not counted."""
    return sum(estimate_tokens(text) for text in _texts(request))


def _texts(request: ChatRequest) -> Iterable[str]:
    for message in request.messages:
        for part in message.parts:
            match part:
                case TextPart(text):
                    yield text
                case ToolCallPart():
                    yield part.arguments
                case ToolResultPart():
                    yield part.content


def store_begun(call: LLMCall) -> None:
    """Stores a call that has begun, unless its end is stored already."""
    LLMCall.objects.bulk_create([call], ignore_conflicts=True)


def store_ended(call: LLMCall) -> None:
    """Stores how a call ended, whether its beginning is stored or not."""
    LLMCall.objects.bulk_create([call], update_conflicts=True, unique_fields=["id"], update_fields=ENDED_FIELDS)

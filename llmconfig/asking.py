"""How a task asks a model: the chosen one first, then its stand-ins, with retries, and a record of each call.

models ─ build the request for one ─ ask, up to three times ─ first event? ─ yes: it is this model's answer
   ▲                                                              └ error: the next model ┐
   └──────────────────────────────────────────────────────────────────────────────────────┘
"""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import aclosing
from copy import copy
from typing import TypeVar

from django.conf import settings
from django.db import connections

from config.exceptions import Invalid
from integrations.llm import registry
from integrations.llm.completion import Completion, completion_of
from integrations.llm.errors import ContextTooLong, LLMError
from integrations.llm.events import LLMEvent
from integrations.llm.messages import ChatRequest, Message
from integrations.llm.retry import stream_with_retry
from llmconfig.metering import Ledger, Metered, Purpose, store_begun, store_ended
from llmconfig.models import LLMCall, LLMModel
from llmconfig.services import candidates, default_model

T = TypeVar("T")
Build = Callable[[LLMModel], Awaitable[ChatRequest]]
OnRetry = Callable[[LLMError, float], Awaitable[None]]
OnFallback = Callable[[LLMModel, LLMModel, LLMError], Awaitable[None]]


async def stream_answer(
    purpose: Purpose,
    models: Sequence[LLMModel],
    build: Build,
    ledger: Ledger,
    *,
    on_retry: OnRetry | None = None,
    on_fallback: OnFallback | None = None,
) -> AsyncGenerator[LLMEvent, None]:
    """The events of the answer of the first of `models` that gives one.

    `build(model)` puts the request together, which may differ by the model's window. A model that fails before its
    first event is told to `on_fallback(failed, next, error)`; later errors are final. Raises an `LLMError`.
    """
    for position, model in enumerate(models):
        has_begun = False
        try:
            async with aclosing(_one_model(purpose, model, build, ledger, on_retry)) as events:
                async for event in events:
                    has_begun = True
                    yield event
            return
        except LLMError as error:
            if has_begun or position == len(models) - 1:
                raise
            if on_fallback:
                await on_fallback(model, models[position + 1], error)


async def _one_model(
    purpose: Purpose, model: LLMModel, build: Build, ledger: Ledger, on_retry: OnRetry | None
) -> AsyncGenerator[LLMEvent, None]:
    provider = Metered(registry.provider(model.provider), model, purpose, ledger)
    try:
        request = await build(model)
    except Invalid as error:
        raise ContextTooLong(error.detail) from error
    async with aclosing(stream_with_retry(provider, request, on_retry=on_retry)) as events:
        async for event in events:
            yield event


def request_to(model: LLMModel, messages: Sequence[Message], *, max_output_tokens: int | None = None) -> ChatRequest:
    """A request without tools; `max_output_tokens` caps the visible text, by the setting if it is None."""
    cap = max_output_tokens or settings.MAX_COMPLETION_TOKENS
    return ChatRequest(model.model_id, tuple(messages), max_output_tokens=cap, options=model.wire_options)


async def complete_task(
    purpose: Purpose,
    models: Sequence[LLMModel],
    messages: Sequence[Message],
    ledger: Ledger,
    *,
    max_output_tokens: int | None = None,
) -> Completion:
    """A whole answer at once, from the first of `models` that gives one. Raises an `LLMError`."""

    async def build(model: LLMModel) -> ChatRequest:
        return request_to(model, messages, max_output_tokens=max_output_tokens)

    return await completion_of(stream_answer(purpose, models, build, ledger))


def ask_once(purpose: Purpose, messages: Sequence[Message], *, max_output_tokens: int | None = None) -> Completion:
    """As `complete_task`, with the task's default model and its stand-ins, for callers that are not asynchronous.

    Raises `Invalid` if no model here does the task, and an `LLMError` as the models do.
    """
    models = candidates(prompt_type=purpose.task, chosen=default_model(prompt_type=purpose.task))
    return run_asking(
        models, lambda ledger: complete_task(purpose, models, messages, ledger, max_output_tokens=max_output_tokens)
    )


def run_asking(models: Sequence[LLMModel], asking: Callable[[Ledger], Awaitable[T]]) -> T:
    """The result of `asking`, which asks some of `models`, for callers that are not asynchronous."""
    with ThreadPoolExecutor(1) as threads:
        try:
            return asyncio.run(in_own_loop(asking(ThreadLedger(threads)), models))
        finally:
            threads.submit(connections.close_all)


async def in_own_loop(asking: Awaitable[T], models: Sequence[LLMModel]) -> T:
    """The result of `asking`, for an event loop that ends with it: closes what the providers have kept for it."""
    try:
        return await asking
    finally:
        for name in {model.provider for model in models} & set(registry.configured()):
            await registry.provider(name).aclose()


class ThreadLedger:
    """Stores calls in the order in which they are told, in a thread of `threads`, which is to have only one."""

    def __init__(self, threads: Executor) -> None:
        self._threads = threads

    def begun(self, call: LLMCall) -> None:
        self._threads.submit(store_begun, copy(call))

    def ended(self, call: LLMCall) -> None:
        self._threads.submit(store_ended, call)

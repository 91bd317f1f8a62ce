"""Every provider that asks over a network, each with a server that speaks its vendor's wire."""

from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import psutil
import pytest

from integrations.llm.answer import Answer
from integrations.llm.anthropic import AnthropicProvider
from integrations.llm.errors import LLMError
from integrations.llm.events import LLMEvent, TextDelta
from integrations.llm.messages import ChatRequest, ToolSpec, text_message
from integrations.llm.openai import OpenAIProvider
from integrations.llm.pace import Timeouts
from integrations.llm.sdk_provider import SDKProvider
from integrations.tests.fake_anthropic import FakeAnthropic
from integrations.tests.fake_model import FakeModel
from integrations.tests.fake_openai import FakeOpenAI
from integrations.tests.fake_openai_responses import FakeResponses

TOOL = ToolSpec("update_project_draft", "Changes the draft.", {"type": "object", "properties": {}})
MESSAGES = (text_message("system", "Be brief."), text_message("user", "Hello"))
MEGABYTE = 1_000_000
IMPATIENT = Timeouts(first_byte=20, between_bytes=0.15)


@dataclass(frozen=True)
class Case:
    provider: type[SDKProvider]
    fake: type[FakeModel]
    options: Mapping[str, Any] = field(default_factory=dict)


CASES = {
    "openai-chat": Case(OpenAIProvider, FakeOpenAI),
    "openai-responses": Case(OpenAIProvider, FakeResponses, {"api_flavour": "responses"}),
    "anthropic": Case(AnthropicProvider, FakeAnthropic),
    "grok": Case(OpenAIProvider, FakeOpenAI),
    "local-vllm": Case(OpenAIProvider, FakeOpenAI),
}


class Conversation:
    """A provider and the server it asks."""

    def __init__(self, name: str, fake: FakeModel, timeouts: Timeouts) -> None:
        self.case, self.fake = CASES[name], fake
        self.provider = self.case.provider(name, "sk-secret", fake.url, timeouts)

    def request(self, *tools: ToolSpec, **given: Any) -> ChatRequest:
        return ChatRequest("a-model", **{"messages": MESSAGES, "tools": tools, "options": self.case.options} | given)

    async def collect(self, request: ChatRequest | None = None) -> list[LLMEvent]:
        return [event async for event in self.provider.stream(request or self.request())]

    async def broken(self) -> tuple[str, LLMError]:
        """The text that came before the error, and the error."""
        said = ""
        with pytest.raises(LLMError) as caught:
            async for event in self.provider.stream(self.request()):
                assert isinstance(event, TextDelta)
                said += event.text
        return said, caught.value


@asynccontextmanager
async def conversation(name: str, timeouts: Timeouts = IMPATIENT) -> AsyncGenerator[Conversation, None]:
    async with CASES[name].fake() as fake:
        made = Conversation(name, fake, timeouts)
        yield made
        await made.provider.aclose()


def read(answer: Answer, *writes: bytes) -> list[LLMEvent]:
    """What an answer makes of these writes, with its ending if it is finished."""
    events = [event for write in writes for event in answer.read(write)]
    return [*events, *answer.ending()] if answer.has_finished else events


def memory() -> int:
    """Bytes that this process has in memory."""
    return int(psutil.Process().memory_info().rss)

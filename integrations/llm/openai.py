"""OpenAI's Chat Completions, and every server that speaks them."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing, suppress
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from integrations.llm.errors import Interrupted, LLMError, NotConfigured, ProviderUnavailable
from integrations.llm.events import LLMEvent
from integrations.llm.messages import ChatRequest
from integrations.llm.openai_wire import Answer, request_body
from integrations.llm.pace import Timeouts, drain, paced
from integrations.llm.refusals import refusal

if TYPE_CHECKING:
    from openai import APIStatusError, AsyncOpenAI


class OpenAIProvider:
    """Asks through the vendor's client and decodes the answer's bytes itself, for half of the CPU or less.

    The client is made at the first call, in a thread, since importing it takes a second; one for each event loop.
    """

    def __init__(self, name: str, api_key: str, base_url: str, timeouts: Timeouts | None = None) -> None:
        self.name = name
        self._api_key, self._base_url = api_key, base_url
        self._timeouts = timeouts or Timeouts()
        self._clients: dict[asyncio.AbstractEventLoop, asyncio.Task[AsyncOpenAI]] = {}

    async def prepare(self) -> None:
        await self._client()

    async def stream(self, request: ChatRequest) -> AsyncGenerator[LLMEvent, None]:
        """See `LLMProvider.stream`; never asks twice."""
        answer, client = Answer(), await self._client()
        with suppress(Interrupted, TimeoutError):  # whatever breaks after the model has finished breaks nothing
            async with aclosing(paced(self._chunks(client, request), self._timeouts)) as chunks:
                async for chunk in chunks:
                    for event in answer.read(chunk):
                        yield event
                    if answer.is_over:
                        break
                if not answer.is_capped:
                    await drain(chunks, self._timeouts.drain)
        if not answer.has_finished:
            raise self._broken(answer)
        for event in answer.ending():
            yield event

    async def aclose(self) -> None:
        """Closes the connections that the running event loop has kept for further calls."""
        if making := self._clients.pop(asyncio.get_running_loop(), None):
            await (await making).close()

    async def _chunks(self, client: "AsyncOpenAI", request: ChatRequest) -> AsyncGenerator[bytes, None]:
        import httpx2
        import openai

        completions = client.chat.completions.with_streaming_response
        try:
            async with (
                completions.create(**request_body(request)) as response,
                aclosing(response.http_response.aiter_bytes()) as chunks,
            ):
                async for chunk in chunks:
                    yield chunk
        except openai.APIStatusError as error:
            raise self._refusal(error) from None
        except (openai.APIConnectionError, httpx2.HTTPError):
            raise Interrupted(f"The connection to {self.name} broke.") from None

    async def _client(self) -> "AsyncOpenAI":
        """The running event loop's client, made once however many calls come first, and whoever of them gives up."""
        if not (self._api_key.isascii() and self._api_key.isprintable() and _is_address(self._base_url)):
            raise NotConfigured(f"The key or the address that is set for {self.name} is mistyped.")
        loop = asyncio.get_running_loop()
        if loop not in self._clients:
            self._clients[loop] = loop.create_task(asyncio.to_thread(self._make_client))
        return await asyncio.shield(self._clients[loop])

    def _make_client(self) -> "AsyncOpenAI":
        import httpx2
        import openai

        timeout = httpx2.Timeout(self._timeouts.total, connect=self._timeouts.connect)  # `paced` sees to the rest
        client = openai.AsyncOpenAI(api_key=self._api_key, base_url=self._base_url, max_retries=0, timeout=timeout)
        _ = client.chat.completions.with_streaming_response  # the rest of the SDK is imported here
        return client

    def _refusal(self, error: "APIStatusError") -> LLMError:
        return refusal(self.name, error.status_code, error.response.headers, code=str(error.code), text=str(error.body))

    def _broken(self, answer: Answer) -> LLMError:
        if answer.has_begun:
            return Interrupted(f"{self.name} broke off before the model had finished.")
        return ProviderUnavailable(f"{self.name} could not be reached or did not answer in time.")


def _is_address(text: str) -> bool:
    try:
        parts = urlsplit(text)
        return parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False

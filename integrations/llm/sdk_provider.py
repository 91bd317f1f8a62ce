"""What the providers of all vendors have in common: the vendor's client asks, and we read the answer's bytes."""

import asyncio
import ssl
from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing, suppress
from functools import lru_cache
from types import ModuleType
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlsplit

import orjson

from integrations.llm.answer import Answer
from integrations.llm.errors import Interrupted, LLMError, NotConfigured, ProviderUnavailable
from integrations.llm.events import LLMEvent
from integrations.llm.messages import ChatRequest
from integrations.llm.pace import Timeouts, drain, paced
from integrations.llm.refusals import refusal, refusal_in_stream

if TYPE_CHECKING:
    import httpx2

ERROR_BYTES = 64 * 1024  # of an answer that refuses: enough for every vendor's error document
_JSON = {"headers": {"Content-Type": "application/json"}}


class Wire(NamedTuple):
    """A way to ask: the path below the vendor's address, the JSON members of a request, and how to read the answer."""

    path: str
    body: Callable[[ChatRequest], dict[str, Any]]
    answer: Callable[[], Answer]


class SDKProvider(ABC):
    """Asks through the vendor's client and decodes the answer's bytes itself, for a fraction of the CPU.

    The clients of all vendors come out of one generator, and so have the same interface. One is made for each event
    loop at the first call, in a thread, since importing it takes a second. It sends through aiohttp, which takes a
    third of the time of its usual transport for an event that comes alone.
    """

    def __init__(self, name: str, api_key: str, base_url: str, timeouts: Timeouts | None = None) -> None:
        self.name = name
        self._api_key, self._base_url = api_key, base_url
        self._timeouts = timeouts or Timeouts()
        self._clients: dict[asyncio.AbstractEventLoop, asyncio.Task[Any]] = {}

    @abstractmethod
    def _sdk(self) -> ModuleType:
        """The vendor's package; slow the first time."""

    @abstractmethod
    def _make_client(self, http_client: Any) -> Any:
        """The vendor's asynchronous client, which retries nothing."""

    @abstractmethod
    def _wire(self, request: ChatRequest) -> Wire:
        """How `request` is asked. Raises `NotConfigured` for options that make no sense."""

    async def prepare(self) -> None:
        await self._client()

    async def stream(self, request: ChatRequest) -> AsyncGenerator[LLMEvent, None]:
        """See `LLMProvider.stream`; never asks twice.

        `request.options["extra_body"]`, an object, is added to the members of the request as it is.
        """
        wire, client = self._wire(request), await self._client()
        body, answer = wire.body(request) | request.options.get("extra_body", {}), wire.answer()
        with suppress(Interrupted, TimeoutError):  # whatever breaks after the model has finished breaks nothing
            async with aclosing(paced(self._chunks(client, wire.path, body), self._timeouts)) as chunks:
                async for chunk in chunks:
                    for event in answer.read(chunk):
                        yield event
                    if answer.is_over:
                        break
                if answer.has_finished and not answer.is_capped:
                    await drain(chunks, self._timeouts.drain)
        if not answer.has_finished:
            raise self._broken(answer)
        for event in answer.ending():
            yield event

    async def aclose(self) -> None:
        """Closes the connections that the running event loop has kept for further calls."""
        if making := self._clients.pop(asyncio.get_running_loop(), None):
            await (await making).close()

    async def _chunks(self, client: Any, path: str, body: dict[str, Any]) -> AsyncGenerator[bytes, None]:
        import aiohttp
        import httpx2

        try:
            asked = client.post(path, cast_to=httpx2.Response, content=orjson.dumps(body), options=_JSON, stream=True)
            async with aclosing(await asked) as response, aclosing(response.aiter_bytes()) as chunks:
                async for chunk in chunks:
                    yield chunk
        except self._sdk().APIError as error:
            raise _refused(error) or Interrupted(f"The connection to {self.name} broke.") from None
        except (aiohttp.ClientError, httpx2.HTTPError, OSError):
            raise Interrupted(f"The connection to {self.name} broke.") from None

    async def _client(self) -> Any:
        """The running event loop's client, made once however many calls come first, and whoever of them gives up."""
        if not (self._api_key.isascii() and self._api_key.isprintable() and _is_address(self._base_url)):
            raise NotConfigured(f"The key or the address that is set for {self.name} is mistyped.")
        loop = asyncio.get_running_loop()
        if loop not in self._clients:
            self._clients[loop] = loop.create_task(asyncio.to_thread(self._connect))
        return await asyncio.shield(self._clients[loop])

    def _connect(self) -> Any:
        import httpx2

        connect = self._timeouts.connect  # with the search for the address; `paced` sees to the rest
        return self._make_client(
            self._sdk().DefaultAioHttpClient(
                verify=_trust(),
                timeout=httpx2.Timeout(None, connect=connect, pool=connect),
                event_hooks={"response": [self._check]},
            )
        )

    async def _check(self, response: "httpx2.Response") -> None:
        """Raises what an HTTP status that refuses means; the vendor's client would first read all that follows it."""
        if not (response.is_success or response.has_redirect_location):
            said = await _beginning(response)
            raise refusal(self.name, response.status_code, response.headers, said)

    def _broken(self, answer: Answer) -> LLMError:
        error = refusal_in_stream(self.name, answer.error) if answer.error else None
        if error and not (error.retryable and answer.has_begun):
            return error
        if answer.has_begun:
            return Interrupted(f"{self.name} broke off before the model had finished.")
        return ProviderUnavailable(f"{self.name} could not be reached or did not answer in time.")


@lru_cache(maxsize=1)
def _trust() -> ssl.SSLContext:
    """This machine's trusted certificates, which take longer to read than all else about a client."""
    import httpx2

    return httpx2.create_ssl_context()


async def _beginning(response: "httpx2.Response") -> bytes:
    import httpx2

    said = bytearray()
    with suppress(httpx2.HTTPError):  # the status says enough
        async with aclosing(response.aiter_bytes()) as chunks:
            async for chunk in chunks:
                said += chunk
                if len(said) > ERROR_BYTES:
                    break
    return bytes(said[:ERROR_BYTES])


def _refused(error: BaseException) -> LLMError | None:
    """What `_check` has raised inside the vendor's client, which may wrap it as a failure to connect."""
    return error.__cause__ if isinstance(error.__cause__, LLMError) else None


def _is_address(text: str) -> bool:
    try:
        parts = urlsplit(text)
        return parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False

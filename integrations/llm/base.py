"""The one seam between Draftloom and a language model."""

from collections.abc import AsyncGenerator
from typing import Protocol

from integrations.llm.events import LLMEvent
from integrations.llm.messages import ChatRequest


class LLMProvider(Protocol):
    """A vendor's wire. Translates a request into a call and the answer into events, and does nothing else."""

    name: str

    async def prepare(self) -> None:
        """Does what the first call would otherwise have to wait for. Raises an `LLMError`."""
        ...

    def stream(self, request: ChatRequest) -> AsyncGenerator[LLMEvent, None]:
        """Yields the events of one answer; closing the iterator closes the connection.

        Raises an `LLMError`, and nothing else, when the answer cannot be had or ends before it is finished.
        """
        ...

    async def aclose(self) -> None:
        """Closes the connections that the running event loop has kept for further calls."""
        ...

"""Anthropic's Messages."""

from types import ModuleType
from typing import Any

from integrations.llm.anthropic_wire import AnthropicAnswer, request_body
from integrations.llm.messages import ChatRequest
from integrations.llm.sdk_provider import SDKProvider, Wire

_MESSAGES = Wire("/v1/messages", request_body, AnthropicAnswer)


class AnthropicProvider(SDKProvider):
    """Anthropic, and every server that speaks its Messages."""

    def _sdk(self) -> ModuleType:
        import anthropic

        return anthropic

    def _make_client(self, http_client: Any) -> Any:
        import anthropic

        return anthropic.AsyncAnthropic(
            api_key=self._api_key,
            base_url=self._base_url,
            max_retries=0,
            timeout=http_client.timeout,
            http_client=http_client,
            open_telemetry=False,
        )

    def _wire(self, request: ChatRequest) -> Wire:
        return _MESSAGES

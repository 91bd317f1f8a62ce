"""OpenAI's Chat Completions and Responses, and every server that speaks one of them."""

from types import ModuleType
from typing import Any

from integrations.llm import openai_chat, openai_responses
from integrations.llm.errors import NotConfigured
from integrations.llm.messages import ChatRequest
from integrations.llm.sdk_provider import SDKProvider, Wire

FLAVOURS = {
    "chat": Wire("/chat/completions", openai_chat.request_body, openai_chat.ChatAnswer),
    "responses": Wire("/responses", openai_responses.request_body, openai_responses.ResponsesAnswer),
}


class OpenAIProvider(SDKProvider):
    """`request.options["api_flavour"]` says which of `FLAVOURS` a model is asked in; `chat` if absent."""

    def _sdk(self) -> ModuleType:
        import openai

        return openai

    def _make_client(self, http_client: Any) -> Any:
        import openai

        return openai.AsyncOpenAI(
            api_key=self._api_key,
            base_url=self._base_url,
            max_retries=0,
            timeout=http_client.timeout,
            http_client=http_client,
        )

    def _wire(self, request: ChatRequest) -> Wire:
        flavour = request.options.get("api_flavour", "chat")
        if flavour not in FLAVOURS:
            raise NotConfigured(f"The model's api_flavour must be one of {', '.join(FLAVOURS)}.")
        return FLAVOURS[flavour]

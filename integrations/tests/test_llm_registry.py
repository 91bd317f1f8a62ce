"""Providers by name."""

import pytest

from config.env import BUILT_IN_PROVIDERS, Server
from integrations.llm.anthropic import AnthropicProvider
from integrations.llm.demo import DemoProvider
from integrations.llm.errors import NotConfigured
from integrations.llm.events import Finished, TextDelta, ToolCall
from integrations.llm.messages import ChatRequest
from integrations.llm.openai import OpenAIProvider
from integrations.llm.registry import DEMO, VENDORS, configured, prepare, provider
from integrations.llm.sdk_provider import SDKProvider
from integrations.tests.fake_openai import FakeOpenAI, Reply
from integrations.tests.llm_cases import MESSAGES, TOOL

KINDS = {"openai": OpenAIProvider, "anthropic": AnthropicProvider, "grok": OpenAIProvider, "demo": DemoProvider}


@pytest.fixture(autouse=True)
def _keys(settings):
    for vendor in VENDORS.values():
        setattr(settings, vendor.key_setting, "sk-secret")
        setattr(settings, vendor.address_setting, "http://127.0.0.1:9/v1")


@pytest.mark.parametrize("name", KINDS)
def test_it_makes_each_provider_once_and_gives_it_its_name(name):
    assert type(provider(name)) is KINDS[name]
    assert provider(name) is provider(name)
    assert provider(name).name == name


@pytest.mark.parametrize("name", VENDORS)
def test_it_makes_a_new_one_when_a_setting_changes(settings, name):
    for setting in (VENDORS[name].key_setting, VENDORS[name].address_setting):
        before = provider(name)
        setattr(settings, setting, "http://127.0.0.1:10/v1")
        assert provider(name) is not before


def test_it_lists_what_can_be_asked_in_the_order_of_preference(settings):
    settings.OPENAI_COMPATIBLE_SERVERS = {"vllm": Server("http://127.0.0.1:9/v1", ""), "ollama": Server("http://a", "")}
    assert configured() == ("openai", "anthropic", "grok", "vllm", "ollama", "demo")
    settings.OPENAI_API_KEY = settings.XAI_API_KEY = ""
    assert configured() == ("anthropic", "vllm", "ollama", "demo")
    settings.ANTHROPIC_API_KEY, settings.OPENAI_COMPATIBLE_SERVERS = "", {}
    assert configured() == (DEMO,)


@pytest.mark.parametrize("name", VENDORS)
def test_it_says_which_setting_a_known_provider_needs(settings, name):
    setattr(settings, VENDORS[name].key_setting, "")
    with pytest.raises(NotConfigured) as caught:
        provider(name)
    assert VENDORS[name].key_setting in caught.value.message


def test_it_refuses_a_name_it_does_not_know():
    with pytest.raises(NotConfigured) as caught:
        provider("clippy")
    assert "no provider" in caught.value.message
    assert not caught.value.retryable


def test_it_keeps_all_its_names_from_other_servers():
    assert {*VENDORS, DEMO} <= BUILT_IN_PROVIDERS


@pytest.mark.parametrize(("key", "sent"), [("sk-local", "Bearer sk-local"), ("", "Bearer none")])
async def test_it_needs_only_configuration_for_a_compatible_server(settings, key, sent):
    async with FakeOpenAI() as fake:
        settings.OPENAI_COMPATIBLE_SERVERS = {"local-vllm": Server(fake.url, key)}
        called = fake.call(0, "call_1", TOOL.name, "{}")
        fake.replies(Reply((fake.said("One moment."), *called, *fake.finish("tool_calls"))), fake.text("Done"))
        found = provider("local-vllm")
        assert isinstance(found, SDKProvider)
        events = [event async for event in found.stream(ChatRequest("qwen3", MESSAGES, (TOOL,)))]
        assert (events[0], events[1], events[-1]) == (
            TextDelta("One moment."),
            ToolCall("call_1", TOOL.name, "{}"),
            Finished("tool_calls"),
        )
        assert [event async for event in found.stream(ChatRequest("qwen3", MESSAGES))][0] == TextDelta("Done")
        assert fake.headers[0]["Authorization"] == sent
        assert fake.requests[0]["model"] == "qwen3"
        await found.aclose()


async def test_it_readies_what_is_configured_and_passes_over_what_is_mistyped(settings):
    settings.XAI_BASE_URL = "nowhere"
    await prepare()
    with pytest.raises(NotConfigured, match="grok is mistyped"):
        await provider("grok").prepare()
    for name in ("openai", "anthropic"):
        made = provider(name)
        assert isinstance(made, SDKProvider)
        await made.aclose()

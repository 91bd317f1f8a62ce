"""Which providers there are, by name, and which of them this installation can use."""

from collections.abc import Callable
from contextlib import suppress
from functools import lru_cache
from typing import NamedTuple

from django.conf import settings

from integrations.llm.anthropic import AnthropicProvider
from integrations.llm.base import LLMProvider
from integrations.llm.demo import DemoProvider
from integrations.llm.errors import LLMError, NotConfigured
from integrations.llm.openai import OpenAIProvider

Make = Callable[[str, str, str], LLMProvider]
"""Makes a provider out of its name, its key and its address."""


class Vendor(NamedTuple):
    """How to make a vendor's provider, and the two settings with its key and its address."""

    make: Make
    key_setting: str
    address_setting: str


class Access(NamedTuple):
    """What it takes to ask one provider."""

    make: Make
    key: str
    address: str


VENDORS: dict[str, Vendor] = {
    "openai": Vendor(OpenAIProvider, "OPENAI_API_KEY", "OPENAI_BASE_URL"),
    "anthropic": Vendor(AnthropicProvider, "ANTHROPIC_API_KEY", "ANTHROPIC_BASE_URL"),
    "grok": Vendor(OpenAIProvider, "XAI_API_KEY", "XAI_BASE_URL"),
}
DEMO = "demo"
NO_KEY = "none"
"""Sent to a compatible server that needs no key, since the client insists on one."""


def provider(name: str) -> LLMProvider:
    """The provider called `name`, the same one each time while its settings stay. Raises `NotConfigured`."""
    if name == DEMO:
        return _demo()
    if access := _accesses().get(name):
        return _made(name, access)
    if vendor := VENDORS.get(name):
        raise NotConfigured(f"{name} is switched off: {vendor.key_setting} is not set.")
    raise NotConfigured("This installation knows no provider of that name.")


def configured() -> tuple[str, ...]:
    """Names of the providers that can be asked, in the order of preference; the demo is always there, last."""
    return (*_accesses(), DEMO)


def can_read(name: str) -> bool:
    """False for the provider that repeats what it is told: a summary by it would say nothing of a text."""
    return name != DEMO


async def prepare() -> None:
    """Readies all configured providers for their first call; one that can't be readied says why when it is asked."""
    for name in configured():
        with suppress(LLMError):
            await provider(name).prepare()


def _accesses() -> dict[str, Access]:
    """The vendors with a key, then the servers that speak OpenAI's Chat Completions."""
    vendors = {
        name: Access(vendor.make, key, getattr(settings, vendor.address_setting))
        for name, vendor in VENDORS.items()
        if (key := getattr(settings, vendor.key_setting))
    }
    servers = settings.OPENAI_COMPATIBLE_SERVERS
    return vendors | {name: Access(OpenAIProvider, key or NO_KEY, address) for name, (address, key) in servers.items()}


@lru_cache(maxsize=64)
def _made(name: str, access: Access) -> LLMProvider:
    return access.make(name, access.key, access.address)


@lru_cache(maxsize=1)
def _demo() -> LLMProvider:
    return DemoProvider()

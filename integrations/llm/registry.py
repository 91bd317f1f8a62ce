"""Which providers there are, by name, and which of them this installation can use."""

from collections.abc import Callable
from contextlib import suppress
from functools import lru_cache
from typing import NamedTuple

from django.conf import settings

from integrations.llm.base import LLMProvider
from integrations.llm.demo import DemoProvider
from integrations.llm.errors import LLMError, NotConfigured
from integrations.llm.openai import OpenAIProvider


class Vendor(NamedTuple):
    """How to make a provider: `make(name, key, address)`, with the values of the two settings."""

    make: Callable[[str, str, str], LLMProvider]
    key_setting: str
    address_setting: str


VENDORS: dict[str, Vendor] = {
    "openai": Vendor(OpenAIProvider, "OPENAI_API_KEY", "OPENAI_BASE_URL"),
}
DEMO = "demo"


def provider(name: str) -> LLMProvider:
    """The provider called `name`, the same one each time while its settings stay. Raises `NotConfigured`."""
    if name == DEMO:
        return _demo()
    vendor = VENDORS.get(name)
    if vendor is None:
        raise NotConfigured("This installation knows no provider of that name.")
    if not getattr(settings, vendor.key_setting):
        raise NotConfigured(f"{name} is switched off: {vendor.key_setting} is not set.")
    return _made(name, getattr(settings, vendor.key_setting), getattr(settings, vendor.address_setting))


def configured() -> tuple[str, ...]:
    """Names of the providers that can be asked, in the order of preference; the demo is always there, last."""
    return (*(name for name, vendor in VENDORS.items() if getattr(settings, vendor.key_setting)), DEMO)


async def prepare() -> None:
    """Readies all configured providers for their first call; one that can't be readied says why when it is asked."""
    for name in configured():
        with suppress(LLMError):
            await provider(name).prepare()


@lru_cache(maxsize=16)
def _made(name: str, key: str, address: str) -> LLMProvider:
    return VENDORS[name].make(name, key, address)


@lru_cache(maxsize=1)
def _demo() -> LLMProvider:
    return DemoProvider()

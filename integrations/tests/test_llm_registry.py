"""Providers by name."""

import pytest

from integrations.llm.demo import DemoProvider
from integrations.llm.errors import NotConfigured
from integrations.llm.openai import OpenAIProvider
from integrations.llm.registry import configured, provider


@pytest.fixture(autouse=True)
def _key(settings):
    settings.OPENAI_API_KEY, settings.OPENAI_BASE_URL = "sk-secret", "http://127.0.0.1:9/v1"


def test_it_makes_each_provider_once():
    assert isinstance(provider("openai"), OpenAIProvider)
    assert provider("openai") is provider("openai")
    assert isinstance(provider("demo"), DemoProvider)
    assert provider("demo") is provider("demo")


@pytest.mark.parametrize("setting", ["OPENAI_API_KEY", "OPENAI_BASE_URL"])
def test_it_makes_a_new_one_when_a_setting_changes(settings, setting):
    before = provider("openai")
    setattr(settings, setting, "http://127.0.0.1:10/v1")
    assert provider("openai") is not before


@pytest.mark.parametrize("name", ["openai", "demo"])
def test_it_gives_a_provider_the_name_it_is_known_by(name):
    assert provider(name).name == name


def test_it_lists_what_can_be_asked_with_the_demo_last(settings):
    assert configured() == ("openai", "demo")
    settings.OPENAI_API_KEY = ""
    assert configured() == ("demo",)


def test_it_says_which_setting_a_known_provider_needs(settings):
    settings.OPENAI_API_KEY = ""
    with pytest.raises(NotConfigured) as caught:
        provider("openai")
    assert "OPENAI_API_KEY" in caught.value.message


def test_it_refuses_a_name_it_does_not_know():
    with pytest.raises(NotConfigured) as caught:
        provider("clippy")
    assert "no provider" in caught.value.message
    assert not caught.value.retryable

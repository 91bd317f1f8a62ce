"""Imports in real processes whose runner is configured otherwise than usual."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from config.tests.stack import Member, Stack
from llmconfig.models import LLMCall

TEXT = "User: Build a lighthouse.\n\nAssistant: With a lamp."
LONG = "User: " + "a long story " * 1000 + "\n\nAssistant: Indeed."
SMALL: dict[str, Any] = {"llm_provider": "openai", "llm_model": "gpt-3.5-turbo", "accept_summarization": True}


@contextmanager
def configured(stack: Stack, **variables: str) -> Iterator[None]:
    """A runner with these variables in its environment."""
    before = stack.more_environment
    restart(stack, before | variables)
    yield
    restart(stack, before)


def restart(stack: Stack, environment: dict[str, str]) -> None:
    if stack.is_running("runner"):
        stack.kill("runner")
    stack.more_environment = environment
    stack.start_runner()


def import_text(member: Member, text: str = TEXT, **fields: Any) -> list[dict[str, Any]]:
    return member.events("/api/conversations/import-file", {"text": text} | fields)


def states(events: list[dict[str, Any]]) -> list[str]:
    return [event["state"] for event in events if event["type"] == "state"]


def calls() -> list[str]:
    """What models were asked for, in order."""
    return list(LLMCall.objects.order_by("created_at").values_list("task", flat=True))

"""What the pages of models, prompts, defaults and calls have in common."""

import pytest
from django.test import Client
from django.utils import timezone

from accounts.services import get_or_make_user
from config.tests.admin_pages import Make, address, check_closed, check_pages, check_read_only
from llmconfig import prompts
from llmconfig.models import DefaultModel, LLMCall, LLMModel, Prompt, Task

CHAT = Task.CHAT


def make_model(number: int) -> LLMModel:
    return LLMModel.objects.create(
        provider="demo", model_id=f"demo-x{number}", label=f"X{number}", context_window_tokens=8_000
    )


def make_prompt(number: int) -> Prompt:
    user = get_or_make_user(email=f"person{number}@example.org")
    return prompts.save_prompt(prompt_type=CHAT, system_prompt=f"Text <{number}>", user=user)


def make_default(number: int) -> DefaultModel:
    user = get_or_make_user(email=f"person{number}@example.org")
    return DefaultModel.objects.create(
        prompt_type=list(Task)[number], llm_provider="demo", llm_model="demo-1", created_by_user=user
    )


def make_call(number: int) -> LLMCall:
    user = get_or_make_user(email=f"person{number}@example.org")
    return LLMCall.objects.create(task=CHAT, provider="demo", model_id="demo-1", user=user, created_at=timezone.now())


@pytest.mark.parametrize("make", [make_model, make_prompt, make_call])
def test_it_shows_a_list_without_a_query_for_each_row(olivias: Client, make: Make) -> None:
    check_pages(olivias, make)


@pytest.mark.parametrize("make", [make_model, make_prompt, make_default, make_call])
def test_it_lets_nobody_but_operators_in(bobs: Client, make: Make) -> None:
    check_closed(bobs, Client(), make(1))


def test_it_lets_nobody_but_operators_near_its_own_pages(bobs: Client) -> None:
    urls = [
        address("version", Prompt, CHAT, 0),
        address("activate", Prompt, CHAT, 0),
        address("add", Prompt),
        address("edit", DefaultModel, CHAT),
    ]
    for url in urls:
        for client in (bobs, Client()):
            assert client.get(url).headers["Location"].startswith("/admin/login/?next=")
            assert client.post(url, {"_automatic": "1"}).headers["Location"].startswith("/admin/login/?next=")


def test_nobody_writes_or_changes_a_call(olivias: Client) -> None:
    check_read_only(olivias, make_call(1))

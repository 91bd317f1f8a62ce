import re
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.test import Client

from accounts.models import User
from accounts.services import get_or_make_user
from config.tests.admin_pages import Make, address, check_closed, check_pages, detail_page, list_page, page
from llmconfig import services
from llmconfig.models import DefaultModel, LLMModel, Prompt, PromptType

CHAT, GENERATION = PromptType.CHAT, PromptType.GENERATION


def make_model(number: int) -> LLMModel:
    return LLMModel.objects.create(
        provider="demo", model_id=f"demo-x{number}", label=f"X{number}", context_window_tokens=8_000
    )


def make_prompt(number: int) -> Prompt:
    user = get_or_make_user(email=f"person{number}@example.org")
    return services.save_prompt(prompt_type=CHAT, system_prompt=f"Text <{number}>", user=user)


def make_default(number: int) -> DefaultModel:
    user = get_or_make_user(email=f"person{number}@example.org")
    return DefaultModel.objects.create(
        prompt_type=f"task{number}", llm_provider="demo", llm_model="demo-1", created_by_user=user
    )


MAKERS = [make_model, make_prompt, make_default]


def add_prompt(client: Client, **changes: Any) -> Any:
    form = {"prompt_type": CHAT, "system_prompt": "Be kind.", "note": "kinder"} | changes
    return client.post(address("add", Prompt), form, follow=True)


def act(client: Client, action: str, *prompts: Prompt) -> str:
    form = {"action": action, "_selected_action": [prompt.pk for prompt in prompts]}
    response: Any = client.post(address("changelist", Prompt), form, follow=True)
    assert response.status_code == 200
    return str(response.content.decode())


@pytest.mark.parametrize("make", MAKERS)
def test_it_shows_a_list_without_a_query_for_each_row(olivias: Client, make: Make) -> None:
    check_pages(olivias, make)


@pytest.mark.parametrize("make", MAKERS)
def test_it_lets_nobody_but_operators_in(bobs: Client, make: Make) -> None:
    check_closed(bobs, Client(), make(1))


# ── Prompts ───────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("task", list(PromptType))
def test_the_form_of_a_new_version_starts_with_the_text_in_use(olivias: Client, task: PromptType) -> None:
    services.save_prompt(prompt_type=CHAT, system_prompt="Our own <chat> prompt.", user=None)
    shown = page(olivias, f"{address('add', Prompt)}?prompt_type={task}")
    assert f'<option value="{task}" selected>' in shown
    assert ("Our own &lt;chat&gt; prompt." in shown) == (task is CHAT)
    assert ("{{context}}" in shown) == (task is GENERATION)


@pytest.mark.parametrize("query", ["", "?prompt_type=nonsense"])
def test_the_form_opens_for_some_task_when_none_is_named(olivias: Client, query: str) -> None:
    assert "{{context}}" in page(olivias, address("add", Prompt) + query)


def test_adding_a_prompt_puts_a_new_version_into_use(olivias: Client, olivia: User) -> None:
    first = services.save_prompt(prompt_type=CHAT, system_prompt="First.", user=None)
    assert add_prompt(olivias).status_code == 200
    assert services.active_prompt(prompt_type=CHAT) == services.ActivePrompt("Be kind.", 2)
    added = Prompt.objects.get(version=2)
    assert (added.note, added.created_by_user) == ("kinder", olivia)
    first.refresh_from_db()
    assert not first.is_active
    assert LogEntry.objects.get().object_id == str(added.pk)


@pytest.mark.parametrize(
    "changes", [{"system_prompt": ""}, {"system_prompt": "x" * 100_001}, {"prompt_type": "nonsense"}]
)
def test_it_refuses_a_prompt_that_is_empty_too_long_or_for_no_task(olivias: Client, changes: dict[str, str]) -> None:
    assert "errorlist" in add_prompt(olivias, **changes).content.decode()
    assert not Prompt.objects.exists()


def test_it_stores_lines_as_they_were_shown(olivias: Client) -> None:
    add_prompt(olivias, system_prompt="One.\r\n\r\nTwo.\r\n")
    assert Prompt.objects.get().system_prompt == "One.\n\nTwo."


def test_it_tells_which_placeholders_are_unknown_or_unused(olivias: Client) -> None:
    text = "{{current_project_draft}} {{original_conversation_summary}} {{memory_context}}"
    shown = add_prompt(olivias, system_prompt=text).content.decode()
    assert "Nothing is put in place of {{memory_context}}." in shown
    assert "This text does without {{memories_context}}." in shown
    shown = add_prompt(olivias, system_prompt=text.replace("memory", "memories")).content.decode()
    assert "Nothing is put" not in shown
    assert "does without" not in shown


def test_a_version_cannot_be_changed_or_deleted(olivias: Client) -> None:
    prompt = make_prompt(1)
    shown = detail_page(olivias, prompt)
    assert "Text &lt;1&gt;" in shown
    assert "<textarea" not in shown
    assert 'name="_save"' not in shown
    url = address("change", Prompt, prompt.pk)
    assert olivias.post(url, {"system_prompt": "Other.", "prompt_type": CHAT}).status_code == 403
    assert olivias.post(address("delete", Prompt, prompt.pk), {"post": "yes"}).status_code == 403
    prompt.refresh_from_db()
    assert prompt.system_prompt == "Text <1>"


def test_an_earlier_version_comes_back_into_use(olivias: Client) -> None:
    first, second = make_prompt(1), make_prompt(2)
    assert "Draft chat: version 1 is in use now." in act(olivias, "put_into_use", first)
    assert services.active_prompt(prompt_type=CHAT) == services.ActivePrompt("Text <1>", 1)
    second.refresh_from_db()
    assert not second.is_active
    assert "Put version 1 into use." in LogEntry.objects.get().change_message


def test_only_one_version_at_a_time_is_put_into_use(olivias: Client) -> None:
    first, second = make_prompt(1), make_prompt(2)
    assert "Choose one version." in act(olivias, "put_into_use", first, second)
    assert services.active_prompt(prompt_type=CHAT).version == 2


def test_it_goes_back_to_the_built_in_text_of_that_task_only(olivias: Client) -> None:
    prompts = make_prompt(1), make_prompt(2)
    services.save_prompt(prompt_type=GENERATION, system_prompt="Generate.", user=None)
    shown = act(olivias, "go_back_to_built_in", *prompts)
    assert shown.count("the built-in text is in use now.") == 1
    assert services.active_prompt(prompt_type=CHAT) == (services.built_in_prompt(CHAT), 0)
    assert services.active_prompt(prompt_type=GENERATION).version == 1


def test_the_list_shows_what_is_in_use_and_the_built_in_texts(olivias: Client) -> None:
    make_prompt(1)
    shown = " ".join(re.sub(r"<[^>]+>", "", list_page(olivias, Prompt)).split())
    assert "Draft chat uses version 1." in shown
    assert "Draft generation uses the built-in text." in shown
    assert "{{current_project_draft}}" in shown
    assert "{{context}}" in shown


def test_the_list_leads_to_a_new_version_of_each_task(olivias: Client) -> None:
    shown = list_page(olivias, Prompt)
    for task in PromptType:
        assert f'href="{address("add", Prompt)}?prompt_type={task}"' in shown


# ── Models ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_an_operator_edits_a_model(olivias: Client) -> None:
    model = LLMModel.objects.get(provider="demo", model_id="demo-1")
    form = {
        "provider": "demo",
        "model_id": "demo-1",
        "label": "Show",
        "context_window_tokens": 9_000,
        "options": "{}",
        "position": 4,
        "supports_images": "on",
    }
    assert olivias.post(address("change", LLMModel, model.pk), form).status_code == 302
    model.refresh_from_db()
    assert (model.label, model.context_window_tokens, model.supports_images) == ("Show", 9_000, True)
    assert (model.position, model.is_active) == (4, False)


@pytest.mark.parametrize("changes", [{"context_window_tokens": 100}, {"model_id": "gpt-4o"}, {"options": "{"}])
def test_it_refuses_a_model_that_cannot_be(olivias: Client, changes: dict[str, Any]) -> None:
    form = {"provider": "openai", "model_id": "gpt-x", "label": "X", "context_window_tokens": 9_000, "options": "{}"}
    form |= {"position": 1} | changes
    assert olivias.post(address("add", LLMModel), form).status_code == 200
    assert not LLMModel.objects.filter(label="X").exists()


def test_the_list_tells_which_models_have_a_key(olivias: Client, settings: Any) -> None:
    settings.OPENAI_API_KEY = "k"
    shown = list_page(olivias, LLMModel, "?provider=openai")
    assert "GPT-4o Mini" in shown
    assert 'class="field-has_key"><img src="/static/admin/img/icon-no.svg"' not in shown
    assert 'class="field-has_key"><img src="/static/admin/img/icon-no.svg"' in list_page(olivias, LLMModel)


# ── Default models ────────────────────────────────────────────────────────────────────────────────────────────────────


def save_default(client: Client, model: LLMModel) -> Any:
    return client.post(address("add", DefaultModel), {"prompt_type": CHAT, "model": model.pk})


def test_the_choice_holds_active_models_of_providers_with_a_key(olivias: Client, settings: Any) -> None:
    url = address("add", DefaultModel)
    assert "OpenAI · GPT-4o" not in page(olivias, url)
    settings.OPENAI_API_KEY = "k"
    LLMModel.objects.filter(model_id="o3-pro").update(is_active=False)
    shown = page(olivias, url)
    assert "OpenAI · GPT-4o" in shown
    assert "Demo · Demo (no key needed)" in shown
    assert "o3 Pro" not in shown
    assert "Claude" not in shown


def test_a_new_default_is_used(olivias: Client, olivia: User, settings: Any) -> None:
    settings.OPENAI_API_KEY = "k"
    assert services.default_model(prompt_type=CHAT).model_id == "gpt-4o"
    chosen = LLMModel.objects.get(model_id="o3-mini")
    assert save_default(olivias, chosen).status_code == 302
    assert services.default_model(prompt_type=CHAT) == chosen
    assert services.default_model(prompt_type=GENERATION).model_id == "gpt-4o"
    row = DefaultModel.objects.get()
    assert (row.llm_provider, row.llm_model, row.created_by_user) == ("openai", "o3-mini", olivia)
    assert LogEntry.objects.get().object_repr == "project_draft_chat: openai/o3-mini"


def test_a_default_is_changed(olivias: Client, settings: Any) -> None:
    settings.OPENAI_API_KEY = "k"
    row = services.set_default_model(prompt_type=CHAT, provider="openai", model_id="o3-mini", user=None)
    shown = detail_page(olivias, row)
    assert re.search(r'<option value="\d+" selected>OpenAI · o3 Mini</option>', shown)
    url, model = address("change", DefaultModel, row.pk), LLMModel.objects.get(model_id="gpt-4")
    assert olivias.post(url, {"model": model.pk, "prompt_type": GENERATION}).status_code == 302
    row.refresh_from_db()
    assert (row.prompt_type, row.llm_model) == (CHAT, "gpt-4")


def test_a_default_that_cannot_be_used_any_more_is_not_replaced_unasked(olivias: Client) -> None:
    row = DefaultModel.objects.create(prompt_type=CHAT, llm_provider="openai", llm_model="gpt-4o")
    shown = detail_page(olivias, row)
    assert '<option value="" selected>' in shown
    assert olivias.post(address("change", DefaultModel, row.pk), {"model": ""}).status_code == 200


def test_it_refuses_a_model_without_a_key(olivias: Client) -> None:
    assert save_default(olivias, LLMModel.objects.get(model_id="gpt-4o")).status_code == 200
    assert not DefaultModel.objects.exists()


def test_it_refuses_a_second_default_for_a_task(olivias: Client) -> None:
    demo = LLMModel.objects.get(provider="demo")
    assert save_default(olivias, demo).status_code == 302
    assert save_default(olivias, demo).status_code == 200
    assert DefaultModel.objects.count() == 1


def test_deleting_a_default_goes_back_to_the_order_of_preference(olivias: Client, settings: Any) -> None:
    settings.OPENAI_API_KEY = "k"
    row = services.set_default_model(prompt_type=CHAT, provider="demo", model_id="demo-1", user=None)
    assert olivias.post(address("delete", DefaultModel, row.pk), {"post": "yes"}).status_code == 302
    assert services.default_model(prompt_type=CHAT).model_id == "gpt-4o"

import threading
from collections.abc import Iterator
from typing import Any

import pytest
from django.db import connection

from accounts.models import User
from config.exceptions import Invalid
from llmconfig import services
from llmconfig.models import DefaultModel, LLMModel, Prompt, PromptType

CHAT, GENERATION = PromptType.CHAT, PromptType.GENERATION


@pytest.fixture
def with_openai(settings: Any) -> None:
    settings.OPENAI_API_KEY = "k"


@pytest.fixture
def for_all_to_see(django_db_setup: None, django_db_blocker: Any) -> Iterator[None]:
    """A database in which other threads see what the test writes; its prompts go again."""
    with django_db_blocker.unblock():
        yield
        Prompt.objects.all().delete()
        connection.close()


def save(text: str, prompt_type: str = CHAT) -> Prompt:
    return services.save_prompt(prompt_type=prompt_type, system_prompt=text, user=None)


# ── Models ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_it_chooses_the_named_model(db: None, with_openai: None) -> None:
    model = services.choose_model(provider="openai", model_id="gpt-4o")
    assert (model.label, model.context_window_tokens) == ("GPT-4o", 128_000)


@pytest.mark.parametrize(("provider", "model_id"), [("openai", "gpt-9"), ("nobody", "gpt-4o"), ("demo", "gpt-4o")])
def test_it_refuses_a_model_that_does_not_exist(db: None, with_openai: None, provider: str, model_id: str) -> None:
    with pytest.raises(Invalid) as caught:
        services.choose_model(provider=provider, model_id=model_id)
    assert (caught.value.code, caught.value.field) == ("unknown_model", "llm_model")


def test_it_refuses_a_model_that_was_switched_off(db: None, with_openai: None) -> None:
    LLMModel.objects.filter(model_id="gpt-4o").update(is_active=False)
    with pytest.raises(Invalid, match="no model openai/gpt-4o"):
        services.choose_model(provider="openai", model_id="gpt-4o")


def test_it_refuses_a_model_whose_provider_has_no_key(db: None) -> None:
    with pytest.raises(Invalid) as caught:
        services.choose_model(provider="openai", model_id="gpt-4o")
    assert (caught.value.code, caught.value.field) == ("provider_not_configured", "llm_provider")


def test_without_a_key_the_demo_is_the_default(db: None) -> None:
    assert str(services.default_model(prompt_type=CHAT)) == "demo/demo-1"


def test_with_a_key_gpt_4o_is_the_default(db: None, with_openai: None) -> None:
    assert str(services.default_model(prompt_type=CHAT)) == "openai/gpt-4o"


def test_without_gpt_4o_the_first_model_of_the_first_provider_is_the_default(db: None, with_openai: None) -> None:
    LLMModel.objects.filter(model_id="gpt-4o").update(is_active=False)
    LLMModel.objects.filter(provider="demo").update(position=0)
    assert str(services.default_model(prompt_type=CHAT)) == "openai/gpt-3.5-turbo"


def test_the_operators_choice_comes_before_all_others(db: None, with_openai: None) -> None:
    services.set_default_model(prompt_type=CHAT, provider="demo", model_id="demo-1", user=None)
    assert str(services.default_model(prompt_type=CHAT)) == "demo/demo-1"
    assert str(services.default_model(prompt_type=GENERATION)) == "openai/gpt-4o"


def test_a_choice_that_cannot_be_used_is_passed_over(db: None, with_openai: None, settings: Any) -> None:
    services.set_default_model(prompt_type=CHAT, provider="openai", model_id="o3", user=None)
    LLMModel.objects.filter(model_id="o3").update(is_active=False)
    assert str(services.default_model(prompt_type=CHAT)) == "openai/gpt-4o"
    LLMModel.objects.filter(model_id="o3").update(is_active=True)
    assert str(services.default_model(prompt_type=CHAT)) == "openai/o3"
    settings.OPENAI_API_KEY = ""
    assert str(services.default_model(prompt_type=CHAT)) == "demo/demo-1"


def test_without_any_model_it_says_so(db: None) -> None:
    LLMModel.objects.update(is_active=False)
    with pytest.raises(Invalid) as caught:
        services.default_model(prompt_type=CHAT)
    assert caught.value.code == "provider_not_configured"


def test_a_second_choice_replaces_the_first(alice: User, bob: User, with_openai: None) -> None:
    services.set_default_model(prompt_type=CHAT, provider="openai", model_id="o3", user=alice)
    services.set_default_model(prompt_type=CHAT, provider="openai", model_id="o1", user=bob)
    row = DefaultModel.objects.get()
    assert (row.llm_model, row.created_by_user) == ("o1", bob)


def test_it_keeps_the_default_when_the_new_one_cannot_be_used(db: None) -> None:
    services.set_default_model(prompt_type=CHAT, provider="demo", model_id="demo-1", user=None)
    with pytest.raises(Invalid):
        services.set_default_model(prompt_type=CHAT, provider="openai", model_id="o3", user=None)
    assert DefaultModel.objects.get().llm_model == "demo-1"


def test_it_lists_models_by_provider_in_a_stable_order(db: None, with_openai: None) -> None:
    LLMModel.objects.filter(model_id="gpt-4").update(is_active=False)
    groups = services.models_by_provider()
    assert list(groups) == ["anthropic", "grok", "openai", "demo"]
    assert [len(group) for group in groups.values()] == [7, 4, 15, 1]
    assert [model.model_id for model in groups["openai"]][:3] == ["gpt-3.5-turbo", "gpt-4o", "gpt-4o-mini"]
    assert {name for name, group in groups.items() if all(model.configured for model in group)} == {"openai", "demo"}


def test_it_lists_the_three_vendors_also_without_models(db: None) -> None:
    LLMModel.objects.exclude(provider="demo").delete()
    assert [(name, len(group)) for name, group in services.models_by_provider().items()] == [
        ("anthropic", 0),
        ("grok", 0),
        ("openai", 0),
        ("demo", 1),
    ]


# ── Prompts ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_built_in_prompt_of_a_chat_has_its_placeholders_and_its_tool() -> None:
    text = services.built_in_prompt(CHAT)
    expected = {"current_project_draft", "original_conversation_summary", "memories_context"}
    assert services.placeholders(text) == expected
    assert "`update_project_draft`" in text


def test_the_built_in_prompt_of_a_generation_has_its_placeholder_and_its_elements() -> None:
    text = services.built_in_prompt(GENERATION)
    assert services.placeholders(text) == {"context"}
    for tag in ("<title>", "</title>", "<description>", "</description>"):
        assert text.count(tag) == 1


def test_there_is_no_built_in_prompt_for_an_unknown_task() -> None:
    with pytest.raises(ValueError, match="nonsense"):
        services.built_in_prompt("nonsense")


def test_it_fills_every_placeholder_it_knows() -> None:
    assert services.fill("{{a}} and {{b}}, {{a}}; {{c}} {a}", {"a": "1", "b": "2"}) == "1 and 2, 1; {{c}} {a}"


def test_inserted_text_brings_in_no_other_placeholder() -> None:
    assert services.fill("{{a}}{{b}}", {"a": "{{b}}", "b": "{{a}}"}) == "{{b}}{{a}}"


def test_inserted_text_is_taken_as_it_is() -> None:
    assert services.fill("{{a}}", {"a": r"\1 \g<0> $1 {{"}) == r"\1 \g<0> $1 {{"


def test_without_a_version_the_built_in_text_is_in_use(db: None) -> None:
    assert services.active_prompt(prompt_type=CHAT) == (services.built_in_prompt(CHAT), 0)


def test_versions_are_numbered_by_task(alice: User) -> None:
    assert [save("one").version, save("two").version] == [1, 2]
    assert save("generate", GENERATION).version == 1
    third = services.save_prompt(prompt_type=CHAT, system_prompt="three", user=alice, note="why")
    assert (third.version, third.note, third.created_by_user) == (3, "why", alice)
    assert services.active_prompt(prompt_type=CHAT) == ("three", 3)
    assert Prompt.objects.filter(is_active=True).count() == 2


def test_an_earlier_version_is_used_again_and_the_next_number_stays_the_next(db: None) -> None:
    first, _ = save("one"), save("two")
    services.activate_prompt(prompt=first)
    assert services.active_prompt(prompt_type=CHAT) == ("one", 1)
    assert save("three").version == 3


def test_it_goes_back_to_the_built_in_text_and_keeps_the_versions(db: None) -> None:
    save("one")
    save("generate", GENERATION)
    services.revert_prompt(prompt_type=CHAT)
    assert services.active_prompt(prompt_type=CHAT).version == 0
    assert services.active_prompt(prompt_type=GENERATION) == ("generate", 1)
    assert save("two").version == 2


@pytest.mark.parametrize("before", [0, 1])
def test_versions_saved_at_once_get_different_numbers(for_all_to_see: None, before: int) -> None:
    for _ in range(before):
        save("before")
    start, failures = threading.Barrier(4), []

    def save_with_others() -> None:
        start.wait(5)
        try:
            save("at once")
        except Exception as error:  # noqa: BLE001 - told to the test, whatever it is
            failures.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=save_with_others) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert failures == []
    assert sorted(Prompt.objects.values_list("version", flat=True)) == list(range(1, before + 5))
    assert services.active_prompt(prompt_type=CHAT).version == before + 4

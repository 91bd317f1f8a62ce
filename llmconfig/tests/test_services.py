from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.utils import timezone

from accounts.models import User
from config.exceptions import Invalid
from llmconfig import services
from llmconfig.models import DefaultModel, LLMCall, LLMModel, Task

CHAT, GENERATION = Task.CHAT, Task.GENERATION


@pytest.fixture
def with_openai(settings: Any) -> None:
    settings.OPENAI_API_KEY = "k"


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


@pytest.mark.parametrize(
    ("provider", "name", "model_id"),
    [
        ("anthropic", "claude-sonnet-4", "claude-sonnet-4-20250514"),
        ("anthropic", "claude-3.5-haiku", "claude-3-5-haiku-20241022"),
        ("grok", "grok-4", "grok-4-0709"),
    ],
)
def test_it_knows_the_short_names_of_models(db: None, provider: str, name: str, model_id: str) -> None:
    model = services.find_model(provider=provider, model_id=name)
    assert model is not None
    assert model.model_id == model_id


def test_an_id_comes_before_an_alias(db: None) -> None:
    LLMModel.objects.filter(model_id="o1").update(aliases=["gpt-4o"])
    model = services.find_model(provider="openai", model_id="gpt-4o")
    assert model is not None
    assert model.model_id == "gpt-4o"


# ── What fits a task ──────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("task", "model_id", "reason"),
    [
        (Task.CHAT, "gpt-4o", ""),
        (Task.CHAT, "gpt-3.5-turbo", ""),
        (Task.IMAGE_CAPTION, "o3-mini", "it takes no images"),
        (Task.IMAGE_CAPTION, "gpt-4o", ""),
        (Task.EMBEDDING, "gpt-4o", "it writes text"),
        (Task.EMBEDDING, "text-embedding-3-small", ""),
        (Task.KEYWORDS, "text-embedding-3-small", "it only turns text into vectors"),
    ],
)
def test_it_says_why_a_model_does_not_fit_a_task(db: None, task: Task, model_id: str, reason: str) -> None:
    model = LLMModel.objects.get(model_id=model_id)
    told = services.why_unfit(prompt_type=task, model=model)
    assert told == (f"{model.label} can't be used for “{task.label}”: {reason}." if reason else "")


def test_the_chat_needs_a_model_with_tools_and_a_window_for_its_prompt(db: None) -> None:
    model = LLMModel.objects.get(model_id="gpt-4o")
    model.supports_tools = False
    assert "it can't call tools" in services.why_unfit(prompt_type=Task.CHAT, model=model)
    assert services.why_unfit(prompt_type=Task.GENERATION, model=model) == ""
    model.supports_tools, model.context_window_tokens = True, 2_500
    assert "its window is too small" in services.why_unfit(prompt_type=Task.CHAT, model=model)


def test_a_model_that_does_not_fit_becomes_no_default(db: None, with_openai: None) -> None:
    with pytest.raises(Invalid) as caught:
        services.set_default_model(prompt_type=Task.IMAGE_CAPTION, provider="openai", model_id="o3-mini", user=None)
    assert caught.value.code == "unfit_model"
    assert not DefaultModel.objects.exists()


# ── Stand-ins ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def names_of(chosen: str, task: Task = CHAT) -> list[str]:
    model = services.choose_model(provider="openai", model_id=chosen)
    return [str(candidate) for candidate in services.candidates(prompt_type=task, chosen=model)]


def test_the_chosen_model_comes_first_and_then_its_stand_ins_in_their_order(db: None, with_openai: None) -> None:
    services.set_default_model(
        prompt_type=CHAT, provider="openai", model_id="gpt-4o", user=None,
        fallbacks=["openai/gpt-4.1", "openai/gpt-4o", "demo/demo-1"],
    )  # fmt: skip
    assert names_of("gpt-4o") == ["openai/gpt-4o", "openai/gpt-4.1", "demo/demo-1"]
    assert names_of("o3") == ["openai/o3", "openai/gpt-4.1", "openai/gpt-4o", "demo/demo-1"]
    assert names_of("gpt-4o", GENERATION) == ["openai/gpt-4o"]


def test_a_stand_in_that_cannot_be_used_any_more_is_passed_over(db: None, with_openai: None) -> None:
    stand_ins = ["openai/gpt-4.1", "demo/demo-1"]
    services.set_default_model(prompt_type=CHAT, provider="openai", model_id="gpt-4o", user=None, fallbacks=stand_ins)
    LLMModel.objects.filter(model_id="gpt-4.1").update(is_active=False)
    assert names_of("gpt-4o") == ["openai/gpt-4o", "demo/demo-1"]


def test_another_default_keeps_the_stand_ins(db: None, with_openai: None) -> None:
    services.set_default_model(
        prompt_type=CHAT, provider="openai", model_id="gpt-4o", user=None, fallbacks=["demo/demo-1"]
    )
    services.set_default_model(prompt_type=CHAT, provider="openai", model_id="o3", user=None)
    assert DefaultModel.objects.get().fallbacks == ["demo/demo-1"]


def test_a_stand_in_must_fit_the_task_too(db: None, with_openai: None) -> None:
    with pytest.raises(Invalid) as caught:
        services.set_default_model(
            prompt_type=CHAT, provider="openai", model_id="gpt-4o", user=None, fallbacks=["openai/gpt-9"]
        )
    assert caught.value.code == "unsupported_model"
    assert not DefaultModel.objects.exists()


def test_it_goes_back_to_what_it_finds_by_itself(db: None, with_openai: None) -> None:
    services.set_default_model(prompt_type=CHAT, provider="demo", model_id="demo-1", user=None)
    services.clear_default_model(prompt_type=CHAT, user=None)
    assert str(services.default_model(prompt_type=CHAT)) == "openai/gpt-4o"


# ── Costs ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("prices", "cost"),
    [
        (("2.5", "1.25", "10"), Decimal("0.00765")),  # 1,400 full, 600 cached, 340 written
        (("2.5", None, "10"), Decimal("0.0084")),
        ((None, "1.25", "10"), None),
        (("2.5", "1.25", None), None),
        (("0", None, "0"), Decimal(0)),
    ],
)
def test_a_call_costs_what_its_tokens_cost_or_nobody_knows(
    prices: tuple[str | None, ...], cost: Decimal | None
) -> None:
    names = ("input_price", "cached_input_price", "output_price")
    model = LLMModel(**{name: price and Decimal(price) for name, price in zip(names, prices, strict=True)})
    assert model.cost(input_tokens=2_000, cached_tokens=600, output_tokens=340) == cost


def test_no_model_of_a_vendor_has_a_price_that_nobody_entered(db: None) -> None:
    priced = LLMModel.objects.exclude(priced_on=None)
    assert {str(model) for model in priced} == {"demo/demo-1", "offline/wordllama-256"}


def test_a_call_whose_process_died_is_marked_as_lost(db: None) -> None:
    now = timezone.now()
    old, new = (LLMCall(task=CHAT, provider="demo", model_id="demo-1", created_at=now - age) for age in (
        timedelta(minutes=16), timedelta(minutes=14),
    ))  # fmt: skip
    LLMCall.objects.bulk_create([old, new])
    assert services.sweep_lost_calls() == 1
    old.refresh_from_db()
    new.refresh_from_db()
    assert (old.outcome, new.outcome) == ("lost", "started")

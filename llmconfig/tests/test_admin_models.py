import json
import threading
from collections.abc import Iterator
from datetime import date
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.db import connection, transaction
from django.test import Client
from django.utils import timezone

from accounts.models import AuditEvent, User
from config.exceptions import Conflict, Invalid
from config.tests.admin_pages import address, detail_page, list_page
from config.tests.stack import empty_database, wait_until
from conftest import make_user, signed_in
from llmconfig import editing, services
from llmconfig.models import DefaultModel, LLMModel, Task

CHAT, GENERATION = Task.CHAT, Task.GENERATION
LONG_AGO = date(2026, 1, 2)
NEW = {"provider": "openai", "model_id": "gpt-x", "label": "X", "context_window_tokens": 9_000, "position": 1}


@pytest.fixture(autouse=True)
def with_openai(settings: Any) -> None:
    settings.OPENAI_API_KEY = "k"


def named(model_id: str) -> LLMModel:
    return LLMModel.objects.get(model_id=model_id)


def row_of(model: LLMModel) -> dict[str, Any]:
    return dict(LLMModel.objects.values().get(pk=model.pk))


def form_of(model: LLMModel, **changes: Any) -> dict[str, Any]:
    """What a browser sends for a model as it is, but for `changes`."""
    flags = {"supports_images", "supports_pdfs", "supports_tools", "is_active"}
    fields = ["provider", "model_id", "label", "kind", "context_window_tokens", "api_flavour", "position", *flags]
    form = {name: getattr(model, name) for name in [*fields, *editing.PRICES, "output_cap_tokens"]}
    form |= {"aliases": ",".join(model.aliases), "options": json.dumps(model.options)} | changes
    return {name: value for name, value in form.items() if value is not None and value is not False}


def change(client: Client, model: LLMModel, **changes: Any) -> Any:
    return client.post(address("change", LLMModel, model.pk), form_of(model, **changes))


def add(client: Client, **changes: Any) -> Any:
    return client.post(address("add", LLMModel), form_of(LLMModel(**NEW), **changes))


def events() -> list[tuple[str, str, Any, Any]]:
    rows = AuditEvent.objects.filter(action__startswith="model.").order_by("pk")
    return [(row.action, row.resource, row.before, row.after) for row in rows]


# ── Adding, changing ──────────────────────────────────────────────────────────────────────────────────────────────────


def test_an_operator_changes_a_model(olivias: Client, olivia: User) -> None:
    model = named("gpt-4o")
    done = change(olivias, model, label="Show", context_window_tokens=9_000, aliases="four-o, o4", is_active=False)
    assert done.status_code == 302
    model.refresh_from_db()
    assert (model.label, model.context_window_tokens, model.is_active) == ("Show", 9_000, False)
    assert model.aliases == ["four-o", "o4"]
    before = {"label": "GPT-4o", "aliases": [], "context_window_tokens": 128_000, "is_active": True}
    after = {"label": "Show", "aliases": ["four-o", "o4"], "context_window_tokens": 9_000, "is_active": False}
    assert events() == [("model.changed", "openai/gpt-4o", before, after)]
    assert AuditEvent.objects.get(action="model.changed").user == olivia


def test_saving_a_model_as_it_is_changes_nothing(olivias: Client) -> None:
    model = named("o3")
    before = row_of(model)
    assert change(olivias, model).status_code == 302
    assert row_of(model) == before
    assert events() == []


def test_an_operator_adds_a_model_which_is_there_at_once(olivias: Client) -> None:
    assert add(olivias, input_price="0.15").status_code == 302
    model = services.choose_model(provider="openai", model_id="gpt-x")
    assert (model.label, model.priced_on) == ("X", timezone.localdate())
    ((action, resource, before, after),) = events()
    assert (action, resource, before) == ("model.added", "openai/gpt-x", None)
    assert (after["input_price"], after["output_price"], after["options"]) == ("0.15", None, {})


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"context_window_tokens": 100}, "Fewer than 1024 tokens have no room for a draft."),
        ({"model_id": "gpt-4o"}, "already exists"),
        ({"options": "{"}, "Enter a valid JSON."),
        ({"options": "[1]"}, "The options have to be a JSON object."),
        ({"options": '"words"'}, "The options have to be a JSON object."),
        ({"input_price": "-1"}, "A price can&#x27;t be negative."),
        ({"aliases": "gpt-4o"}, "GPT-4o goes by the name gpt-4o already."),
        ({"aliases": "x,four"}, "GPT-4 goes by the name four already."),
        ({"model_id": "four"}, "GPT-4 goes by the name four already."),
        ({"aliases": "x, x"}, "The alias x is there twice."),
        ({"label": ""}, "This field is required."),
    ],
)
def test_it_says_what_is_wrong_with_a_model(olivias: Client, changes: dict[str, Any], sentence: str) -> None:
    LLMModel.objects.filter(model_id="gpt-4").update(aliases=["four"])
    answer = add(olivias, **changes)
    assert answer.status_code == 200
    assert sentence in answer.content.decode()
    assert not LLMModel.objects.filter(label="X").exists()
    assert events() == []


def test_a_name_may_be_used_again_at_another_provider(olivias: Client) -> None:
    assert add(olivias, provider="demo", model_id="gpt-4o", aliases="o3").status_code == 302


# ── Prices ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_changed_price_is_of_today(olivias: Client) -> None:
    model = named("gpt-4o")
    change(olivias, model, input_price="2.5", output_price="10")
    LLMModel.objects.update(priced_on=LONG_AGO)
    model.refresh_from_db()
    change(olivias, model, label="Other", input_price="2.50")
    model.refresh_from_db()
    assert model.priced_on == LONG_AGO
    change(olivias, model, input_price="2.6")
    model.refresh_from_db()
    assert model.priced_on == timezone.localdate()
    assert events()[-1][2:] == (
        {"input_price": "2.5000", "priced_on": "2026-01-02"},
        {"input_price": "2.6", "priced_on": str(timezone.localdate())},
    )


def test_a_model_without_prices_has_no_day_of_them(olivias: Client) -> None:
    model = named("gpt-4o")
    change(olivias, model, input_price="2.5")
    change(olivias, model, input_price="")
    model.refresh_from_db()
    assert (model.input_price, model.priced_on) == (None, None)


def test_nobody_enters_the_day_of_a_price(olivias: Client) -> None:
    model = named("gpt-4o")
    assert 'name="priced_on"' not in detail_page(olivias, model)
    change(olivias, model, priced_on="2020-01-01", input_price="1")
    model.refresh_from_db()
    assert model.priced_on == timezone.localdate()


def test_an_unknown_price_is_not_shown_as_nothing(olivias: Client) -> None:
    change(olivias, named("gpt-4o"), input_price="2.5", cached_input_price="1.25", output_price="0.075")
    change(olivias, named("gpt-4"), input_price="30")
    shown = list_page(olivias, LLMModel)
    assert "2.50 · 1.25 · 0.075<" in shown
    assert "30.00 · unknown · unknown<" in shown
    assert '"field-prices">unknown<' in shown
    assert "0.00 · unknown · 0.00<" in shown  # the demo


# ── A model that a task needs ─────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def chosen(db: None) -> LLMModel:
    services.set_default_model(
        prompt_type=CHAT, provider="openai", model_id="gpt-4", user=None, fallbacks=["openai/gpt-4o"]
    )
    services.set_default_model(prompt_type=GENERATION, provider="openai", model_id="gpt-4o", user=None)
    return named("gpt-4o")


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"is_active": False}, "It can&#x27;t be switched off now: GPT-4o is chosen for “Draft chat”, “Draft gen"),
        ({"model_id": "gpt-4-o"}, "The provider and the id can&#x27;t change now"),
        ({"provider": "demo"}, "The provider and the id can&#x27;t change now"),
        ({"supports_tools": False}, "GPT-4o can&#x27;t be used for “Draft chat”: it can&#x27;t call tools."),
        ({"context_window_tokens": 1_500}, "its window is too small for the prompt and an answer."),
    ],
)
def test_a_model_that_is_chosen_stays_able(
    olivias: Client, chosen: LLMModel, changes: dict[str, Any], sentence: str
) -> None:
    before = row_of(chosen)
    answer = change(olivias, chosen, **changes)
    assert answer.status_code == 200
    assert sentence in answer.content.decode()
    assert row_of(chosen) == before
    assert str(services.default_model(prompt_type=GENERATION)) == "openai/gpt-4o"


def test_a_model_that_is_chosen_may_change_otherwise(olivias: Client, chosen: LLMModel) -> None:
    assert change(olivias, chosen, label="Four O", supports_images=False).status_code == 302
    assert named("gpt-4o").label == "Four O"


def test_a_model_that_is_chosen_is_not_deleted(olivias: Client, chosen: LLMModel) -> None:
    url = address("delete", LLMModel, chosen.pk)
    for answer in (olivias.get(url), olivias.post(url, {"post": "yes"})):
        assert "GPT-4o is chosen for “Draft chat”, “Draft generation”. Choose another model" in answer.content.decode()
    selected = {"action": "delete_selected", "_selected_action": [chosen.pk], "post": "yes"}
    assert "is chosen for" in olivias.post(address("changelist", LLMModel), selected).content.decode()
    assert LLMModel.objects.filter(pk=chosen.pk).exists()


def test_the_rule_holds_for_whoever_asked_before_the_choice(olivias: Client, chosen: LLMModel) -> None:
    with pytest.raises(Conflict, match="is chosen for"):
        editing.delete_model(model=chosen, user=None)
    chosen.is_active = False
    with pytest.raises(Invalid, match="switched off"):
        editing.save_model(model=chosen, user=None)


@pytest.fixture
def committed(django_db_setup: None, django_db_blocker: Any) -> Iterator[Client]:
    """An operator's client, on a database in which other threads see what the test writes."""
    with django_db_blocker.unblock():
        yield signed_in(make_user("olivia@example.org", operator=True))
        empty_database()
        connection.close()


def test_a_model_that_is_being_chosen_is_not_deleted_meanwhile(committed: Client) -> None:
    is_chosen, demo = threading.Event(), LLMModel.objects.get(provider="demo")

    def choose() -> None:
        with transaction.atomic():
            services.set_default_model(prompt_type=CHAT, provider="demo", model_id="demo-1", user=None)
            is_chosen.set()
            wait_until(somebody_waits)
        connection.close()

    thread = threading.Thread(target=choose)
    thread.start()
    assert is_chosen.wait(10)
    answer: Any = committed.post(address("delete", LLMModel, demo.pk), {"post": "yes"}, follow=True)
    thread.join(10)
    assert '<li class="error">Demo (no key needed) is chosen for “Draft chat”.' in answer.content.decode()
    assert services.default_model(prompt_type=CHAT) == demo


def somebody_waits() -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted")
        return bool(cursor.fetchone()[0])


def test_a_model_that_nobody_chose_is_deleted(olivias: Client, olivia: User) -> None:
    DefaultModel.objects.create(prompt_type="gone_task", llm_provider="openai", llm_model="o1")
    assert olivias.post(address("delete", LLMModel, named("o1").pk), {"post": "yes"}).status_code == 302
    selected = {"action": "delete_selected", "_selected_action": [named("o3").pk], "post": "yes"}
    assert olivias.post(address("changelist", LLMModel), selected).status_code == 302
    assert not LLMModel.objects.filter(model_id__in=["o1", "o3"]).exists()
    assert [(action, resource) for action, resource, *_ in events()] == [
        ("model.deleted", "openai/o1"),
        ("model.deleted", "openai/o3"),
    ]
    assert AuditEvent.objects.filter(action="model.deleted", user=olivia, before__label="o1").exists()
    assert LogEntry.objects.count() == 2


# ── The list ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_list_tells_which_models_have_a_key(olivias: Client) -> None:
    no_key = 'class="field-has_key"><img src="/static/admin/img/icon-no.svg"'
    shown = list_page(olivias, LLMModel, "?provider=openai")
    assert "GPT-4o Mini" in shown
    assert no_key not in shown
    assert no_key in list_page(olivias, LLMModel, "?provider=grok")
    assert no_key not in list_page(olivias, LLMModel, "?provider=offline")


@pytest.mark.parametrize(
    ("model_id", "abilities"),
    [("gpt-4o", "images, PDFs, tools"), ("o3-mini", "PDFs, tools"), ("text-embedding-3-small", "-")],
)
def test_the_list_tells_what_a_model_can_do(olivias: Client, model_id: str, abilities: str) -> None:
    LLMModel.objects.exclude(model_id=model_id).delete()
    assert f'<td class="field-abilities">{abilities}</td>' in list_page(olivias, LLMModel)


def test_the_list_shows_what_a_model_is_for(olivias: Client) -> None:
    shown = list_page(olivias, LLMModel, "?kind__exact=embedding")
    assert "turns text into vectors" in shown
    assert "8,191" in shown
    assert "openai/text-embedding-3-small" in shown
    assert "GPT-4o" not in shown

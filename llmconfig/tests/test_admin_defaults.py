import re
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from accounts.models import AuditEvent, User
from config.tests.admin_pages import address, list_page, page
from llmconfig import services
from llmconfig.models import DefaultModel, LLMModel, Task

CHAT, GENERATION = Task.CHAT, Task.GENERATION


@pytest.fixture
def with_openai(settings: Any) -> None:
    settings.OPENAI_API_KEY = "k"


def edit_page(client: Client, task: str = CHAT) -> str:
    return page(client, address("edit", DefaultModel, task))


def save(client: Client, model: str, *fallbacks: str, task: str = CHAT) -> Any:
    form = {"model": model} | {f"fallback_{number}": name for number, name in enumerate(fallbacks, start=1)}
    return client.post(address("edit", DefaultModel, task), form)


def choose(model_id: str, *fallbacks: str, task: str = CHAT) -> DefaultModel:
    return services.set_default_model(
        prompt_type=task, provider="openai", model_id=model_id, user=None, fallbacks=fallbacks
    )


def row_of(client: Client, task: Task) -> str:
    """What the overview says of a task."""
    (row,) = (row for row in list_page(client, DefaultModel).split("<tr>") if f">{task.label}</a>" in row)
    return " ".join(re.sub(r"<[^>]+>", " ", row).split())


def selected(shown: str) -> list[str]:
    return re.findall(r'<option value="([^"]+)" selected>', shown)


# ── The overview ──────────────────────────────────────────────────────────────────────────────────────────────────────


def test_it_tells_what_each_task_uses_and_why(olivias: Client, olivia: User, with_openai: None) -> None:
    save(olivias, "openai/o3", "openai/gpt-4o", "demo/demo-1")
    LLMModel.objects.filter(model_id="text-embedding-3-small").update(is_active=False)
    assert "Draft chat o3 openai/o3 Chosen by olivia@example.org" in row_of(olivias, CHAT)
    assert row_of(olivias, CHAT).endswith("openai/gpt-4o demo/demo-1")
    assert row_of(olivias, GENERATION).endswith("openai/gpt-4o Automatic: the standard model nothing else")
    assert "wordllama-256 Automatic: the standard model" in row_of(olivias, Task.EMBEDDING)


def test_it_tells_when_no_model_can_do_a_task(olivias: Client) -> None:
    assert "nothing No model that is configured here can do it" in row_of(olivias, Task.IMAGE_CAPTION)


def test_it_tells_that_a_choice_is_passed_over(olivias: Client, with_openai: None) -> None:
    choose("o3")
    LLMModel.objects.filter(model_id="o3").update(is_active=False)
    row = row_of(olivias, CHAT)
    assert "openai/gpt-4o Automatic: the standard model" in row
    assert "openai/o3 was chosen, but can't be used now" in row


def test_it_tells_that_a_choice_has_become_unfit(olivias: Client, with_openai: None) -> None:
    choose("gpt-4", task=GENERATION)
    LLMModel.objects.filter(model_id="gpt-4").update(context_window_tokens=2_000)
    assert "“Draft generation”: its window is too small" in row_of(olivias, GENERATION)


def test_the_number_of_queries_grows_neither_with_models_nor_with_choices(olivias: Client, with_openai: None) -> None:
    list_page(olivias, DefaultModel)
    counts = []
    for rounds in (0, 1):
        for task in (Task.CHAT, Task.GENERATION, Task.KEYWORDS)[: 3 * rounds]:
            choose("o3", "openai/gpt-4o", task=task)
        LLMModel.objects.bulk_create(
            LLMModel(provider="openai", model_id=f"m-{rounds}-{n}", label="M", context_window_tokens=9_000)
            for n in range(30)
        )
        with CaptureQueriesContext(connection) as queries:
            list_page(olivias, DefaultModel)
        counts.append(len(queries))
    assert counts[0] == counts[1] <= 27  # three for each task with a prompt, two for the one without, and the page's


# ── The form ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_choice_holds_the_models_that_fit(olivias: Client, with_openai: None) -> None:
    LLMModel.objects.filter(model_id="o3-pro").update(is_active=False)
    LLMModel.objects.filter(model_id="gpt-4").update(context_window_tokens=1_100)
    shown = edit_page(olivias)
    assert '<optgroup label="OpenAI">' in shown
    assert '<option value="openai/gpt-4o">GPT-4o</option>' in shown
    assert '<option value="demo/demo-1">' in shown
    for absent in ("o3-pro", '"openai/gpt-4"', "claude", "text-embedding"):
        assert absent not in shown
    assert re.findall(r'<option value="(\w+/[^"]+)">', edit_page(olivias, Task.EMBEDDING))[:2] == [
        "openai/text-embedding-3-small",
        "offline/wordllama-256",
    ]


def test_without_a_key_only_the_demo_is_offered(olivias: Client) -> None:
    assert set(re.findall(r'<option value="(\w+/[^"]+)"', edit_page(olivias))) == {"demo/demo-1"}


def test_a_new_default_and_its_stand_ins_are_used(olivias: Client, olivia: User, with_openai: None) -> None:
    assert save(olivias, "openai/o3-mini", "openai/gpt-4o", "", "demo/demo-1").status_code == 302
    chosen = services.default_model(prompt_type=CHAT)
    assert str(chosen) == "openai/o3-mini"
    names = [str(model) for model in services.candidates(prompt_type=CHAT, chosen=chosen)]
    assert names == ["openai/o3-mini", "openai/gpt-4o", "demo/demo-1"]
    assert services.default_model(prompt_type=GENERATION).model_id == "gpt-4o"
    row = DefaultModel.objects.get()
    assert (row.created_by_user, row.fallbacks) == (olivia, ["openai/gpt-4o", "demo/demo-1"])
    assert LogEntry.objects.get().object_repr == "project_draft_chat: openai/o3-mini"
    event = AuditEvent.objects.get(action="default_model.set")
    assert (event.user, event.resource) == (olivia, CHAT)
    assert event.after == {
        "llm_provider": "openai",
        "llm_model": "o3-mini",
        "fallbacks": ["openai/gpt-4o", "demo/demo-1"],
    }


def test_the_form_shows_what_was_chosen(olivias: Client, with_openai: None) -> None:
    choose("o3", "openai/gpt-4o", "openai/gpt-4")
    assert selected(edit_page(olivias)) == ["openai/o3", "openai/gpt-4o", "openai/gpt-4"]
    assert save(olivias, "openai/gpt-4", "openai/o3").status_code == 302
    assert selected(edit_page(olivias)) == ["openai/gpt-4", "openai/o3"]
    assert DefaultModel.objects.count() == 1


def test_it_keeps_more_stand_ins_than_it_usually_asks_for(olivias: Client, with_openai: None) -> None:
    many = [f"openai/{name}" for name in ("gpt-4o", "gpt-4", "gpt-4.1", "gpt-5", "o1", "o1-pro", "o3-mini")]
    choose("o3", *many)
    assert selected(edit_page(olivias)) == ["openai/o3", *many]


@pytest.mark.parametrize(
    ("task", "model", "fallback", "sentence"),
    [
        (
            Task.IMAGE_CAPTION,
            "openai/o3-mini",
            "",
            "o3 Mini can&#x27;t be used for “Image caption”: it takes no",
        ),
        (Task.IMAGE_CAPTION, "openai/gpt-4o", "openai/o3-mini", "it takes no images"),
        (CHAT, "openai/text-embedding-3-small", "", "it only turns text into vectors"),
        (Task.EMBEDDING, "openai/gpt-4o", "", "it writes text"),
        (CHAT, "anthropic/claude-sonnet-4-20250514", "", "The provider anthropic is not configured here."),
        (CHAT, "openai/gpt-9", "", "Unsupported model"),
        (CHAT, "nobody/gpt-4o", "", "Unsupported provider"),
        (CHAT, "nonsense", "", "Unsupported provider"),
        (CHAT, "", "", "This field is required."),
    ],
)
def test_it_refuses_what_a_page_would_not_offer(
    olivias: Client, with_openai: None, settings: Any, task: str, model: str, fallback: str, sentence: str
) -> None:
    settings.ANTHROPIC_API_KEY = ""
    answer = save(olivias, model, fallback, task=task)
    assert answer.status_code == 200
    assert sentence in answer.content.decode()
    assert not DefaultModel.objects.exists()


def test_it_refuses_a_stand_in_that_is_named_twice(olivias: Client, with_openai: None) -> None:
    answer = save(olivias, "openai/o3", "openai/gpt-4o", "openai/o3", "openai/gpt-4o")
    assert "openai/gpt-4o stands in twice. Name each model once." in answer.content.decode()
    assert save(olivias, "openai/o3", "openai/gpt-4o", "openai/o3").status_code == 302  # for whoever names another one


def test_a_default_that_cannot_be_used_any_more_is_not_replaced_unasked(olivias: Client, with_openai: None) -> None:
    choose("o3", "openai/o1")
    LLMModel.objects.filter(model_id__in=["o3", "o1"]).update(is_active=False)
    shown = edit_page(olivias)
    assert "openai/o3 (can&#x27;t be used now)" in shown
    assert selected(shown) == ["openai/o3", "openai/o1"]
    answer = save(olivias, "openai/gpt-4o", "openai/o1")
    assert "This model is switched off, has no key here, or can&#x27;t do this." in answer.content.decode()
    assert DefaultModel.objects.get().llm_model == "o3"


def test_a_task_goes_back_to_what_fits_best(olivias: Client, olivia: User, with_openai: None) -> None:
    choose("o3")
    assert "Back to automatic" in edit_page(olivias)
    olivias.post(address("edit", DefaultModel, CHAT), {"_automatic": "1", "model": "openai/o1"})
    assert services.default_model(prompt_type=CHAT).model_id == "gpt-4o"
    assert AuditEvent.objects.get(action="default_model.cleared").user == olivia
    assert LogEntry.objects.get().change_message == "Back to automatic."
    assert "Back to automatic" not in edit_page(olivias)
    assert olivias.post(address("edit", DefaultModel, CHAT), {"_automatic": "1"}).status_code == 302
    assert LogEntry.objects.count() == 1


def test_there_is_no_page_of_a_task_that_is_not_there(olivias: Client) -> None:
    url = address("edit", DefaultModel, "nonsense")
    assert (olivias.get(url).status_code, olivias.post(url).status_code) == (404, 404)
    row = DefaultModel.objects.create(prompt_type="gone_task", llm_provider="demo", llm_model="demo-1")
    assert olivias.get(address("change", DefaultModel, row.pk)).status_code == 404
    assert olivias.get(address("change", DefaultModel, 0)).status_code == 404


def test_the_log_leads_to_the_page_of_the_task(olivias: Client, with_openai: None) -> None:
    response = olivias.get(address("change", DefaultModel, choose("o3").pk))
    assert response.headers["Location"] == address("edit", DefaultModel, CHAT)


def test_rows_are_made_and_deleted_by_the_form_alone(olivias: Client, with_openai: None) -> None:
    row = choose("o3")
    assert olivias.get(address("add", DefaultModel)).status_code == 403
    assert olivias.post(address("delete", DefaultModel, row.pk), {"post": "yes"}).status_code == 403

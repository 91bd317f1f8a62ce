from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from accounts.models import User
from config.tests.api_routes import check_refused
from llmconfig.models import PROMPTED, DefaultModel, LLMModel, Task
from llmconfig.services import set_default_model

PROVIDERS = "/api/llm-defaults/providers"
IN_ORDER = {
    "anthropic": [
        "claude-3-opus-20240229", "claude-opus-4-20250514", "claude-opus-4-1-20250805", "claude-3-haiku-20240307",
        "claude-3-5-haiku-20241022", "claude-3-7-sonnet-20250219", "claude-sonnet-4-20250514",
    ],
    "grok": ["grok-code-fast-1", "grok-4-0709", "grok-3", "grok-3-mini"],
    "openai": [
        "gpt-3.5-turbo", "gpt-4o", "gpt-4o-mini", "gpt-4", "gpt-4-turbo", "gpt-4.1", "gpt-4.1-mini", "gpt-4.1-nano",
        "gpt-5", "gpt-5-nano", "gpt-5-mini", "o1", "o1-pro", "o3", "o3-mini", "o3-pro",
    ],
    "demo": ["demo-1"],
}  # fmt: skip


@pytest.fixture
def with_openai(settings: Any) -> None:
    settings.OPENAI_API_KEY = "k"


def providers(client: Client) -> dict[str, list[dict[str, Any]]]:
    answer = client.get(PROVIDERS)
    assert (answer.status_code, list(answer.json())) == (200, ["providers"])
    groups: dict[str, list[dict[str, Any]]] = answer.json()["providers"]
    return groups


def default(client: Client, task: str = "project_draft_chat") -> tuple[str, str]:
    answer = client.get(f"/api/llm-defaults/{task}")
    assert (answer.status_code, list(answer.json())) == (200, ["current_default"])
    model = answer.json()["current_default"]
    assert set(model) == {"llm_provider", "llm_model"}
    return model["llm_provider"], model["llm_model"]


def test_it_lists_providers_and_models_in_the_order_that_clients_rely_on(alices: Client) -> None:
    groups = providers(alices)
    assert list(groups) == list(IN_ORDER)
    assert {name: [model["id"] for model in models] for name, models in groups.items()} == IN_ORDER


def test_it_shows_every_field_of_a_model(alices: Client) -> None:
    (mini,) = [model for model in providers(alices)["openai"] if model["id"] == "o3-mini"]
    assert mini == {
        "id": "o3-mini",
        "provider": "openai",
        "label": "o3 Mini",
        "supports_images": False,
        "supports_pdfs": True,
        "context_window_tokens": 200_000,
        "configured": False,
    }


@pytest.mark.parametrize(
    ("provider", "model_id", "window", "images", "pdfs"),
    [
        ("anthropic", "claude-3-opus-20240229", 200_000, True, False),
        ("anthropic", "claude-3-5-haiku-20241022", 200_000, True, True),
        ("grok", "grok-code-fast-1", 256_000, False, True),
        ("grok", "grok-3", 131_000, False, True),
        ("openai", "gpt-3.5-turbo", 4_096, False, True),
        ("openai", "gpt-4", 8_192, False, True),
        ("openai", "gpt-4.1-nano", 1_000_000, True, True),
        ("openai", "gpt-5-mini", 400_000, True, True),
    ],
)
def test_it_knows_what_a_model_takes(
    alices: Client, provider: str, model_id: str, window: int, images: bool, pdfs: bool
) -> None:
    (model,) = [model for model in providers(alices)[provider] if model["id"] == model_id]
    facts = (model["context_window_tokens"], model["supports_images"], model["supports_pdfs"])
    assert facts == (window, images, pdfs)


def test_it_says_which_models_can_be_asked_here(alices: Client, with_openai: None) -> None:
    configured = {name: {model["configured"] for model in models} for name, models in providers(alices).items()}
    assert configured == {"anthropic": {False}, "grok": {False}, "openai": {True}, "demo": {True}}


def test_it_leaves_out_models_that_were_switched_off_and_takes_in_new_ones(alices: Client) -> None:
    LLMModel.objects.filter(provider="grok").update(is_active=False)
    LLMModel.objects.create(provider="ollama", model_id="llama", label="Llama", context_window_tokens=8192)
    groups = providers(alices)
    assert groups["grok"] == []
    assert [model["id"] for model in groups["ollama"]] == ["llama"]
    assert list(groups)[:3] == ["anthropic", "grok", "openai"]


def test_it_takes_two_queries(alices: Client) -> None:
    with CaptureQueriesContext(connection) as queries:
        providers(alices)
    assert len(queries) <= 2


@pytest.mark.parametrize("task", [task for task in PROMPTED if task != Task.IMAGE_CAPTION])
def test_the_default_is_what_can_be_used_here(alices: Client, settings: Any, task: str) -> None:
    assert default(alices, task) == ("demo", "demo-1")
    settings.OPENAI_API_KEY = "k"
    assert default(alices, task) == ("openai", "gpt-4o")


def test_embedding_works_offline_and_better_with_a_key(alices: Client, settings: Any) -> None:
    assert default(alices, "embedding") == ("offline", "wordllama-256")
    settings.OPENAI_API_KEY, settings.EMBEDDING_MODEL = "k", "openai/text-embedding-3-small"
    assert default(alices, "embedding") == ("openai", "text-embedding-3-small")


def test_there_is_no_default_for_what_no_model_here_can_do(alices: Client, settings: Any) -> None:
    assert alices.get("/api/llm-defaults/image_caption").json() == {"current_default": None}
    settings.OPENAI_API_KEY = "k"
    assert default(alices, "image_caption") == ("openai", "gpt-4o")


def test_the_default_is_what_operators_chose_for_that_task(alice: User, alices: Client, with_openai: None) -> None:
    set_default_model(prompt_type=Task.CHAT, provider="openai", model_id="gpt-5", user=alice)
    assert default(alices, "project_draft_chat") == ("openai", "gpt-5")
    assert default(alices, "project_draft_generation") == ("openai", "gpt-4o")


def test_asking_for_a_default_stores_none(alices: Client) -> None:
    default(alices)
    assert not DefaultModel.objects.exists()


@pytest.mark.parametrize("task", ["nothing", "PROJECT_DRAFT_CHAT", "imported_chat_summary", "%20", "providers%00"])
def test_it_knows_no_other_task(alices: Client, task: str) -> None:
    document = check_refused(alices.get(f"/api/llm-defaults/{task}"), 400)
    assert document["code"] == "invalid_prompt_type"


@pytest.mark.parametrize("path", [PROVIDERS, "/api/llm-defaults/project_draft_chat"])
def test_it_is_the_same_with_a_slash_and_never_from_a_cache(alices: Client, path: str) -> None:
    bare, slashed = alices.get(path), alices.get(f"{path}/")
    assert bare.content == slashed.content
    assert slashed.status_code == 200
    assert slashed["Cache-Control"] == "no-cache"


# ── Choosing a default ────────────────────────────────────────────────────────────────────────────────────────────────


def put(client: Client, provider: str, model: str, task: str = "project_draft_chat") -> Any:
    body = {"llm_provider": provider, "llm_model": model}
    return client.put(f"/api/llm-defaults/{task}", body, "application/json")


def test_an_operator_chooses_the_default_of_a_task(olivias: Client, with_openai: None) -> None:
    answer = put(olivias, "openai", "gpt-5")
    assert answer.json() == {
        "message": "Draft chat now uses gpt-5.",
        "updated_default": {"llm_provider": "openai", "llm_model": "gpt-5"},
    }
    assert default(olivias) == ("openai", "gpt-5")


@pytest.mark.parametrize(
    ("task", "provider", "model", "status", "code", "error"),
    [
        ("nothing", "openai", "gpt-5", 400, "invalid_prompt_type", "Invalid prompt type"),
        ("project_draft_chat", "nobody", "gpt-5", 400, "unsupported_provider", "Unsupported provider"),
        ("project_draft_chat", "openai", "gpt-9", 400, "unsupported_model", "Unsupported model"),
        (
            "project_draft_chat",
            "anthropic",
            "claude-sonnet-4",
            422,
            "provider_not_configured",
            "The provider anthropic",
        ),
        ("image_caption", "openai", "o3-mini", 422, "unfit_model", "o3 Mini can't be used"),
    ],
)
def test_it_refuses_what_cannot_be_the_default(
    olivias: Client, with_openai: None, task: str, provider: str, model: str, status: int, code: str, error: str
) -> None:
    document = check_refused(put(olivias, provider, model, task), status)
    assert document["code"] == code
    assert document["error"].startswith(error)
    assert not DefaultModel.objects.exists()


def test_an_alias_is_stored_as_the_model_it_stands_for(olivias: Client, settings: Any) -> None:
    settings.XAI_API_KEY = "k"
    assert put(olivias, "grok", "grok-4").json()["updated_default"]["llm_model"] == "grok-4-0709"

"""Tells what is missing or unsafe in the settings, with a hint, before anything runs into it."""

from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, Warning, register

from integrations.embeddings import registry

SHORTEST_SECRET = 50


@register()
def fetch_overrides_are_local(**_: Any) -> list[CheckMessage]:
    if not settings.IMPORT_FETCH_OVERRIDES or settings.IS_LOCAL:
        return []
    hint = "Unset it, or set APP_ENV=local on a machine that only you reach."
    return [Error("IMPORT_FETCH_OVERRIDES sends imports elsewhere; only local mode allows it.", hint, id="config.E001")]


@register()
def failpoints_are_local(**_: Any) -> list[CheckMessage]:
    if not settings.FAILPOINTS or settings.IS_LOCAL:
        return []
    hint = "Unset it, or set APP_ENV=local on a machine that only you reach."
    return [Error("FAILPOINTS kills processes at random; only local mode allows it.", hint, id="config.E003")]


@register()
def meanings_can_be_compared(**_: Any) -> list[CheckMessage]:
    if registry.is_configured(settings.EMBEDDING_MODEL):
        return []
    hint = "Set OPENAI_API_KEY, or EMBEDDING_MODEL=offline."
    return [Warning("Search has no embedding model: it finds words and titles only.", hint, id="config.W002")]


@register(deploy=True)
def secret_is_long(**_: Any) -> list[CheckMessage]:
    if len(settings.SECRET_KEY) >= SHORTEST_SECRET:
        return []
    return [Error("SECRET_KEY is too short.", f"Use at least {SHORTEST_SECRET} random characters.", id="config.E002")]


@register(deploy=True)
def some_model_answers(**_: Any) -> list[CheckMessage]:
    if settings.OPENAI_API_KEY:
        return []
    return [Warning("No language model is configured: the demo answers.", "Set OPENAI_API_KEY.", id="config.W001")]

"""Tells what is missing or unsafe in the settings, with a hint, before anything runs into it."""

import os
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, Warning, register

from integrations.embeddings import registry as embedders
from integrations.llm import registry

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
    if embedders.is_configured(settings.EMBEDDING_MODEL):
        return []
    hint = "Set OPENAI_API_KEY, or EMBEDDING_MODEL=offline."
    return [Warning("Search has no embedding model: it finds words and titles only.", hint, id="config.W003")]


@register(deploy=True)
def secret_is_long(**_: Any) -> list[CheckMessage]:
    if len(settings.SECRET_KEY) >= SHORTEST_SECRET:
        return []
    return [Error("SECRET_KEY is too short.", f"Use at least {SHORTEST_SECRET} random characters.", id="config.E002")]


@register(deploy=True)
def files_have_a_place(**_: Any) -> list[CheckMessage]:
    there = next(path for path in (settings.DATA_DIR, *settings.DATA_DIR.parents) if path.exists())
    if settings.AWS_S3_BUCKET_NAME or (there.is_dir() and os.access(there, os.W_OK)):
        return []
    hint = "Set AWS_S3_BUCKET_NAME, or DATA_DIR to a directory that all processes share and may write to."
    return [Warning("There is no place for the files that members attach.", hint, id="config.W002")]


@register(deploy=True)
def some_model_answers(**_: Any) -> list[CheckMessage]:
    if registry.configured() != (registry.DEMO,):
        return []
    hint = f"Set one of {', '.join(vendor.key_setting for vendor in registry.VENDORS.values())}."
    return [Warning("No language model is configured: the demo answers.", hint, id="config.W001")]


@register()
def approvals_can_be_given(**_: Any) -> list[CheckMessage]:
    if settings.STREAM_DIALECT != "ndjson" or settings.TOOL_APPROVAL == "auto":
        return []
    hint = "Set TOOL_APPROVAL=auto, or tell the members to approve on the page at /."
    return [Warning("The SPA that reads ndjson can't ask a member to approve a tool.", hint, id="config.W009")]


@register()
def linear_is_whole(**_: Any) -> list[CheckMessage]:
    if bool(settings.LINEAR_ACCESS_KEY) == bool(settings.LINEAR_TEAM_KEY):
        return []
    hint = "Set both LINEAR_ACCESS_KEY and LINEAR_TEAM_KEY, or neither."
    return [Warning("Linear is half configured, and so switched off.", hint, id="config.W008")]

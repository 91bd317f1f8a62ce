"""Import, then draft: from a link or a parsed chat to a conversation with its first draft.

    queued ─ conflict? ─ fetch ─ too long? ─ store (conversation, draft, checkpoint: one transaction)
                                                └ memories ─ summary ─ generate ─ done

Up to "store" nothing is kept; from there on a restart goes on behind the last checkpoint (`drafts.import_steps`).
"""

import asyncio
import dataclasses
import functools
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import Any

from django.conf import settings
from django.db import transaction

from accounts.models import User
from config.failpoints import failpoint
from conversations import services as conversations
from conversations import summaries
from conversations.models import Conversation, Run
from conversations.runs import lifecycle
from conversations.runs.context import RunContext
from conversations.runs.events import Event
from conversations.runs.handlers import RunFailed
from drafts import services
from drafts.events import ConflictTold, ModelLimit, StateTold, import_done, terminal_of
from drafts.generation import store_interruption, write_draft
from drafts.import_steps import exceeds_window, model_of, prepare, summarise_if_it_pays, waiting_draft
from integrations.importers import child
from integrations.importers.base import ImportedChat, ImportedMessage, ImporterError
from integrations.importers.by_link import Manners, fetch_chat
from integrations.importers.links import parse_share_url
from llmconfig.models import Task
from llmconfig.services import choose_model, default_model

CHAT_NOT_FOUND = "CHAT_NOT_FOUND"
"""The code, and the only one in capitals, by which clients know a link behind which there is no chat any more."""

_MAY_PASS = frozenset({"fetch_failed", "bot_challenge", "rate_limited", "timeout", "private_or_login"})
_FETCHES = ThreadPoolExecutor(8, thread_name_prefix="fetch")  # of their own, since they may queue up for a site


class Refused(Exception):
    """The run ends here with a question to the member; nothing is stored."""

    def __init__(self, code: str, result: dict[str, Any]) -> None:
        super().__init__(code)
        self.code = code
        self.result = result


@transaction.atomic
def start_import(
    *,
    user: User,
    duplicate_resolution: str,
    accept_summarization: bool,
    llm_provider: str = "",
    llm_model: str = "",
    target_conversation_id: int | None = None,
    url: str = "",
    chat: ImportedChat | None = None,
) -> Run:
    """Queues the import of a share link (`url`) or of a chat that was parsed already.

    Raises `Invalid` for a model that can't be used; what is wrong with the link is an event of the run.
    """
    model = _model(Task.GENERATION, llm_provider, llm_model)
    payload = {
        "url": url.strip(),
        "chat": _packed(chat) if chat else None,
        "llm_provider": model.provider,
        "llm_model": model.model_id,
        "duplicate_resolution": duplicate_resolution,
        "accept_summarization": accept_summarization,
        "target_conversation_id": target_conversation_id,
    }
    return lifecycle.start_run(kind=Run.Kind.IMPORT, user=user, payload=payload)


@transaction.atomic
def start_generation(*, user: User, conversation_id: int, llm_provider: str = "", llm_model: str = "") -> Run:
    """Queues writing the draft of a conversation again. Raises `Conflict` while that is being done already."""
    conversation = conversations.lock_for_write(user=user, conversation_id=conversation_id)
    lifecycle.refuse_second_run(kind=Run.Kind.GENERATE, conversation=conversation)
    model = _model(Task.GENERATION, llm_provider, llm_model)
    draft = services.get_or_make_draft(conversation=conversation, user=user)
    payload = {
        "llm_provider": model.provider,
        "llm_model": model.model_id,
        "base_version_id": draft.active_version.pk if draft.active_version else None,
    }
    return lifecycle.start_run(kind=Run.Kind.GENERATE, user=user, payload=payload, conversation=conversation)


def _model(task: str, provider: str, model_id: str) -> Any:
    return choose_model(provider=provider, model_id=model_id) if provider else default_model(prompt_type=task)


class ImportHandler:
    async def execute(self, context: RunContext) -> None:
        if "stored" not in context.run.step:
            try:
                if await self._bring_in(context) == "updated":
                    return
            except Refused as refusal:
                result = refusal.result
                await context.finish(lambda _: result, error_code=refusal.code)
                return
        if await prepare(context):
            await write_draft(context)
        else:
            await context.finish(lambda _: {})  # the draft stays a placeholder until there is a summary

    async def _bring_in(self, context: RunContext) -> str:
        payload = context.run.payload
        url = await context.db(precheck, context.run)
        context.tell(StateTold("importing"))
        chat = _unpacked(payload["chat"]) if payload["chat"] else await _fetched(url)
        if payload["duplicate_resolution"] == "update_existing":
            await context.finish(lambda run: update_existing(run, chat))
            return "updated"
        await context.db(refuse_too_long, context.run, chat)
        context.run = await context.db(store, context.run, chat)
        failpoint("after_store")
        return "stored"

    def interrupted(self, run: Run, text: str, reason: str) -> dict[str, Any]:
        run.payload = run.payload | {"chat": None}
        run.save(update_fields=["payload"])
        return store_interruption(run, reason)

    def terminal(self, run: Run) -> Event:
        return terminal_of(run)

    def salvaged(self, run: Run) -> Event | None:
        return import_done(run) if run.conversation_id else None


async def _fetched(url: str) -> ImportedChat:
    """Raises `RunFailed` with the outcome as its code; `gone` is `CHAT_NOT_FOUND`."""
    fetch = functools.partial(fetch_chat, parse_share_url(url), manners(), child.parse)
    try:
        return await asyncio.get_running_loop().run_in_executor(_FETCHES, fetch)
    except ImporterError as error:
        code = CHAT_NOT_FOUND if error.code == "gone" else error.code
        raise RunFailed(code, error.detail, retryable=code in _MAY_PASS) from error


@functools.cache
def manners() -> Manners:
    """How this installation fetches; one for each process, since it keeps the pace."""
    return Manners(
        sources=frozenset(settings.IMPORT_LINKS),
        contact="" if settings.IS_LOCAL else settings.OWN_URL,
        overrides=settings.IMPORT_FETCH_OVERRIDES,
        obeys_robots=settings.IMPORT_OBEYS_ROBOTS,
    )


def precheck(run: Run) -> str:
    """The canonical URL, after the questions that need no fetch. Raises `Refused`, `ImporterError` or `RunFailed`."""
    payload = run.payload
    chat = payload["chat"]
    url = conversations.url_of(_unpacked(chat)) if chat else parse_share_url(payload["url"]).url
    refuse_duplicate(run, url)
    return url


def refuse_duplicate(run: Run, url: str) -> None:
    here = conversations.with_url(user=run.user, url=url)
    resolution = run.payload["duplicate_resolution"]
    if resolution == "prompt" and (rows := list(here.values("id", "title", "updated_at", "url")[:100])):
        found = [row | {"updated_at": row["updated_at"].isoformat()} for row in rows]
        raise Refused(ConflictTold.type, {"conversations": found})
    target = run.payload["target_conversation_id"]
    if resolution == "update_existing" and not here.filter(pk=target).exists():
        raise RunFailed("wrong_target", "The conversation to update did not come from this chat.")


def refuse_too_long(run: Run, chat: ImportedChat) -> None:
    """Raises `Refused` for a chat that exceeds the model's window, unless the member has accepted a summary."""
    model = model_of(run)
    if not run.payload["accept_summarization"] and exceeds_window(model, conversations.messages_of(chat)):
        result = {
            "message": f"This chat is longer than {model.label} can read at once.",
            "suggestion": "Choose a model with a larger window, or go on with a summary of the chat.",
        }
        raise Refused(ModelLimit.type, result)


@transaction.atomic
def store(run: Run, chat: ImportedChat) -> Run:
    """The conversation, its placeholder draft and the run's checkpoint, all or none. Raises `Refused` or `LostRun`."""
    row = lifecycle.lock_run(run)
    url = conversations.url_of(chat)
    conversations.lock_url(url)  # of two imports of one link, the second sees the first
    refuse_duplicate(row, url)
    row.conversation, row.step = take_in(row, chat)
    row.tries, row.payload = 0, row.payload | {"chat": None}
    row.save(update_fields=["conversation", "step", "tries", "payload"])
    return row


def take_in(run: Run, chat: ImportedChat) -> tuple[Conversation, dict[str, Any]]:
    """Stores a chat with a placeholder draft: the conversation, and the first checkpoint. In a transaction."""
    model, messages = model_of(run), conversations.messages_of(chat)
    is_long = exceeds_window(model, messages)
    then = waiting_draft(run, is_too_long=is_long)
    conversation = conversations.create_from_chat(user=run.user, chat=chat, then=then)
    services.get_or_make_draft(conversation=conversation, user=run.user)
    if not is_long:
        summarise_if_it_pays(conversation, model, messages)
    step = {"stored": True, "too_long": is_long, "waits": then is not None, "basis": summaries.basis_of(conversation)}
    return conversation, step


def update_existing(run: Run, chat: ImportedChat) -> dict[str, Any]:
    """Takes the newer messages into a conversation that is here; its title and draft stay."""
    target = run.payload["target_conversation_id"]
    conversation = conversations.lock_for_write(user=run.user, conversation_id=target)
    refuse_duplicate(run, conversations.url_of(chat))
    conversations.replace_chat(conversation=conversation, chat=chat)
    summarise_if_it_pays(conversation, model_of(run), conversations.messages_of(chat))
    services.get_or_make_draft(conversation=conversation, user=run.user)
    run.conversation, run.payload = conversation, run.payload | {"chat": None}
    run.save(update_fields=["payload"])
    return {}


def _packed(chat: ImportedChat) -> dict[str, Any]:
    return dataclasses.asdict(chat)


def _unpacked(value: dict[str, Any]) -> ImportedChat:
    messages = tuple(ImportedMessage(**message | _times(message, "created_at")) for message in value["messages"])
    others = value | _times(value, "created_at", "updated_at") | {"warnings": tuple(value["warnings"])}
    return ImportedChat(**others | {"messages": messages})


def _times(value: dict[str, Any], *names: str) -> dict[str, datetime | None]:
    return {name: datetime.fromisoformat(value[name]) if value[name] else None for name in names}

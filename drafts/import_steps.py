"""What is done between storing a chat and writing its draft: each step is a checkpoint, and none is paid for twice.

stored ─ keywords ─ memories ─ too long? ─ no ─► the draft
                                  └ yes ─ summary by a model of ours ─► the draft
                                      └ by the summariser ─► done; the draft follows (`conversations.summary_jobs`)
"""

import asyncio
import logging
from typing import Any

from django.conf import settings
from django.db import transaction

from config.exceptions import DraftloomError
from conversations import summaries
from conversations.models import Conversation, Memory, Run, SummaryJob
from conversations.runs import lifecycle
from conversations.runs.context import RunContext
from conversations.runs.digest import keywords_of, summary_of
from conversations.services import transcript
from drafts.events import Progress, StateTold
from drafts.material import chat_tokens, is_too_long
from integrations import mem0, summarizer
from integrations.http import ServiceAway
from integrations.llm.errors import LLMError
from llmconfig.models import LLMModel
from llmconfig.services import choose_model

log = logging.getLogger(__name__)

MEMORY_TOKENS = 250  # of one memory, when nobody knows yet what will be found
MEMORIES_MISSING = "memories_unavailable"


def model_of(run: Run) -> LLMModel:
    return choose_model(provider=run.payload["llm_provider"], model_id=run.payload["llm_model"])


def exceeds_window(model: LLMModel, messages: list[dict[str, str]]) -> bool:
    """Whether the chat is too long for `model`, beside the memories that may be found."""
    return is_too_long(model, messages, MEMORY_TOKENS * mem0.MOST_MEMORIES if mem0.is_configured() else 0)


def waiting_draft(run: Run, *, is_too_long: bool) -> dict[str, Any] | None:
    """The run that writes the draft once the summariser has read a chat that is too long; None if nothing waits."""
    if not is_too_long or not summarizer.is_configured():
        return None
    names = ("llm_provider", "llm_model")
    payload = {name: run.payload[name] for name in names} | {"fills_placeholder": True}
    return {"kind": Run.Kind.GENERATE, "user_id": run.user_id, "payload": payload}


def summarise_if_it_pays(conversation: Conversation, model: LLMModel, messages: list[dict[str, str]]) -> None:
    """Queues a summary of ours for a chat that would crowd out all else in the chat about its draft."""
    percent = settings.SUMMARY_WINDOW_PERCENT
    is_long = chat_tokens(messages) * 100 > percent * model.context_window_tokens
    if percent < 100 and is_long and not summarizer.is_configured():
        summaries.request_own(conversation=conversation, source=SummaryJob.Source.IMPORTED)


async def prepare(context: RunContext) -> bool:
    """Everything before the draft; False if the draft waits for the summariser."""
    await _find_memories(context)
    step = context.run.step
    if step.get("too_long") and "summary" not in step:
        context.tell(StateTold("summarizing"))
        if step.get("waits"):
            return False
        await _summarise(context)
    return True


async def _find_memories(context: RunContext) -> None:
    if "memories" in context.run.step or not mem0.is_configured():
        return
    try:
        hits = await _search(context)
    except (LLMError, ServiceAway, DraftloomError) as error:
        log.warning("Run %s goes on without memories: %s", context.run.id, getattr(error, "code", "unknown"))
        await context.db(_note_missing, context.run)
    else:
        await context.db(_keep_memories, context.run, hits)


async def _search(context: RunContext) -> list[dict[str, Any]]:
    context.tell(StateTold("extracting_chat_keywords"))
    if "keywords" not in context.run.step:
        text = await context.db(_text, context.run)
        keywords = await keywords_of(context, text)
        await context.checkpoint(keywords=keywords, usage=context.usage)
    keywords = context.run.step["keywords"]
    if not keywords:
        return []
    context.tell(StateTold("retrieving_memories"))
    return await asyncio.to_thread(mem0.search_memories, keywords)


@transaction.atomic
def _keep_memories(run: Run, hits: list[dict[str, Any]]) -> None:
    row = lifecycle.lock_run(run)
    Memory.objects.update_or_create(conversation_id=row.conversation_id, defaults={"memories": hits})
    lifecycle.checkpoint(run, memories="searched")


@transaction.atomic
def _note_missing(run: Run) -> None:
    """The conversation's report says that the draft was written without memories."""
    lifecycle.lock_run(run)
    conversation = Conversation.objects.get(runs=run)
    warnings = [*conversation.import_report.get("warnings", []), MEMORIES_MISSING]
    conversation.import_report["warnings"] = warnings
    conversation.save(update_fields=["import_report"])
    lifecycle.checkpoint(run, memories="missing")


async def _summarise(context: RunContext) -> None:
    text = await context.db(_text, context.run)
    summary = await summary_of(context, text, lambda done, total: context.tell(Progress("summarizing", done, total)))
    await context.db(_keep_summary, context.run, summary)


@transaction.atomic
def _keep_summary(run: Run, summary: str) -> None:
    row = lifecycle.lock_run(run)
    basis = run.step["basis"]
    summaries.store_imported(summaries.lock(row.conversation_id or 0), summary, external_id=None, basis=basis)
    lifecycle.checkpoint(run, summary="stored", parts={})


def _text(run: Run) -> str:
    return transcript(Conversation.objects.values_list("imported_chat", flat=True).get(runs=run))

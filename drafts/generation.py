"""A model writes the draft from the chat: what it answers, and where that goes."""

import re
from contextlib import aclosing
from functools import partial
from typing import Any

from accounts.models import User
from config.limits import DRAFT_TITLE_CHARACTERS
from config.text import clean_text, shorten
from conversations.models import Run
from conversations.runs.context import RunContext
from conversations.runs.events import Event, UsageTold
from conversations.runs.handlers import RunFailed
from drafts import services
from drafts.events import StateTold, import_done, terminal_of
from drafts.models import ProjectDraft
from drafts.writing import Writing, assign
from integrations.llm.completion import Completion
from integrations.llm.events import Finished, LLMEvent, TextDelta


async def write_draft(context: RunContext) -> None:
    """Streams a draft and ends the run with it."""
    context.tell(StateTold("generating"))
    writing = Writing(context, await context.db(assign, context.run), context.tell)
    async with aclosing(writing.events()) as events:
        async for event in events:
            _tell(context, event)
    if context.usage:
        context.tell(UsageTold(**context.usage))
    title, description = parse(context.text)
    await context.finish(partial(store_answer, writing, title, description))


def _tell(context: RunContext, event: LLMEvent) -> None:
    match event:
        case TextDelta(text):
            context.say(text)
        case Finished(reason):
            _refuse(reason)


def _refuse(stop_reason: str) -> None:
    if stop_reason == "refusal":
        raise RunFailed("provider_refused", "The model declined to write this draft. Try another model.")


def parse_completion(completion: Completion) -> tuple[str, str]:
    """Title and description of a whole answer. Raises `RunFailed` if it has none, or is a refusal."""
    _refuse(completion.stop_reason)
    return parse(completion.text)


def parse(answer: str) -> tuple[str, str]:
    """Title (at most 80 characters) and description of a model's answer. Raises `RunFailed` if either is missing."""
    title = re.search(r"<title>(.*?)</title>", answer, re.DOTALL)
    # An answer that was cut by the model's limit has no closing tag: what there is, is still worth having.
    description = re.search(r"<description>(.*?)(?:</description>|\Z)", answer, re.DOTALL)
    texts = [clean_text(match[1]).strip() if match else "" for match in (title, description)]
    if not all(texts):
        raise RunFailed(
            "generation_failed", "The model's answer held no title and description. Try again.", retryable=True
        )
    return shorten(" ".join(texts[0].split()), DRAFT_TITLE_CHARACTERS), texts[1]


def store_answer(writing: Writing, title: str, description: str, run: Run) -> dict[str, Any]:
    """Stores what the model wrote. Within a transaction that has locked the run."""
    assignment = writing.assignment
    version = services.store_generated(
        draft=assignment.draft,
        run=run,
        title=title,
        description=description,
        base_version_id=assignment.base_version_id,
        user=User(pk=run.user_id),
        author=writing.author,
    )
    return {"version_id": version.pk}


def store_interruption(run: Run, reason: str) -> dict[str, Any]:
    """A draft that waits to be written says why it was not."""
    draft = ProjectDraft.objects.filter(conversation_id=run.conversation_id).first() if run.conversation_id else None
    if draft is not None:
        services.store_failure(draft=draft, run=run, reason=reason)
    return {}


def _has_text(run: Run) -> bool:
    return services.has_text(conversation_id=run.conversation_id or 0)


class GenerateHandler:
    """Writes the draft of a conversation that is here already."""

    async def execute(self, context: RunContext) -> None:
        if context.run.payload.get("fills_placeholder") and await context.db(_has_text, context.run):
            await context.finish(lambda _: {})  # somebody has written it while it waited
        else:
            await write_draft(context)

    def interrupted(self, run: Run, text: str, reason: str) -> dict[str, Any]:
        return store_interruption(run, reason)

    def terminal(self, run: Run) -> Event:
        return terminal_of(run)

    def salvaged(self, run: Run) -> Event | None:
        return import_done(run) if run.conversation_id else None

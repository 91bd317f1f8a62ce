"""One chat turn: the model answers, may call tools, and answers again, a bounded number of times.

ask ─ calls? ─ no ─ finish
  ▲     └ yes ─ checkpoint ─ call each (one that needs approval lets the run wait) ─ checkpoint ┐
  └─────────────────────────────────────────────────────────────────────────────────────────────┘
"""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import replace
from functools import partial
from typing import Any, NamedTuple

from django.conf import settings

from chat.answers import author_of, chosen_model, nothing_said, said_by_deeds, store_answer
from chat.attachments import wait_for_files
from chat.context import Turn, load_turn, models_of
from chat.events import ReasoningTold, ToolCallTold, terminal_of
from chat.progress import Progress
from chat.summarising import note_growth
from chat.tool import ToolResult
from chat.tools import TOOLS, execute_tool, parse_arguments
from config.failpoints import failpoint
from conversations.models import Run
from conversations.runs.context import RunContext
from conversations.runs.events import ApprovalRequired, Event, FellBack, Status, UsageTold
from conversations.runs.ledger import RunLedger, purpose_of
from drafts.models import DraftVersion, ProjectDraft
from drafts.services import Author, version_read
from integrations.llm.errors import LLMError
from integrations.llm.events import Finished, LLMEvent, ReasoningDelta, StopReason, TextDelta, ToolCall
from integrations.llm.messages import ChatRequest, Message, Part, TextPart, ToolCallPart, ToolResultPart
from llmconfig.asking import stream_answer
from llmconfig.models import LLMModel, Task


class Answer(NamedTuple):
    """What the model did in one call: the text it wrote, the tools it called, and why it stopped."""

    text: str
    calls: list[ToolCall]
    stop_reason: StopReason


class ChatTurnHandler:
    async def execute(self, context: RunContext) -> None:
        context.tell(Status("analyzing_request"))
        progress = Progress.unpacked(context.run.step)
        models = await context.db(models_of, progress.model or chosen_model(context.run))
        progress.model = str(models[0])
        await wait_for_files(context, models[0])
        turn = await context.db(load_turn, context.run, models[0])
        if not progress.pending:  # calls that are still to be made were thought of with an earlier draft in view
            progress.base_version_id = version_read(turn.draft)
        answer = Answer("", [], "stop")
        while True:
            if progress.pending and not await _call_tools(context, turn, progress):
                return  # it waits for a person now
            if progress.is_over or progress.round >= settings.TOOL_ROUNDS:
                break
            answer = await _ask(context, turn, models, progress)
            if not answer.calls:
                break
            await _note_calls(context, progress, answer)
        if progress.is_over:
            context.say(_separated(context.text, await context.db(said_by_deeds, context.run)))
        await _finish(context, Author(progress.model, turn.prompt_version), answer.stop_reason)

    def interrupted(self, run: Run, text: str, reason: str) -> dict[str, Any]:
        """What the member has seen of the answer stays, as a message of a run that failed or was cancelled."""
        if text.strip():
            store_answer(run, text, author=author_of(run))
        return {}

    def terminal(self, run: Run) -> Event:
        return terminal_of(run)

    def salvaged(self, run: Run) -> Event | None:
        return None


async def _ask(context: RunContext, turn: Turn, models: list[LLMModel], progress: Progress) -> Answer:
    """One round: the first of `models` from `progress.model` on that gives an answer; it also gives the later ones."""
    text: list[str] = []
    calls: list[ToolCall] = []
    stop_reason: StopReason = "stop"
    async with aclosing(_stream(context, turn, models, progress)) as events:
        async for event in events:
            match event:
                case TextDelta(piece):
                    context.say(piece if text else _separated(context.text, piece))
                    text.append(piece)
                case ReasoningDelta(piece):
                    context.tell(ReasoningTold(piece))
                case ToolCall():
                    calls.append(event)
                case Finished(reason):
                    stop_reason = reason
    return Answer("".join(text), calls, stop_reason)


def _stream(
    context: RunContext, turn: Turn, models: list[LLMModel], progress: Progress
) -> AsyncGenerator[LLMEvent, None]:
    left = models[[str(model) for model in models].index(progress.model) :]

    async def build(model: LLMModel) -> ChatRequest:
        loaded = turn if model is models[0] else await context.db(load_turn, context.run, model)
        return replace(loaded.request, messages=(*loaded.request.messages, *progress.exchange))

    async def fall_back(failed: LLMModel, stand_in: LLMModel, error: LLMError) -> None:
        progress.model = str(stand_in)
        context.tell(FellBack(str(failed), str(stand_in), error.code))

    return stream_answer(
        purpose_of(context.run, Task.CHAT, turn.prompt_version),
        left,
        build,
        RunLedger(context),
        on_retry=partial(_tell_retry, context),
        on_fallback=fall_back,
    )


def _separated(before: str, piece: str) -> str:
    """The first piece of a later round, set off from the text before the tools."""
    return f"\n\n{piece}" if before.strip() and not before.endswith("\n\n") else piece


async def _tell_retry(context: RunContext, error: LLMError, seconds: float) -> None:
    context.tell(Status("retrying"))


async def _note_calls(context: RunContext, progress: Progress, answer: Answer) -> None:
    """Stores what the model asked for before any of it is done, so that a restart does the same."""
    parts: list[Part] = [TextPart(answer.text)] if answer.text else []
    parts += [ToolCallPart(call.call_id, call.name, call.arguments) for call in answer.calls]
    progress.exchange.append(Message("assistant", tuple(parts)))
    progress.pending = list(answer.calls)
    await _checkpoint(context, progress)
    context.tell(Status("executing_tools"))


async def _checkpoint(context: RunContext, progress: Progress) -> None:
    await context.checkpoint(turn=progress.packed(), text=context.text, usage=context.usage, decision=None)


async def _call_tools(context: RunContext, turn: Turn, progress: Progress) -> bool:
    """Executes the pending calls. False if the run waits now, for one that a person has to allow."""
    while progress.pending:
        call = progress.pending[0]
        result = await _call_tool(context, turn, call, progress)
        if result is None:
            await _wait(context, turn, progress, call)
            return False
        progress.base_version_id = result.base_version_id or progress.base_version_id
        is_error = result.status != "succeeded"
        progress.is_over |= not is_error and TOOLS[call.name].ends_turn
        progress.exchange.append(Message("tool", (ToolResultPart(call.call_id, call.name, result.text, is_error),)))
        progress.pending = [] if progress.is_over else progress.pending[1:]
    progress.round += 1
    await _checkpoint(context, progress)
    if not progress.is_over:
        context.tell(Status("generating_response"))
    return True


async def _call_tool(context: RunContext, turn: Turn, call: ToolCall, progress: Progress) -> ToolResult | None:
    """What came of a call; None if it needs an approval that nobody has given yet."""
    arguments = parse_arguments(call.arguments)
    if tool := TOOLS.get(call.name):
        context.tell(Status(tool.status))
    context.tell(ToolCallTold(call.name, arguments or {}, "started", ""))
    author = Author(progress.model, turn.prompt_version)
    where = (progress.key, progress.base_version_id, author)
    result = await context.db(execute_tool, context.run, turn.draft, call.name, arguments, *where)
    if result is None:
        return None
    failpoint("after_tool")
    context.tell(ToolCallTold(call.name, arguments or {}, result.status, result.text))
    if result.status == "succeeded":
        context.tell(await context.db(TOOLS[call.name].event, turn.draft.pk))
    return result


async def _wait(context: RunContext, turn: Turn, progress: Progress, call: ToolCall) -> None:
    version = await context.db(_version_shown, turn.draft)
    arguments = parse_arguments(call.arguments) or {}
    approval = {"tool": call.name, "arguments": arguments, "draft_version_id": version}
    step = {"turn": progress.packed(), "text": context.text, "usage": context.usage, "approval": approval}
    step["asked_for"] = progress.key
    await context.suspend(step, ApprovalRequired(str(context.run.id), call.name, arguments, version))


def _version_shown(draft: ProjectDraft) -> int | None:
    return version_read(ProjectDraft.objects.select_related("active_version").get(pk=draft.pk))


async def _finish(context: RunContext, author: Author, stop_reason: StopReason) -> None:
    if not context.text.strip():
        context.say(await context.db(said_by_deeds, context.run))
    if not context.text.strip():
        raise nothing_said(stop_reason)
    if context.usage:
        context.tell(UsageTold(**context.usage))
    text = context.text

    def write(run: Run) -> dict[str, Any]:
        store_answer(run, text, author=author)
        if run.conversation:
            note_growth(run.conversation)
        updated = DraftVersion.objects.filter(run=run).exists()
        return {"project_updated": updated, "stop_reason": stop_reason}

    await context.finish(write)

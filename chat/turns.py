"""One chat turn: the model answers, may call tools, and answers again, a bounded number of times.

ask ─ calls? ─ no ─ finish
  ▲     └ yes ─ checkpoint ─ call each (one that needs approval lets the run wait) ─ checkpoint ┐
  └─────────────────────────────────────────────────────────────────────────────────────────────┘
"""

from contextlib import aclosing
from dataclasses import replace
from functools import partial
from typing import Any, NamedTuple

from django.conf import settings

from chat.answers import nothing_said, said_by_deeds, store_answer
from chat.context import Turn, load_turn
from chat.events import ProjectUpdated, ReasoningTold, ToolCallTold, terminal_of
from chat.progress import Progress
from chat.tools import TOOLS, ToolResult, execute_tool, parse_arguments
from config.failpoints import failpoint
from conversations.models import Run
from conversations.runs.context import RunContext
from conversations.runs.events import ApprovalRequired, Event, Status, UsageTold
from drafts.models import DraftVersion, ProjectDraft
from integrations.llm import registry
from integrations.llm.errors import LLMError
from integrations.llm.events import Finished, ReasoningDelta, StopReason, TextDelta, ToolCall, Usage
from integrations.llm.messages import Message, Part, TextPart, ToolCallPart, ToolResultPart
from integrations.llm.retry import stream_with_retry


class Answer(NamedTuple):
    """What the model did in one call: the text it wrote, the tools it called, and why it stopped."""

    text: str
    calls: list[ToolCall]
    stop_reason: StopReason


class ChatTurnHandler:
    async def execute(self, context: RunContext) -> None:
        context.tell(Status("analyzing_request"))
        turn = await context.db(load_turn, context.run)
        progress = Progress.unpacked(context.run.step)
        if not progress.pending:  # calls that are still to be made were thought of with an earlier draft in view
            progress.base_version_id = turn.draft.active_version_id
        answer = Answer("", [], "stop")
        while True:
            if progress.pending and not await _call_tools(context, turn, progress):
                return  # it waits for a person now
            if progress.round >= settings.TOOL_ROUNDS:
                break
            answer = await _ask(context, turn, progress.exchange)
            if not answer.calls:
                break
            await _note_calls(context, progress, answer)
        await _finish(context, turn, answer.stop_reason)

    def interrupted(self, run: Run, text: str, reason: str) -> dict[str, Any]:
        """What the member has seen of the answer stays, as a message of a run that failed or was cancelled."""
        if text.strip():
            store_answer(run, text, model=f"{run.payload['llm_provider']}/{run.payload['llm_model']}")
        return {}

    def terminal(self, run: Run) -> Event:
        return terminal_of(run)


async def _ask(context: RunContext, turn: Turn, exchange: list[Message]) -> Answer:
    request = replace(turn.request, messages=(*turn.request.messages, *exchange))
    text: list[str] = []
    calls: list[ToolCall] = []
    stop_reason: StopReason = "stop"
    provider = registry.provider(turn.provider)
    async with aclosing(stream_with_retry(provider, request, on_retry=partial(_tell_retry, context))) as events:
        async for event in events:
            match event:
                case TextDelta(piece):
                    context.say(piece if text else _separated(context.text, piece))
                    text.append(piece)
                case ReasoningDelta(piece):
                    context.tell(ReasoningTold(piece))
                case ToolCall():
                    calls.append(event)
                case Usage():
                    _count(context, event)
                case Finished(reason):
                    stop_reason = reason
    return Answer("".join(text), calls, stop_reason)


def _separated(before: str, piece: str) -> str:
    """The first piece of a later round, set off from the text before the tools."""
    return f"\n\n{piece}" if before.strip() and not before.endswith("\n\n") else piece


async def _tell_retry(context: RunContext, error: LLMError, seconds: float) -> None:
    context.tell(Status("retrying"))


def _count(context: RunContext, usage: Usage) -> None:
    total = context.usage or {"input_tokens": 0, "output_tokens": 0, "cost_usd": None}
    total = total | {
        "input_tokens": total["input_tokens"] + usage.input_tokens,
        "output_tokens": total["output_tokens"] + usage.output_tokens,
    }
    context.usage = total


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
        progress.exchange.append(Message("tool", (ToolResultPart(call.call_id, call.name, result.text, is_error),)))
        progress.pending.pop(0)
    progress.round += 1
    await _checkpoint(context, progress)
    context.tell(Status("generating_response"))
    return True


async def _call_tool(context: RunContext, turn: Turn, call: ToolCall, progress: Progress) -> ToolResult | None:
    """What came of a call; None if it needs an approval that nobody has given yet."""
    arguments = parse_arguments(call.arguments)
    if tool := TOOLS.get(call.name):
        context.tell(Status(tool.status))
    context.tell(ToolCallTold(call.name, arguments or {}, "started", ""))
    where = (progress.key, progress.base_version_id)
    result = await context.db(execute_tool, context.run, turn.draft, call.name, arguments, *where)
    if result is None:
        return None
    failpoint("after_tool")
    context.tell(ToolCallTold(call.name, arguments or {}, result.status, result.text))
    if result.status == "succeeded":
        context.tell(await context.db(ProjectUpdated.of, turn.draft.pk))
    return result


async def _wait(context: RunContext, turn: Turn, progress: Progress, call: ToolCall) -> None:
    version = await context.db(_active_version, turn.draft)
    arguments = parse_arguments(call.arguments) or {}
    approval = {"tool": call.name, "arguments": arguments, "draft_version_id": version}
    step = {"turn": progress.packed(), "text": context.text, "usage": context.usage, "approval": approval}
    step["asked_for"] = progress.key
    await context.suspend(step, ApprovalRequired(str(context.run.id), call.name, arguments, version))


def _active_version(draft: ProjectDraft) -> int | None:
    return ProjectDraft.objects.values_list("active_version_id", flat=True).get(pk=draft.pk)


async def _finish(context: RunContext, turn: Turn, stop_reason: StopReason) -> None:
    if not context.text.strip():
        context.say(await context.db(said_by_deeds, context.run))
    if not context.text.strip():
        raise nothing_said(stop_reason)
    if context.usage:
        context.tell(UsageTold(**context.usage))
    text = context.text

    def write(run: Run) -> dict[str, Any]:
        store_answer(run, text, model=turn.model_name, prompt_version=turn.prompt_version)
        updated = DraftVersion.objects.filter(run=run).exists()
        return {"project_updated": updated, "stop_reason": stop_reason}

    await context.finish(write)

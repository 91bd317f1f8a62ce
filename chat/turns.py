"""One chat turn: the model answers, may call tools, and answers again, a bounded number of times."""

from contextlib import aclosing
from functools import partial
from typing import Any, NamedTuple

from django.conf import settings
from django.db import transaction

from accounts.models import User
from chat import services
from chat.context import Turn, load_turn
from chat.events import ProjectUpdated, ReasoningTold, ToolCallTold, terminal_of
from chat.models import ChatMessage
from chat.tools import TOOLS, ToolInput, ToolResult, parse_arguments
from conversations.models import Run
from conversations.runs import lifecycle
from conversations.runs.context import RunContext
from conversations.runs.events import Event, Status, UsageTold
from conversations.runs.handlers import RunFailed
from drafts.models import DraftVersion, ProjectDraft
from integrations.llm import registry
from integrations.llm.errors import LLMError
from integrations.llm.events import Finished, ReasoningDelta, StopReason, TextDelta, ToolCall, Usage
from integrations.llm.messages import ChatRequest, Message, Part, TextPart, ToolCallPart, ToolResultPart
from integrations.llm.retry import stream_with_retry


class Round(NamedTuple):
    """What the model did in one call: the text it wrote, the tools it called, and why it stopped."""

    text: str
    calls: list[ToolCall]
    stop_reason: StopReason


class ChatTurnHandler:
    async def execute(self, context: RunContext) -> None:
        context.tell(Status("analyzing_request"))
        turn = await context.db(load_turn, context.run)
        messages = list(turn.request.messages)
        for number in range(settings.TOOL_ROUNDS):
            answer = await _ask(context, turn, messages)
            if not answer.calls:
                break
            context.tell(Status("executing_tools"))
            messages += await _call_tools(context, turn, answer, number)
            context.tell(Status("generating_response"))
        await _finish(context, turn, answer)

    def interrupted(self, run: Run, text: str, reason: str) -> dict[str, Any]:
        """What the member has seen of the answer stays, as a message of a run that failed or was cancelled."""
        if text.strip():
            _store_answer(
                run, text, model=f"{run.payload['llm_provider']}/{run.payload['llm_model']}", prompt_version=None
            )
        return {}

    def terminal(self, run: Run) -> Event:
        return terminal_of(run)


async def _ask(context: RunContext, turn: Turn, messages: list[Message]) -> Round:
    request = ChatRequest(
        turn.request.model, tuple(messages), turn.request.tools, turn.request.max_output_tokens, turn.request.options
    )
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
    return Round("".join(text), calls, stop_reason)


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


async def _call_tools(context: RunContext, turn: Turn, answer: Round, number: int) -> list[Message]:
    """Executes a round's calls; returns them and their results as the messages that the next round goes on from."""
    asked: list[Part] = [TextPart(answer.text)] if answer.text else []
    asked += [ToolCallPart(call.call_id, call.name, call.arguments) for call in answer.calls]
    results = [
        Message("tool", (await _call_tool(context, turn, call, f"{number}.{position}"),))
        for position, call in enumerate(answer.calls)
    ]
    return [Message("assistant", tuple(asked)), *results]


async def _call_tool(context: RunContext, turn: Turn, call: ToolCall, key: str) -> ToolResultPart:
    arguments = parse_arguments(call.arguments)
    tool = TOOLS.get(call.name)
    if tool is not None:
        context.tell(Status(tool.status))
    context.tell(ToolCallTold(call.name, arguments or {}, "started", ""))
    result = await context.db(execute_tool, context.run, turn.draft, call.name, arguments, key)
    context.tell(ToolCallTold(call.name, arguments or {}, result.status, result.text))
    if result.status == "succeeded":
        context.tell(await context.db(ProjectUpdated.of, turn.draft.pk))
    return ToolResultPart(call.call_id, call.name, result.text, is_error=result.status != "succeeded")


@transaction.atomic
def execute_tool(run: Run, draft: ProjectDraft, name: str, arguments: dict[str, Any] | None, key: str) -> ToolResult:
    """One tool call in one transaction, by the run's present owner only. Raises `LostRun`."""
    if int(key.split(".")[1]) >= settings.TOOL_CALLS_PER_ROUND:
        return ToolResult("rejected", f"At most {settings.TOOL_CALLS_PER_ROUND} tools may be called at once.")
    if name not in TOOLS:
        return ToolResult("rejected", f"There is no tool of this name; there are: {', '.join(TOOLS)}.")
    if arguments is None:
        return ToolResult("rejected", "The arguments are not one valid JSON object. Send them again.")
    row = lifecycle.lock_run(run)
    return TOOLS[name].handler(ToolInput(row, draft, key, arguments))


async def _finish(context: RunContext, turn: Turn, answer: Round) -> None:
    if not context.text.strip():
        context.say(await context.db(_said_by_deeds, context.run))
    if not context.text.strip():
        raise _nothing_said(answer.stop_reason)
    if context.usage:
        context.tell(UsageTold(**context.usage))
    text = context.text

    def write(run: Run) -> dict[str, Any]:
        _store_answer(run, text, model=turn.model_name, prompt_version=turn.prompt_version)
        updated = DraftVersion.objects.filter(run=run).exists()
        return {"project_updated": updated, "stop_reason": answer.stop_reason}

    await context.finish(write)


def _said_by_deeds(run: Run) -> str:
    """For a model that changed the draft without a word: the word."""
    version = DraftVersion.objects.filter(run=run).order_by("-version_number").first()
    return f"I updated the draft: “{version.title}” is now version {version.version_number}." if version else ""


def _nothing_said(stop_reason: StopReason) -> RunFailed:
    if stop_reason == "refusal":
        return RunFailed("provider_refused", "The model declined to answer this.")
    return RunFailed("empty_output", "The model gave an empty answer. Try again, or try another model.", retryable=True)


def _store_answer(run: Run, text: str, *, model: str, prompt_version: int | None) -> None:
    draft = ProjectDraft.objects.get(conversation__runs=run)
    services.append(
        draft=draft,
        role=ChatMessage.Role.ASSISTANT,
        content=text,
        user=User(pk=run.user_id),
        run=run,
        model=model,
        prompt_version=prompt_version,
    )

"""A provider without a model: what a newcomer meets before any key is set, and what tests and demonstrations use."""

import asyncio
import json
import re
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import Any

from config.text import shorten
from integrations.llm.demo_draft import Draft, change, current_draft, drafted, small_change
from integrations.llm.events import Finished, LLMEvent, TextDelta, ToolCall, Usage
from integrations.llm.messages import ChatRequest, Role, TextPart, ToolCallPart, ToolResultPart

CHARACTERS_PER_TOKEN = 4

_CHANGE = re.compile(
    r"\b(?:update|change|rewrite|rename|retitle|shorten|condense|trim|add|append|include|insert|remove|delete|replace|edit"
    r"|improve|expand|revise|rework|reword)\b|\bcall it\b|\bmake it\b",
    re.I,
)
_QUESTION = re.compile(r"\s*(?:what|why|how|when|who|which|where)\b", re.I)
_PROJECT = re.compile(r"\bcreate (?:the |a )?(?:linear )?project\b", re.I)
_WORD = re.compile(r"\S{1,24}\s*|\s+")

ABOUT = (
    "I am the demo provider: no model key is configured, so no language model wrote this. "
    "For real answers set a key, such as `OPENAI_API_KEY`, in the environment or in `.env`, and restart Draftloom."
)
OFFER = "I can still change the draft: try “add a section about risks” or “rename the draft to Apollo”."


@dataclass(frozen=True, slots=True)
class _Reply:
    text: str = ""
    call: ToolCall | None = None


class DemoProvider:
    """Answers by fixed rules, the same request always in the same way, one word every `delay_ms` milliseconds."""

    name = "demo"

    def __init__(self, delay_ms: float = 15.0) -> None:
        self._delay = delay_ms / 1000

    async def aclose(self) -> None:
        """Has no connections."""

    async def prepare(self) -> None:
        """There is nothing to get ready."""

    async def stream(self, request: ChatRequest) -> AsyncGenerator[LLMEvent, None]:
        """See `LLMProvider.stream`; never fails."""
        reply = _reply(request)
        text = reply.text[: request.max_output_tokens * CHARACTERS_PER_TOKEN]
        for word in _WORD.findall(text):
            await asyncio.sleep(self._delay)
            yield TextDelta(word)
        if reply.call:
            yield reply.call
        yield Usage(_tokens("".join(message.text for message in request.messages)), _tokens(text))
        yield Finished("tool_calls" if reply.call else "length" if len(text) < len(reply.text) else "stop")


def _reply(request: ChatRequest) -> _Reply:
    if request.messages and request.messages[-1].role == "tool":
        return _Reply(_after_tools(request))
    system, wish = _said(request, "system"), _last_wish(request)
    if _wants_generation(request, system):
        draft = drafted(wish)
        return _Reply(f"<title>{draft.title}</title>\n<description>{draft.description}</description>")
    if tool := _wanted_tool(request, system, wish):
        return _Reply(call=ToolCall(f"demo_call_{_rounds(request) + 1}", tool, _arguments(tool, system, wish)))
    return _Reply(_small_talk(system, wish))


def _wants_generation(request: ChatRequest, system: str) -> bool:
    asks = "<title>" in system and "<description>" in system and "<current_draft>" not in system
    return asks and not request.tools


def _wanted_tool(request: ChatRequest, system: str, wish: str) -> str:
    """The name of the offered tool that `wish` is about; empty if none."""
    offered = {tool.name for tool in request.tools}
    if _QUESTION.match(wish):
        return ""
    if _PROJECT.search(wish) and "create_linear_project" in offered:
        return "create_linear_project"
    if not _CHANGE.search(wish):
        return ""
    if "edit_project_draft" in offered and small_change(current_draft(system), wish):
        return "edit_project_draft"
    return "update_project_draft" if "update_project_draft" in offered else ""


def _arguments(tool: str, system: str, wish: str) -> str:
    current = current_draft(system)
    given: dict[str, Any] = {}
    if tool == "update_project_draft":
        draft = change(current, wish).draft
        given = {"title": draft.title, "description": draft.description}
    elif tool == "edit_project_draft" and (small := small_change(current, wish)):
        given = {"edits": [{"old": small.old, "new": small.new}] if small.old else [], "title": small.title}
    return json.dumps(given, ensure_ascii=False)


def _after_tools(request: ChatRequest) -> str:
    """What came of the calls whose results are the last message."""
    results = [part for part in request.messages[-1].parts if isinstance(part, ToolResultPart)]
    current = current_draft(_said(request, "system"))
    return " ".join([*(_outcome(result, current, _last_wish(request)) for result in results), ABOUT])


def _outcome(result: ToolResultPart, current: Draft, wish: str) -> str:
    if result.is_error:
        return f"I called `{result.name}`, but it was refused: {shorten(result.content, 300)}"
    if result.name == "edit_project_draft" and (small := small_change(current, wish)):
        return f"Done: I {small.summary}."
    if result.name == "update_project_draft":
        return f"Done: I {change(Draft('', ''), wish).summary}."
    return f"I called `{result.name}`, and it worked."


def _small_talk(system: str, wish: str) -> str:
    heard = f"You wrote: “{shorten(' '.join(wish.split()), 200)}”. " if wish.strip() else ""
    subject = f"The draft is called “{current_draft(system).title}”. " if "<current_draft>" in system else ""
    return f"{heard}{subject}{ABOUT} {OFFER}"


def _said(request: ChatRequest, role: Role) -> str:
    return "\n".join(message.text for message in request.messages if message.role == role)


def _last_wish(request: ChatRequest) -> str:
    """What the member has said last, without the files that came with it."""
    parts = next((message.parts for message in reversed(request.messages) if message.role == "user"), ())
    return next((part.text for part in parts if isinstance(part, TextPart)), "")


def _rounds(request: ChatRequest) -> int:
    return sum(isinstance(part, ToolCallPart) for message in request.messages for part in message.parts)


def _tokens(text: str) -> int:
    return len(text) // CHARACTERS_PER_TOKEN

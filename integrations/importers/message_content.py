"""The content of a message as the APIs of language models write it: a text, or a list of typed parts."""

from collections.abc import Iterator
from typing import Any

from integrations.importers.base import Role
from integrations.importers.turns import Turns, joined
from integrations.importers.values import dict_or_empty, string

USERS = frozenset({"user", "human"})
ASSISTANTS = frozenset({"assistant", "model", "ai", "bot", "gpt", "chatgpt", "bing", "bard", "claude"})
TOOLS = frozenset({"tool", "function", "function_call", "observation", "ipython"})
HIDDEN = frozenset({"system", "developer"})
ROLES = USERS | ASSISTANTS | TOOLS | HIDDEN

_TEXTS = frozenset({"text", "input_text", "output_text", "markdown"})
_LEFT_OUT = {
    **dict.fromkeys(("think", "thinking", "redacted_thinking", "reasoning", "reasoning_content"), "reasoning"),
    **dict.fromkeys(("tool_use", "tool_call", "function_call", "tool-call"), "tool_call"),
    **dict.fromkeys(("tool_result", "function_call_output", "tool-result"), "tool_result"),
    "error": "error",
}
_PLACEHOLDERS = {
    **dict.fromkeys(("image", "image_url", "image_file", "input_image"), "image"),
    **dict.fromkeys(("audio", "input_audio", "output_audio"), "audio"),
    **dict.fromkeys(("file", "input_file", "document", "attachment"), "file"),
}


def role_of(name: Any) -> Role | None:
    """Who speaks under this name, in either case; None for tools, systems and the unknown."""
    lowered = string(name).lower()
    if lowered in USERS:
        return "user"
    return "assistant" if lowered in ASSISTANTS else None


def count_silent(name: Any, turns: Turns) -> None:
    """Counts a message of somebody's for whom `role_of` is None; a system's is part of no chat and not counted."""
    lowered = string(name).lower()
    if lowered in TOOLS:
        turns.leave_out("tool_result")
    elif lowered not in HIDDEN:
        turns.leave_out("unknown")


def content_markdown(content: Any, turns: Turns) -> str:
    """The Markdown of `content`, with a placeholder for what is not text; what is left out is counted in `turns`."""
    if isinstance(content, str):
        return content
    parts = content if isinstance(content, list) else [content]
    return joined([text for part in parts for text in _part(part, turns)])


def _part(part: Any, turns: Turns) -> Iterator[str]:
    if isinstance(part, str):
        yield part
    elif isinstance(part, dict):
        yield _typed(part, turns)


def _typed(part: dict[str, Any], turns: Turns) -> str:
    kind = string(part.get("type")).lower()
    if kind in _TEXTS or (not kind and "text" in part):
        text = part.get("text")
        return string(text) or string(dict_or_empty(text).get("value"))
    if kind == "refusal":
        return string(part.get("refusal"))
    if kind in _PLACEHOLDERS:
        return turns.placeholder(_PLACEHOLDERS[kind], part.get("filename") or part.get("name"))
    turns.leave_out(_LEFT_OUT.get(kind, "unknown"))
    return ""

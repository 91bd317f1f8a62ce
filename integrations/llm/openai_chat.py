"""OpenAI's Chat Completions on the wire: the body of a request and the events in an answer's bytes. No SDK here."""

from typing import Any

from config.text import clean_text
from integrations.llm.answer import Answer
from integrations.llm.errors import ProviderRefused
from integrations.llm.events import StopReason, Usage
from integrations.llm.messages import ChatRequest, FilePart, Message, TextPart, ToolCallPart, ToolResultPart, ToolSpec

_STOP_REASONS: dict[str, StopReason] = {"length": "length", "content_filter": "refusal"}
_BROKEN = {"error", "insufficient_system_resource"}  # what compatible servers give as the reason when they failed


def request_body(request: ChatRequest) -> dict[str, Any]:
    """The JSON members of `POST /chat/completions`. Raises `ProviderRefused` for a file that this wire can't carry.

    `request.options["max_tokens_field"]` names the member that caps the answer, `max_tokens` if absent.
    """
    body: dict[str, Any] = {
        "model": request.model,
        "messages": [entry for message in request.messages for entry in _entries(message)],
        request.options.get("max_tokens_field", "max_tokens"): request.output_cap,
        "stream": True,
        "stream_options": {"include_usage": True},
    }
    if request.tools:
        body["tools"] = [_tool(tool) for tool in request.tools]
    return body


def _entries(message: Message) -> list[dict[str, Any]]:
    """A message of ours; each tool result is a message of its own."""
    if message.role == "tool":
        results = [part for part in message.parts if isinstance(part, ToolResultPart)]
        return [{"role": "tool", "tool_call_id": part.call_id, "content": clean_text(part.content)} for part in results]
    entry: dict[str, Any] = {"role": message.role, "content": _content(message)}
    if calls := [_call(part) for part in message.parts if isinstance(part, ToolCallPart)]:
        entry |= {"content": entry["content"] or None, "tool_calls": calls}
    return [entry]


def _content(message: Message) -> str | list[dict[str, Any]]:
    """Plain text, which every compatible server takes, unless there are files."""
    if not any(isinstance(part, FilePart) for part in message.parts):
        return clean_text(message.text)
    parts = [part for part in message.parts if isinstance(part, FilePart | TextPart)]
    return [
        _file(part) if isinstance(part, FilePart) else {"type": "text", "text": clean_text(part.text)} for part in parts
    ]


def _file(part: FilePart) -> dict[str, Any]:
    if part.is_image:
        return {"type": "image_url", "image_url": {"url": part.url or part.data_url}}
    if not part.data:
        raise ProviderRefused("This model takes a PDF only with its bytes, not by an address.")
    return {"type": "file", "file": {"filename": clean_text(part.filename), "file_data": part.data_url}}


def _call(part: ToolCallPart) -> dict[str, Any]:
    return {"id": part.call_id, "type": "function", "function": {"name": part.name, "arguments": part.arguments}}


def _tool(tool: ToolSpec) -> dict[str, Any]:
    described = {"name": tool.name, "description": tool.description, "parameters": dict(tool.schema)}
    return {"type": "function", "function": described}


class ChatAnswer(Answer):
    """An answer in `chat.completion.chunk` documents, ended by `[DONE]`."""

    def _take(self, document: Any) -> None:
        if error := document.get("error"):
            self._fail(error)
            return
        if usage := document.get("usage"):
            self._usage = _usage(usage)
        for choice in document.get("choices") or ():
            self._delta(choice.get("delta") or {})
            if reason := choice.get("finish_reason"):
                self._stopped(reason)

    def _delta(self, delta: dict[str, Any]) -> None:
        if said := delta.get("content"):
            self._say(said)
        if thought := delta.get("reasoning_content") or delta.get("reasoning"):
            self._think(thought)
        if refusal := delta.get("refusal"):
            self._refuse(refusal)
        for piece in delta.get("tool_calls") or ():
            self._collect(piece)

    def _collect(self, piece: dict[str, Any]) -> None:
        """A piece of a call belongs to the call with its `index`; a server that sends none sends whole calls."""
        given = piece.get("index")
        index = len(self._calls) if given is None else int(given)
        call, function = self._call(index), piece.get("function") or {}
        call.call_id = piece.get("id") or call.call_id
        call.name = function.get("name") or call.name
        self._argue(index, function.get("arguments") or "")

    def _stopped(self, reason: str) -> None:
        if reason in _BROKEN:
            self._fail(reason)
        else:
            self._finish(_STOP_REASONS.get(reason, "stop"))


def _usage(usage: dict[str, Any]) -> Usage:
    """Some vendors, xAI among them, count thoughts in the total only and not in `completion_tokens`."""
    given, made = int(usage.get("prompt_tokens") or 0), int(usage.get("completion_tokens") or 0)
    details = usage.get("prompt_tokens_details") or {}
    total = int(usage.get("total_tokens") or 0)
    return Usage(given, max(made, total - given), int(details.get("cached_tokens") or 0))

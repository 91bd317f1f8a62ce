"""OpenAI's Responses on the wire: the body of a request and the events in an answer's bytes. No SDK here."""

from collections.abc import Iterator, Mapping
from typing import Any

from config.limits import ANSWER_CHARACTERS
from config.text import clean_text
from integrations.llm.answer import Answer
from integrations.llm.events import StopReason, Usage
from integrations.llm.messages import ChatRequest, FilePart, Message, TextPart, ToolCallPart, ToolResultPart, ToolSpec

_STOP_REASONS: dict[str, StopReason] = {"max_output_tokens": "length", "content_filter": "refusal"}


def request_body(request: ChatRequest) -> dict[str, Any]:
    """The JSON members of `POST /responses`. OpenAI keeps nothing: the history is sent each time.

    Thoughts count as output here, so that a cap made for visible text would cut an answer off before it begins: one is
    sent only if the model's row has an `output_cap`.
    """
    body: dict[str, Any] = {
        "model": request.model,
        "input": [item for message in request.messages for item in _items(message)],
        "stream": True,
        "store": False,
    }
    if "output_cap" in request.options:
        body["max_output_tokens"] = request.output_cap
    if request.tools:
        body["tools"] = [_tool(tool) for tool in request.tools]
    return body


def _items(message: Message) -> Iterator[dict[str, Any]]:
    """Each tool call and each result is an item of its own beside the messages."""
    if content := _content(message):
        yield {"role": message.role, "content": content}
    for part in message.parts:
        match part:
            case ToolCallPart():
                called = {"call_id": part.call_id, "name": part.name, "arguments": part.arguments}
                yield {"type": "function_call", **called}
            case ToolResultPart():
                yield {"type": "function_call_output", "call_id": part.call_id, "output": clean_text(part.content)}


def _content(message: Message) -> str | list[dict[str, Any]]:
    if not any(isinstance(part, FilePart) for part in message.parts):
        return clean_text(message.text)
    parts = [part for part in message.parts if isinstance(part, FilePart | TextPart)]
    return [
        _file(part) if isinstance(part, FilePart) else {"type": "input_text", "text": clean_text(part.text)}
        for part in parts
    ]


def _file(part: FilePart) -> dict[str, Any]:
    if part.is_image:
        return {"type": "input_image", "image_url": part.url or part.data_url}
    if part.url:
        return {"type": "input_file", "file_url": part.url}
    return {"type": "input_file", "filename": clean_text(part.filename), "file_data": part.data_url}


def _tool(tool: ToolSpec) -> dict[str, Any]:
    """`strict`, which keeps a model to the schema, where the schema allows it; the vendor takes it for granted."""
    schema = {"additionalProperties": False, **tool.schema}
    strict = _is_closed(schema)
    described = {"name": tool.name, "description": tool.description}
    return {"type": "function", "strict": strict, **described, "parameters": schema if strict else dict(tool.schema)}


def _is_closed(schema: Mapping[str, Any]) -> bool:
    """Whether at every depth an object lets in only the members that it names and requires all of them."""
    match schema.get("type"):
        case "object":
            members = schema.get("properties", {})
            is_whole = schema.get("additionalProperties") is False and set(schema.get("required", ())) == set(members)
            return is_whole and all(map(_is_closed, members.values()))
        case "array":
            return _is_closed(schema.get("items", {}))
        case kind:
            return kind is not None


class ResponsesAnswer(Answer):
    """An answer in `response.*` documents; the last one is `completed`, `incomplete` or `failed`."""

    def __init__(self, cap: int = ANSWER_CHARACTERS) -> None:
        super().__init__(cap)
        self._places: dict[str, int] = {}

    def _take(self, document: Any) -> None:
        match document.get("type"):
            case "response.output_text.delta":
                self._say(document["delta"])
            case "response.reasoning_summary_text.delta" | "response.reasoning_text.delta":
                self._think(document["delta"])
            case "response.refusal.delta":
                self._refuse(document["delta"])
            case "response.function_call_arguments.delta":
                self._argue(self._place(document), document["delta"])
            case "response.function_call_arguments.done":
                self._complete(self._place(document), document)
            case "response.output_item.added" | "response.output_item.done":
                self._note(document, document["item"])
            case "response.completed" | "response.incomplete" | "response.failed":
                self._end(document["response"])
            case "error":
                self._fail(document.get("error") or document)

    def _place(self, document: dict[str, Any]) -> int:
        """Where in the answer a document's item stands; by the item's id for servers that leave out the index."""
        if (index := document.get("output_index")) is not None:
            return int(index)
        return self._places.setdefault(document.get("item_id") or document["item"]["id"], len(self._places))

    def _note(self, document: dict[str, Any], item: dict[str, Any]) -> None:
        """An item that begins or is complete; of interest are calls."""
        if item["type"] != "function_call":
            return
        index = self._place(document)
        call = self._call(index)
        call.call_id, call.name = item["call_id"], item["name"]
        if document["type"] == "response.output_item.done":
            self._complete(index, item)

    def _complete(self, index: int, whole: dict[str, Any]) -> None:
        """The whole arguments, for a server that did not send them in pieces before."""
        if not self._call(index).arguments.tell():
            self._argue(index, whole.get("arguments") or "")

    def _end(self, response: dict[str, Any]) -> None:
        if usage := response.get("usage"):
            self._usage = _usage(usage)
        if response.get("status") == "failed":
            self._fail(response.get("error"))
            return
        details = response.get("incomplete_details") or {}
        self._finish(_STOP_REASONS.get(details.get("reason", ""), "stop"))
        self.is_over = True


def _usage(usage: dict[str, Any]) -> Usage:
    details = usage.get("input_tokens_details") or {}
    return Usage(
        int(usage.get("input_tokens") or 0),
        int(usage.get("output_tokens") or 0),
        int(details.get("cached_tokens") or 0),
    )

"""The content of one Grok response as Markdown."""

import json
import re
from collections.abc import Iterator
from typing import Any

from integrations.importers.base import Role
from integrations.importers.chatgpt_content import GENERATED_IMAGE
from integrations.importers.citations import web_link
from integrations.importers.turns import Turns, joined
from integrations.importers.values import dict_or_empty, dicts, list_or_empty, string

_CARD = re.compile(r"<(grok:render|xai:tool_usage_card)\b")
_ATTRIBUTE = re.compile(r'([a-z_]{1,40})="([^"]{0,200})"')
_TAG_CHARACTERS = 4000
_REASONING_CHANNEL = re.compile("think|reason", re.IGNORECASE)
_REASONING_FIELDS = ("thinking_trace", "agent_thinking_traces", "steps")


def without_reasoning(response: dict[str, Any], turns: Turns) -> dict[str, Any]:
    """`response` with its thoughts and search results counted; neither is ever shown."""
    if any(response.get(name) for name in _REASONING_FIELDS):
        turns.omitted["reasoning"] += 1
    if list_or_empty(response.get("web_search_results")):
        turns.omitted["tool_result"] += 1
    return response


def response_text(response: dict[str, Any], role: Role, turns: Turns) -> str:
    """The Markdown of `response`, with placeholders for cards, images and files, which are counted."""
    if role == "user":
        said = (response.get("message"), response.get("query"), _chunks(response.get("input_chunks"), turns))
        text = next((string(part) for part in said if string(part).strip()), "")
    else:
        text = string(response.get("message"))
        if not text.strip():
            text = _chunks(response.get("output_chunks"), turns)
        text = _without_cards(text, response, turns)
    return joined([text, *_images(response, turns), *_files(response, turns)])


def _chunks(value: Any, turns: Turns) -> str:
    """The text of the chunks of an answer, which is cut anywhere; those of a reasoning channel are only counted."""
    said = []
    for chunk in dicts(value):
        inner = chunk.get("text")
        channel = string(dict_or_empty(inner).get("channel")) or string(chunk.get("channel"))
        text = inner if isinstance(inner, str) else string(dict_or_empty(inner).get("text"))
        if _REASONING_CHANNEL.search(channel[:100]):
            turns.omitted["reasoning"] += 1
        else:
            said.append(text)
    return "".join(said)


def _without_cards(text: str, response: dict[str, Any], turns: Turns) -> str:
    """`text` with each card replaced: a citation by its link, other cards by a placeholder, tools by nothing."""
    if "<grok:render" not in text and "<xai:tool_usage_card" not in text:
        return text
    turns.charge(len(text))
    addresses, pieces, position = _addresses(response), list[str](), 0
    unclosed: set[str] = set()
    for match in _CARD.finditer(text):
        if match.start() < position:
            continue
        opened = text.find(">", match.end(), match.end() + _TAG_CHARACTERS) + 1 or match.end()
        pieces += text[position : match.start()], _card(match[1], text[match.end() : opened], addresses, turns)
        position = opened
        if match[1] not in unclosed and not text.endswith("/>", 0, opened):
            closing = f"</{match[1]}>"
            closed = text.find(closing, opened)
            position = closed + len(closing) if closed >= 0 else opened
            if closed < 0:
                unclosed.add(match[1])  # not looked for again: each look reads all the rest
    return "".join([*pieces, text[position:]])


def _card(name: str, tag: str, addresses: dict[str, str], turns: Turns) -> str:
    if name == "xai:tool_usage_card":
        turns.omitted["tool_call"] += 1
        return ""
    attributes = dict(_ATTRIBUTE.findall(tag))
    kind = attributes.get("type", "")
    if "citation" in kind:
        return f" ({link})" if (link := addresses.get(attributes.get("card_id", ""))) else ""
    if "image" in kind:
        turns.omitted["image"] += 1
        return GENERATED_IMAGE if "generated" in kind else "[image]"
    turns.omitted["tool_result"] += 1
    return "[card]"


def _addresses(response: dict[str, Any]) -> dict[str, str]:
    """The links that cards cite, by the cards' ids."""
    found = {}
    for text in list_or_empty(response.get("card_attachments_json")):
        try:
            card = json.loads(text) if isinstance(text, str) else text
        except (ValueError, RecursionError):
            continue
        card = dict_or_empty(card)
        if "](" in (link := web_link(card)):
            found[string(card.get("id"))] = link
    return found


def _images(response: dict[str, Any], turns: Turns) -> Iterator[str]:
    """A placeholder for each image; Grok's own lie behind relative addresses that only its owner may open."""
    for name, placeholder in (("image_attachments", "[image]"), ("generated_image_urls", GENERATED_IMAGE)):
        for _ in filter(None, list_or_empty(response.get(name))):
            turns.omitted["image"] += 1
            yield placeholder


def _files(response: dict[str, Any], turns: Turns) -> Iterator[str]:
    described = dicts(response.get("file_attachments_metadata"))
    attached = [item for item in list_or_empty(response.get("file_attachments")) if item]
    for item in described or attached:
        file = dict_or_empty(item)
        name = string(file.get("fileName")) or string(file.get("file_name"))
        if (string(file.get("fileMimeType")) or string(file.get("file_mime_type"))).startswith("image/"):
            turns.omitted["image"] += 1
            yield "[image]"
        else:
            turns.omitted["file"] += 1
            yield f"[file: {name[:200]}]" if name else "[file]"

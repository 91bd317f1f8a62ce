"""Finds a shared ChatGPT conversation in the state of its page, and reads that state if it comes as JSON."""

from collections.abc import Iterator
from typing import Any

from integrations.importers import chatgpt
from integrations.importers.base import ImportedChat, ImporterError
from integrations.importers.values import dict_or_empty, string

PARSER = "chatgpt-share-state/1"

_CHANGED = (
    "This looks like the data of a ChatGPT page, but no conversation in it can be read. "
    "Copy the chat's text from the page and paste it instead."
)


def matches(value: Any) -> bool:
    """Whether `value` is a page's state or the part of it that belongs to a share's route."""
    return bool(_shares(value)) or "serverResponse" in dict_or_empty(value)


def read(state: Any, filename: str = "") -> ImportedChat:
    """The conversation in a state that `matches`. Raises `ImporterError` `format_changed`, `no_messages`."""
    found = find(state)
    if found is None:
        raise ImporterError(_CHANGED, code="format_changed", extra={"stage": "no_conversation"})
    return read_found(*found, filename=filename, parser=PARSER)


def read_found(
    data: dict[str, Any], meta: dict[str, Any], *, filename: str, parser: str, title: str = ""
) -> ImportedChat:
    """What `find` gave; named by itself, else by the page's `meta`, else `title`."""
    names = (string(value) for value in (data.get("title"), meta.get("title"), title))
    named = next((name for name in names if name.strip()), "").removeprefix("ChatGPT - ")
    return chatgpt.read(data | {"title": named}, filename, parser=parser)


def find(root: Any) -> tuple[dict[str, Any], dict[str, Any]] | None:
    """The conversation and the page's `meta`, where they are expected or, failing that, anywhere in `root`."""
    for share in (dict_or_empty(root), *_shares(root)):
        data = dict_or_empty(share.get("serverResponse")).get("data")
        if chatgpt.matches(data):
            return dict_or_empty(data), dict_or_empty(share.get("meta"))
    for value in _dicts_within(root):
        if ("current_node" in value or "linear_conversation" in value) and chatgpt.matches(value):
            return value, {}
    return None


def is_share(root: Any) -> bool:
    """Whether `root` is the state of a share's page, with or without the conversation."""
    return bool(_shares(root))


def _shares(root: Any) -> list[dict[str, Any]]:
    """What belongs to a share's route, in each generation of the page."""
    state = dict_or_empty(root)
    pages = dict_or_empty(dict_or_empty(state.get("props")).get("pageProps"))
    routes = dict_or_empty(state.get("loaderData") or dict_or_empty(state.get("state")).get("loaderData") or state)
    shares = [dict_or_empty(route) for name, route in routes.items() if name.startswith("routes/share")]
    return [pages, *shares] if "serverResponse" in pages else shares


def _dicts_within(root: Any) -> Iterator[dict[str, Any]]:
    todo, seen = [root], set()
    while todo:
        value = todo.pop()
        if not isinstance(value, dict | list) or id(value) in seen:
            continue
        seen.add(id(value))
        if isinstance(value, dict):
            yield value
        todo.extend(value.values() if isinstance(value, dict) else value)

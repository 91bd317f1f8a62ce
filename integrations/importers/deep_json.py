"""Parses JSON that nests deeper than Python's own parser goes, as when each answer stands within its question."""

from collections.abc import Callable
from io import BytesIO
from typing import Any

import ijson

MAX_DEPTH = 20_000  # a chat of 10,000 messages, each a list in an object

_EMPTY: dict[str, Callable[[], Any]] = {"start_map": dict, "start_array": list}


def parsed(text: str) -> Any:
    """The value that `text` is. Raises `ValueError` if it is none, `RecursionError` beyond `MAX_DEPTH`."""
    top: list[Any] = []
    containers: list[Any] = [top]
    keys: list[str] = [""]  # of the member that each container on the way holds next
    try:
        for event, value in ijson.basic_parse(BytesIO(text.encode("utf-8", "replace")), use_float=True):
            if event == "map_key":
                keys[-1] = value
            elif event in ("end_map", "end_array"):
                containers.pop()
                keys.pop()
            else:
                made = _EMPTY[event]() if event in _EMPTY else value
                _put(made, containers[-1], keys[-1])
                if event in _EMPTY:
                    containers.append(made)
                    keys.append("")
            if len(containers) > MAX_DEPTH:
                raise RecursionError
    except ijson.JSONError as error:
        raise ValueError("not JSON") from error
    return top[0]


def _put(value: Any, container: Any, key: str) -> None:
    if isinstance(container, dict):
        container[key] = value
    else:
        container.append(value)

"""Mends the chain of parents in a chat's tree where it is broken, so that no message above the break is lost."""

from collections.abc import Callable, Mapping
from typing import Any

Message = dict[str, Any]


def mended(
    nodes: Mapping[str, Message],
    *,
    named: Callable[[Message], str],
    time: Callable[[Message], float],
    is_start: Callable[[Message], bool],
) -> Callable[[Message], str | None]:
    """The id of a message's parent in `nodes`, which are in the order in which they were said.

    It is the one that the message has `named`, unless that is not among `nodes`, as where only a part of a chat was
    shared, or was said later, as in a circle: then the message before it. None where `is_start`.
    """
    before = dict(zip(map(id, nodes.values()), [None, *nodes], strict=False))

    def parent(message: Message) -> str | None:
        name = named(message)
        if is_start(message):
            return None
        above = nodes.get(name)
        is_sound = above is not None and above is not message and not 0 < time(message) < time(above)
        return name if is_sound else before[id(message)]

    return parent

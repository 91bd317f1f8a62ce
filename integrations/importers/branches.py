"""Finds the branch of a chat's tree that was last looked at. Edits and regenerated answers are other branches."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

Node = TypeVar("Node")


@dataclass(frozen=True, slots=True)
class Branch(Generic[Node]):
    """`nodes` from the first to the last, `others`: how many leaves stand beside it.

    `is_chosen` is false where the chat named no branch, so that the newest leaf decided.
    """

    nodes: list[Node]
    others: int
    is_chosen: bool


def active_branch(
    nodes: Mapping[str, Node],
    current: Any,
    *,
    parent: Callable[[Node], Any],
    time: Callable[[Node], float],
    is_message: Callable[[Node], bool] = bool,
) -> Branch[Node]:
    """The branch that ends with the node whose id is `current`; if there is none, with the newest leaf.

    `parent(node)` is the id of a node's parent, or anything that is no id of `nodes` for a first one. A circle is left
    where it closes. A leaf is a node that `is_message` and has none below it; of leaves with the same `time(node)` the
    last in `nodes` is the newest. Linear in `nodes`.
    """
    messages = {node_id: node for node_id, node in nodes.items() if is_message(node)}
    parents = {above for node in messages.values() if isinstance(above := parent(node), str)}
    leaves = [node_id for node_id in messages if node_id not in parents]
    is_chosen = isinstance(current, str) and current in nodes
    last = current if is_chosen else _newest(leaves or list(messages), nodes, time)
    branch = dict(_ancestry(nodes, last, parent))
    return Branch(list(branch.values())[::-1], sum(leaf not in branch for leaf in leaves), is_chosen)


def _newest(candidates: list[str], nodes: Mapping[str, Node], time: Callable[[Node], float]) -> str | None:
    return max(reversed(candidates), key=lambda node_id: time(nodes[node_id]), default=None)


def _ancestry(nodes: Mapping[str, Node], node_id: Any, parent: Callable[[Node], Any]) -> Iterator[tuple[str, Node]]:
    seen: set[str] = set()
    while isinstance(node_id, str) and node_id not in seen and node_id in nodes:
        seen.add(node_id)
        yield node_id, nodes[node_id]
        node_id = parent(nodes[node_id])

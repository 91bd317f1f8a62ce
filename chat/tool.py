"""What a tool of the chat is: how a model is told of it, and how it is called."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from chat.events import ProjectUpdated
from conversations.models import Run
from conversations.runs.events import Event
from drafts.models import ProjectDraft
from drafts.services import Author
from integrations.llm.messages import ToolSpec


class ToolResult(NamedTuple):
    """`status` is `succeeded`, `rejected` (asked wrongly) or `failed`; `text` is for the model and the member.

    `base_version_id` is the version of the draft that `text` has told the model, if it has.
    """

    status: str
    text: str
    base_version_id: int | None = None


class ToolInput(NamedTuple):
    """One call of a run. `key` is its round and position, by which a call that is repeated takes effect once.

    `base_version_id` is the version of the draft that the model, `author`, has seen.
    """

    run: Run
    draft: ProjectDraft
    key: str
    arguments: Mapping[str, Any]
    base_version_id: int | None
    author: Author


Errand = Callable[[], ToolResult]


@dataclass(frozen=True, slots=True)
class Tool:
    """`status` is what the stream tells while it works, `event` what it tells of the draft when that has succeeded.

    `handler` runs in a transaction that holds the run's locks. One that acts outside of Draftloom returns what is left
    to do once that has committed, without a lock; and it `needs_approval` by a person, since imported text may have
    talked the model into it. After a success of one that `ends_turn`, the model is not asked again.
    """

    name: str
    description: str
    schema: Mapping[str, Any]
    status: str
    handler: Callable[[ToolInput], ToolResult | Errand]
    needs_approval: bool = False
    ends_turn: bool = False
    event: Callable[[int], Event] = ProjectUpdated.of

    @property
    def spec(self) -> ToolSpec:
        return ToolSpec(self.name, self.description, self.schema)

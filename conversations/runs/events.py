"""The events that every run may tell; those of one kind are in `drafts.events` and `chat.events`."""

import dataclasses
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

import orjson

from conversations.models import Run


@dataclass(frozen=True, slots=True)
class Event:
    """`type` and the dataclass's fields are the JSON object that clients read.

    The API's document is made of the class: of its name, docstring and fields. A field is `Annotated` with the
    serializer of the object that it holds, or with the words, or choices, that a string is one of.
    """

    type: ClassVar[str]

    def data(self) -> dict[str, Any]:
        return {"type": self.type} | {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}

    def encoded(self) -> bytes:
        return orjson.dumps(self.data())


@dataclass(frozen=True, slots=True)
class RunStarted(Event):
    """First in every log. `conversation_id` is null until there is one."""

    type: ClassVar[str] = "run"
    run_id: str
    kind: Annotated[str, Run.Kind]
    conversation_id: int | None


@dataclass(frozen=True, slots=True)
class Status(Event):
    """What the run is doing; in a chat between pieces of the answer, in any run when it starts over."""

    type: ClassVar[str] = "status"
    status: Annotated[
        str,
        (
            "analyzing_request",
            "executing_tools",
            "updating_project_draft",
            "creating_linear_project",
            "generating_response",
            "retrying",
            "restarting",
        ),
    ]


@dataclass(frozen=True, slots=True)
class Content(Event):
    """A piece of the text being written: append it to what is shown."""

    type: ClassVar[str] = "content"
    content: str


@dataclass(frozen=True, slots=True)
class FellBack(Event):
    """`failed_model` could not answer, for the reason `code`; `model` does in its place. Both are `provider/model`."""

    type: ClassVar[str] = "fallback"
    failed_model: str
    model: str
    code: str


@dataclass(frozen=True, slots=True)
class Reset(Event):
    """Forget the content shown so far."""

    type: ClassVar[str] = "reset"


@dataclass(frozen=True, slots=True)
class ApprovalRequired(Event):
    """The run waits for a person to allow exactly this call, on exactly this version of the draft."""

    type: ClassVar[str] = "approval_required"
    run_id: str
    tool: str
    arguments: dict[str, Any]
    draft_version_id: int | None


@dataclass(frozen=True, slots=True)
class UsageTold(Event):
    """Of all calls of the run, estimated where a provider did not count; `cost_usd` is null if a price is unknown."""

    type: ClassVar[str] = "usage"
    input_tokens: int
    output_tokens: int
    cost_usd: float | None = None


@dataclass(frozen=True, slots=True)
class SummaryDone(Event):
    """There is a summary now of what `source` says: `imported` or `chat`."""

    type: ClassVar[str] = "done"
    conversation_id: int
    source: Annotated[str, ("imported", "chat")]


@dataclass(frozen=True, slots=True)
class Failed(Event):
    """The run failed. `partial` says whether text was written that is kept, `retryable` whether trying again may help.

    `code` is explained at `/problems/<code>`. `conversation_id` is null if there is no conversation.
    """

    type: ClassVar[str] = "error"
    message: str
    code: str
    partial: bool
    retryable: bool
    conversation_id: int | None


@dataclass(frozen=True, slots=True)
class Cancelled(Event):
    """Somebody stopped the run; `partial` says whether text was written that is kept."""

    type: ClassVar[str] = "cancelled"
    partial: bool

"""The events of imports and generations, beside those of `conversations.runs.events`."""

from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, TypedDict

import orjson

from conversations.models import Conversation, Run
from conversations.runs.events import Event
from conversations.serializers import ConversationSerializer
from drafts.models import ProjectDraft
from drafts.serializers import ProjectDraftSerializer


@dataclass(frozen=True, slots=True)
class StateTold(Event):
    """The phase that begins."""

    type: ClassVar[str] = "state"
    state: Annotated[str, ("importing", "extracting_chat_keywords", "retrieving_memories", "summarizing", "generating")]


@dataclass(frozen=True, slots=True)
class Progress(Event):
    """How far a phase is.

    `summarizing`: `current` of `total` calls of a model are answered. `shortened`: so many characters of the chat fit
    the model's window. `importing` and `generating`: so many conversations of an archive, or of a trial, are done.
    """

    type: ClassVar[str] = "progress"
    phase: Annotated[str, ("summarizing", "shortened", "importing", "generating")]
    current: int
    total: int


class SameChat(TypedDict):
    id: int
    title: str
    updated_at: str
    url: str


@dataclass(frozen=True, slots=True)
class ConflictTold(Event):
    """The chat is here already, as these conversations, the newest first; nothing was stored."""

    type: ClassVar[str] = "conflict"
    conversations: list[SameChat]


@dataclass(frozen=True, slots=True)
class ModelLimit(Event):
    """The chat is too long for the model; nothing was stored."""

    type: ClassVar[str] = "model_limit_conflict"
    message: str
    suggestion: str


@dataclass(frozen=True, slots=True)
class ConversationTold(Event):
    """What became of the entry `key` of an archive; `reason` is a code, empty unless it failed or was skipped."""

    type: ClassVar[str] = "result"
    key: int
    title: str
    status: Annotated[str, ("created", "updated", "unchanged", "skipped", "failed")]
    reason: str
    conversation_id: int | None


@dataclass(frozen=True, slots=True)
class BulkDone(Event):
    """The chosen conversations of an archive are imported; `results` counts them by status."""

    type: ClassVar[str] = "done"
    import_id: str
    results: dict[str, int]


@dataclass(frozen=True, slots=True)
class TrialDone(Event):
    """A version of the prompt was tried on drafts of the last days: so many texts were written, so many were not."""

    type: ClassVar[str] = "done"
    written: int
    failed: int


@dataclass(frozen=True, slots=True)
class ImportDone(Event):
    """`warnings` are those of the conversation's `import_report`, such as `memories_unavailable`."""

    type: ClassVar[str] = "done"
    conversation: Annotated[dict[str, Any], ConversationSerializer]
    project_draft: Annotated[dict[str, Any], ProjectDraftSerializer] | None
    warnings: list[str]

    def encoded(self) -> bytes:
        return orjson.dumps(self.data(), default=str)


def terminal_of(run: Run) -> Event:
    """How an import or a generation that is done ended, from what is stored."""
    if run.error_code == ConflictTold.type:
        found = run.result["conversations"]
        kept = set(Conversation.objects.kept().filter(pk__in=[row["id"] for row in found]).values_list("pk", flat=True))
        return ConflictTold([row for row in found if row["id"] in kept])
    if run.error_code == ModelLimit.type:
        return ModelLimit(run.result["message"], run.result["suggestion"])
    return import_done(run)


def import_done(run: Run) -> ImportDone:
    """The run's conversation and its draft as they are now."""
    conversation = Conversation.objects.select_related("imported_by_user").get(runs=run)
    drafts = ProjectDraft.objects.select_related("active_version__created_by_user")
    draft = drafts.filter(conversation=conversation).first()
    return ImportDone(
        dict(ConversationSerializer(conversation).data),
        dict(ProjectDraftSerializer(draft).data) if draft else None,
        conversation.import_report.get("warnings", []),
    )

"""The events of a chat turn, beside those of `conversations.runs.events`."""

from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, TypedDict

import orjson

from chat.models import ChatMessage, ChatMessageRevision
from chat.serializers import ChatMessageSerializer
from conversations.models import Run
from conversations.runs.events import Event
from drafts.models import Project, ProjectDraft
from drafts.serializers import ProjectDraftSerializer


@dataclass(frozen=True, slots=True)
class ReasoningTold(Event):
    """The model thinking aloud; never stored as the answer."""

    type: ClassVar[str] = "reasoning"
    content: str


@dataclass(frozen=True, slots=True)
class ToolCallTold(Event):
    """The model uses a tool; `detail` says in words what came of it."""

    type: ClassVar[str] = "tool_call"
    name: str
    arguments: dict[str, Any]
    status: Annotated[str, ("started", "succeeded", "rejected", "failed")]
    detail: str


@dataclass(frozen=True, slots=True)
class ProjectUpdated(Event):
    """The draft has a new version, written by a tool."""

    type: ClassVar[str] = "project_updated"
    project_draft: Annotated[dict[str, Any], ProjectDraftSerializer]

    def encoded(self) -> bytes:
        return orjson.dumps(self.data(), default=str)

    @classmethod
    def of(cls, draft_id: int) -> "ProjectUpdated":
        draft = ProjectDraft.objects.select_related("active_version__created_by_user").get(pk=draft_id)
        return cls(dict(ProjectDraftSerializer(draft).data))


@dataclass(frozen=True, slots=True)
class ConversationLocked(Event):
    """The draft has become the project at `linear_url`; nothing can be changed any more."""

    type: ClassVar[str] = "conversation_locked"
    linear_url: str

    @classmethod
    def of(cls, draft_id: int) -> "ConversationLocked":
        return cls(Project.objects.get(conversation__project_draft=draft_id).linear_url)


class ChatResponse(TypedDict):
    message: Annotated[dict[str, Any], ChatMessageSerializer]
    project_updated: bool


@dataclass(frozen=True, slots=True)
class ChatDone(Event):
    """The answer is stored; `project_updated` says whether the draft has a new version by it."""

    type: ClassVar[str] = "done"
    response: ChatResponse

    def encoded(self) -> bytes:
        return orjson.dumps(self.data(), default=str)


def terminal_of(run: Run) -> ChatDone:
    told = dict(ChatMessageSerializer(_answer_of(run)).data)
    return ChatDone({"message": told, "project_updated": bool(run.result.get("project_updated"))})


def _answer_of(run: Run) -> ChatMessage:
    """What the run wrote, also if it was written again since."""
    answers = ChatMessage.objects.select_related("sent_by_user", "run").prefetch_related("attachments")
    answer = answers.filter(run=run, role=ChatMessage.Role.ASSISTANT).first()
    if answer is not None:
        return answer
    earlier = ChatMessageRevision.objects.get(run=run)
    answer = answers.get(pk=earlier.chat_message_id)
    answer.content, answer.model, answer.prompt_version = earlier.content, earlier.model, earlier.prompt_version
    answer.run, answer.sent_by_user, answer.created_at = run, run.user, earlier.written_at
    answer.fallback_from = ""  # a revision does not keep it
    return answer

"""What a model is told in a chat turn (contract.md 4.5), cut to its window."""

from collections.abc import Iterable
from typing import NamedTuple

from django.conf import settings

from chat.models import ChatMessage, ChatSummary
from chat.tools import TOOLS
from config.exceptions import Invalid
from conversations.models import Conversation, ImportedSummary, Memory, Run
from conversations.services import transcript
from drafts.generation import CHARACTERS_PER_TOKEN, OVERHEAD_TOKENS, cut_middle
from drafts.models import ProjectDraft
from integrations.llm.messages import ChatRequest, Message, text_message
from llmconfig.models import LLMModel, PromptType
from llmconfig.services import active_prompt, choose_model, fill

DRAFT_SHARE, ORIGINAL_SHARE, MEMORIES_SHARE = 0.4, 0.6, 0.3  # at most so much of what is left, in this order
MESSAGE_OVERHEAD = 16  # characters that a message costs beside its text


class Turn(NamedTuple):
    """A chat turn ready to be asked: `model_name` is `provider/model`."""

    request: ChatRequest
    provider: str
    model_name: str
    prompt_version: int
    draft: ProjectDraft


def load_turn(run: Run) -> Turn:
    """Everything a turn needs, read at once. Raises `Invalid` if the message alone exceeds the window."""
    draft = ProjectDraft.objects.select_related("active_version", "conversation").get(conversation__runs=run)
    model = choose_model(provider=run.payload["llm_provider"], model_id=run.payload["llm_model"])
    question = ChatMessage.objects.get(pk=run.payload["question_id"])
    prompt = active_prompt(prompt_type=PromptType.CHAT)
    refuse_too_long(model, question.content)
    room = _room(model) - len(prompt.text) - len(question.content)
    system = _system(prompt.text, draft, room)
    room -= len(system) - len(prompt.text)
    earlier = _earlier(draft, before=question.sequence_number, room=room)
    request = ChatRequest(
        model=model.model_id,
        messages=(text_message("system", system), *earlier, text_message("user", question.content)),
        tools=tuple(tool.spec for tool in TOOLS.values()) if model.supports_tools else (),
        max_output_tokens=settings.MAX_COMPLETION_TOKENS,
        options=model.options,
    )
    return Turn(request, model.provider, str(model), prompt.version, draft)


def refuse_too_long(model: LLMModel, message: str) -> None:
    """Raises `Invalid` for a message that exceeds the model's window even without anything beside it."""
    if _room(model) < len(active_prompt(prompt_type=PromptType.CHAT).text) + len(message):
        raise Invalid(f"This message is longer than {model.label} can read at once.", code="context_too_long")


def _room(model: LLMModel) -> int:
    """Characters for the prompt and the chat together, beside the answer."""
    return (model.context_window_tokens - OVERHEAD_TOKENS - settings.MAX_COMPLETION_TOKENS) * CHARACTERS_PER_TOKEN


def _system(template: str, draft: ProjectDraft, room: int) -> str:
    version = draft.active_version
    title, text = (version.title, version.description) if version else ("", "")
    text = cut_middle(text, int(room * DRAFT_SHARE))
    room -= len(text)
    original = cut_middle(_original(draft.conversation), int(room * ORIGINAL_SHARE))
    room -= len(original)
    memories = cut_middle(_memories(draft.conversation), int(room * MEMORIES_SHARE))
    values = {
        "current_project_draft": (
            f"<current_draft>\n<title>{title}</title>\n<description>{text}</description>\n</current_draft>"
        ),
        "original_conversation_summary": f"<imported_conversation>\n{original}\n</imported_conversation>",
        "memories_context": memories,
    }
    return fill(template, values)


def _original(conversation: Conversation) -> str:
    """The imported chat, or its summary once there is one that is not empty."""
    summary = ImportedSummary.objects.filter(conversation=conversation).exclude(summary="").first()
    return summary.summary if summary else transcript(conversation.imported_chat)


def _memories(conversation: Conversation) -> str:
    memory = Memory.objects.filter(conversation=conversation).first()
    hits = memory.memories if memory else []
    return "\n".join(f"{number}. {hit.get('memory', '')}" for number, hit in enumerate(hits, 1)) or "(none)"


def _earlier(draft: ProjectDraft, *, before: int, room: int) -> list[Message]:
    """Earlier messages in order, the newest that fit; those that a rolling summary covers are replaced by it."""
    rows = ChatMessage.objects.filter(project_draft=draft, sequence_number__lt=before).order_by("sequence_number")
    summary = ChatSummary.objects.filter(conversation_id=draft.conversation_id).exclude(summary="").first()
    if summary is None:
        return _fitting(rows, room)
    start = text_message("user", f"Summary of our chat so far: {cut_middle(summary.summary, room)}")
    return [start, *_fitting(rows.filter(pk__gt=summary.latest_message_id), room - _size(start))]


def _fitting(rows: Iterable[ChatMessage], room: int) -> list[Message]:
    """The newest messages that fit into `room` characters, in order."""
    kept: list[Message] = []
    for row in reversed(list(rows)):
        message = text_message("assistant" if row.role == ChatMessage.Role.ASSISTANT else "user", row.content)
        room -= _size(message)
        if room < 0:
            break
        kept.append(message)
    return kept[::-1]


def _size(message: Message) -> int:
    return len(message.text) + MESSAGE_OVERHEAD

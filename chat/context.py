"""What a model is told in a chat turn (contract.md 4.5), cut to its window."""

from collections.abc import Iterable
from dataclasses import replace
from typing import NamedTuple

from chat.attachments import in_brief, with_files, with_notes
from chat.models import ChatMessage, ChatSummary
from chat.tools import tools_offered
from config.exceptions import Invalid
from conversations.models import Conversation, ImportedSummary, Memory, Run
from conversations.services import transcript
from drafts.material import cut_middle
from drafts.models import ProjectDraft
from integrations.llm.delimited import as_data
from integrations.llm.messages import ChatRequest, Message, text_message
from integrations.llm.tokens import estimate_tokens
from llmconfig.asking import request_to
from llmconfig.models import LLMModel, Task
from llmconfig.prompts import active_prompt, fill
from llmconfig.services import OVERHEAD_TOKENS, candidates, choose_model

# At most so much of what is left of the window, in this order.
FILES_SHARE, DRAFT_SHARE, ORIGINAL_SHARE, MEMORIES_SHARE = 0.5, 0.4, 0.6, 0.3
MESSAGE_OVERHEAD = 4  # tokens that a message costs beside its text


class Turn(NamedTuple):
    """What one model is asked in a chat turn, without what it and its tools say in the course of it."""

    request: ChatRequest
    prompt_version: int
    draft: ProjectDraft


def models_of(name: str) -> list[LLMModel]:
    """The models that may answer: the one called `name`, `provider/model`, then those that may stand in for it."""
    provider, _, model_id = name.partition("/")
    return candidates(prompt_type=Task.CHAT, chosen=choose_model(provider=provider, model_id=model_id))


def load_turn(run: Run, model: LLMModel) -> Turn:
    """Everything `model` needs for a turn. Raises `Invalid` if the message alone exceeds its window, `Unavailable` or
    `NotFound` if a file that it is to look at can't be had."""
    draft = ProjectDraft.objects.select_related("active_version", "conversation").get(conversation__runs=run)
    question = ChatMessage.objects.get(pk=run.payload["question_id"])
    prompt = active_prompt(prompt_type=Task.CHAT)
    refuse_too_long(model, question.content)
    room = _room(model) - estimate_tokens(prompt.text) - estimate_tokens(question.content)
    asked = with_files(question, model, int(room * FILES_SHARE))
    room -= asked.file_tokens
    system = _system(prompt.text, draft, room)
    room -= estimate_tokens(system) - estimate_tokens(prompt.text)
    earlier = _earlier(draft, before=question.sequence_number, room=room)
    messages = text_message("system", system), *earlier, asked.message
    tools = tuple(tool.spec for tool in tools_offered().values()) if model.supports_tools else ()
    return Turn(replace(request_to(model, messages), tools=tools), prompt.version, draft)


def refuse_too_long(model: LLMModel, message: str) -> None:
    """Raises `Invalid` for a message that exceeds the model's window even without anything beside it."""
    prompt = active_prompt(prompt_type=Task.CHAT).text
    if _room(model) < estimate_tokens(prompt) + estimate_tokens(message):
        raise Invalid(f"This message is longer than {model.label} can read at once.", code="context_too_long")


def _room(model: LLMModel) -> int:
    """Tokens for the prompt and the chat together, beside the answer."""
    return model.context_window_tokens - OVERHEAD_TOKENS - model.output_cap


def _system(template: str, draft: ProjectDraft, room: int) -> str:
    version = draft.active_version
    title, text = (version.title, version.description) if version else ("", "")
    text = cut_middle(text, int(room * DRAFT_SHARE))
    room -= estimate_tokens(text)
    original = cut_middle(_original(draft.conversation), int(room * ORIGINAL_SHARE))
    room -= estimate_tokens(original)
    memories = cut_middle(_memories(draft.conversation), int(room * MEMORIES_SHARE))
    values = {
        "current_project_draft": as_data("current_draft", f"<title>{title}</title>\n<description>{text}</description>"),
        "original_conversation_summary": as_data("imported_conversation", original),
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
    rows = (
        ChatMessage.objects.filter(project_draft=draft, sequence_number__lt=before)
        .order_by("sequence_number")
        .prefetch_related(in_brief())
    )
    summary = ChatSummary.objects.filter(conversation_id=draft.conversation_id).exclude(summary="").first()
    if summary is None:
        return _fitting(rows, room)
    start = text_message("user", f"Summary of our chat so far: {cut_middle(summary.summary, room)}")
    return [start, *_fitting(rows.filter(pk__gt=summary.latest_message_id), room - _size(start))]


def _fitting(rows: Iterable[ChatMessage], room: int) -> list[Message]:
    """The newest messages that fit into `room` tokens, in order."""
    kept: list[Message] = []
    for row in reversed(list(rows)):
        message = text_message("assistant" if row.role == ChatMessage.Role.ASSISTANT else "user", with_notes(row))
        room -= _size(message)
        if room < 0:
            break
        kept.append(message)
    return kept[::-1]


def _size(message: Message) -> int:
    return estimate_tokens(message.text) + MESSAGE_OVERHEAD

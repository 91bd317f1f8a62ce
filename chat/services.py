"""Sending messages, and reading the chat."""

from collections.abc import Sequence
from uuid import UUID

from django.db import transaction
from django.db.models import Prefetch, QuerySet

from accounts.models import User
from accounts.principals import Principal
from chat.context import refuse_too_long
from chat.files import UNREAD
from chat.models import ChatMessage, FileAttachment
from config.api.cursors import NUMBER, Key, Ordering
from config.exceptions import Conflict, NotFound
from conversations.models import Conversation, Run
from conversations.runs import lifecycle
from conversations.services import get_run, lock_for_write, require_visible
from drafts.import_flow import start_generation, start_import
from drafts.models import ProjectDraft
from drafts.services import A_PERSON, Author, get_or_make_draft, lock_draft
from llmconfig.models import LLMModel
from llmconfig.services import choose_model

IMPORT_OPTIONS = ("url", "duplicate_resolution", "accept_summarization", "target_conversation_id")

LAST_MESSAGES = Ordering("chat", (Key("sequence_number", NUMBER),))
"""From the end, where a chat is read: its first page holds what was said last."""


def history(*, user: Principal, conversation_id: int) -> QuerySet[ChatMessage]:
    """The messages in order, with all that their JSON needs."""
    require_visible(user=user, conversation_id=conversation_id)
    messages = ChatMessage.objects.filter(project_draft__conversation_id=conversation_id)
    attachments = Prefetch("attachments", FileAttachment.objects.defer(*UNREAD).order_by("pk"))
    return messages.select_related("sent_by_user", "run").prefetch_related(attachments).order_by("sequence_number")


@transaction.atomic
def send_message(
    *, user: User, conversation_id: int, message: str, llm_provider: str, llm_model: str, attachment_ids: Sequence[int]
) -> Run:
    """Stores a message and queues its answer, both or neither.

    Raises `NotFound`, `Invalid` for a model that can't be used, or `Conflict`: `conversation_locked`,
    `run_in_progress`.
    """
    conversation = lock_for_write(user=user, conversation_id=conversation_id)
    model = choose_model(provider=llm_provider, model_id=llm_model)
    refuse_too_long(model, message)
    attachments = _unsent(conversation, attachment_ids) if attachment_ids else None
    run = lifecycle.start_run(kind=Run.Kind.CHAT_TURN, user=user, payload={}, conversation=conversation)
    draft = get_or_make_draft(conversation=conversation, user=user)
    row = append(draft=draft, role=ChatMessage.Role.USER, content=message, user=user, run=run)
    if attachments is not None:
        attachments.update(chat_message=row)
    return _ask(run, row, model)


@transaction.atomic
def regenerate(*, user: User, conversation_id: int, llm_provider: str = "", llm_model: str = "") -> Run:
    """Queues another answer to the last message, by the same model unless another is named.

    The answer there is stays until the new one is written, and then as a revision. Raises `NotFound`, `Invalid`, or
    `Conflict`: `nothing_to_regenerate`, `conversation_locked`, `run_in_progress`.
    """
    conversation = lock_for_write(user=user, conversation_id=conversation_id)
    lifecycle.refuse_second_run(kind=Run.Kind.CHAT_TURN, conversation=conversation)
    questions = ChatMessage.objects.filter(project_draft__conversation=conversation, role=ChatMessage.Role.USER)
    question = questions.order_by("-sequence_number").first()
    if question is None:
        raise Conflict("Nothing was said in this chat yet.", code="nothing_to_regenerate")
    if not llm_provider:
        last = Run.objects.filter(conversation=conversation, kind=Run.Kind.CHAT_TURN).latest("created_at")
        llm_provider, llm_model = last.payload["llm_provider"], last.payload["llm_model"]
    model = choose_model(provider=llm_provider, model_id=llm_model)
    refuse_too_long(model, question.content)
    run = lifecycle.start_run(kind=Run.Kind.CHAT_TURN, user=user, payload={}, conversation=conversation)
    return _ask(run, question, model)


def _ask(run: Run, question: ChatMessage, model: LLMModel) -> Run:
    run.payload = {"llm_provider": model.provider, "llm_model": model.model_id, "question_id": question.pk}
    run.save(update_fields=["payload"])
    return run


def retry(*, user: User, run_id: UUID) -> Run:
    """Queues the work of a run that failed or was cancelled once more. Raises `Conflict` if nothing can be repeated."""
    run = get_run(user=user, run_id=run_id)
    if run.state not in (Run.State.FAILED, Run.State.CANCELLED):
        raise Conflict("Only a run that failed or was cancelled can be tried again.", code="nothing_to_retry")
    model = {"llm_provider": run.payload.get("llm_provider", ""), "llm_model": run.payload.get("llm_model", "")}
    if run.kind == Run.Kind.CHAT_TURN and run.conversation_id:
        return regenerate(user=user, conversation_id=run.conversation_id, **model)
    if run.conversation_id:
        return start_generation(user=user, conversation_id=run.conversation_id, **model)
    if not run.payload.get("url"):
        raise Conflict("The file of this import was not kept. Import it again.", code="nothing_to_retry")
    options = {name: run.payload[name] for name in IMPORT_OPTIONS}
    return start_import(user=user, **options, **model)


def run_to_rejoin(*, user: User, conversation_id: int, run_id: str) -> Run | None:
    """The chat turn that a client goes on watching by sending again with `Last-Event-ID`, if it is one of this chat."""
    require_visible(user=user, conversation_id=conversation_id)
    return Run.objects.filter(pk=run_id, conversation_id=conversation_id, kind=Run.Kind.CHAT_TURN).first()


def append(
    *,
    draft: ProjectDraft,
    role: str,
    content: str,
    user: User,
    run: Run,
    author: Author = A_PERSON,
    fallback_from: str = "",
) -> ChatMessage:
    """Adds a message, numbered by the draft's counter. Within a transaction."""
    row = lock_draft(draft)
    row.last_sequence_number += 1
    row.save(update_fields=["last_sequence_number"])
    return ChatMessage.objects.create(
        project_draft=row,
        role=role,
        content=content,
        sequence_number=row.last_sequence_number,
        sent_by_user=user,
        run=run,
        model=author.model,
        prompt_version=author.prompt_version,
        fallback_from=fallback_from,
    )


def _unsent(conversation: Conversation, ids: Sequence[int]) -> QuerySet[FileAttachment]:
    """These files of the conversation, none of them sent before. Raises `NotFound`."""
    rows = FileAttachment.objects.filter(conversation=conversation, chat_message=None, pk__in=ids)
    if missing := sorted(set(ids) - set(rows.values_list("pk", flat=True))):
        raise NotFound(
            "File attachments not found: they are not of this conversation, or were sent with an earlier message.",
            code="attachments_not_found",
            extra={"ids": missing},
        )
    return rows

"""The rolling summary of a long chat: when it is due, what it is made of, where it is kept (contract.md 5.4)."""

from django.db.models import Q, QuerySet
from django.utils import timezone

from chat.models import ChatMessage, ChatSummary, FileAttachment
from conversations import summaries
from conversations.models import Conversation, SummaryJob
from conversations.services import transcript
from conversations.summaries import Document, Portion
from integrations import summarizer

LEAST_MESSAGES, LEAST_NEW = 20, 10  # contract.md 5.4
KEPT_AS_THEY_ARE = LEAST_MESSAGES - LEAST_NEW  # the newest messages, of which a summary of ours says nothing


class Chat:
    """The `Source` of the chat about a conversation's draft."""

    def messages(self, conversation_id: int) -> list[dict[str, str]]:
        return _said(_messages(conversation_id))

    def documents(self, conversation_id: int) -> list[Document]:
        rows = _files(conversation_id).order_by("pk")
        return [Document(row.pk, row.filename, _type(row.file_type), row.extracted_text or "") for row in rows]

    def portion(self, conversation_id: int) -> Portion:
        """The messages that no summary covers, but for the newest, behind the summary there is."""
        earlier = ChatSummary.objects.filter(conversation_id=conversation_id).exclude(summary="").first()
        ids = list(_messages(conversation_id).values_list("pk", flat=True))
        after = earlier.latest_message_id if earlier else 0
        new = [pk for pk in ids if pk > after][:-KEPT_AS_THEY_ARE]
        text = transcript(_said(_messages(conversation_id).filter(pk__in=new)))
        if earlier and text:
            text = f"Summary of the conversation before: {earlier.summary}\n\n{text}"
        return Portion(text, len([pk for pk in ids if pk <= after]) + len(new), "")

    def store(
        self, conversation: Conversation, summary: str, *, covered: int, external_id: int | None, basis: str | None
    ) -> None:
        latest = (
            _messages(conversation.pk).values_list("pk", flat=True)[covered - 1 : covered].first() if covered else 0
        )
        row = ChatSummary.objects.filter(conversation=conversation).first()
        if not summary or not latest or (row and row.latest_message_id > latest):
            return
        values = {"summary": summary, "latest_message_id": latest, "external_id": external_id}
        ChatSummary.objects.update_or_create(conversation=conversation, defaults=values)


def note_growth(conversation: Conversation) -> None:
    """Has the chat summarised if it has grown enough. In the transaction that stores an answer, with its locks."""
    if summarizer.is_configured():
        _tell_service(conversation)
        return
    covered = ChatSummary.objects.filter(conversation=conversation).values_list("latest_message_id", flat=True).first()
    if _messages(conversation.pk).filter(pk__gt=covered or 0).count() >= LEAST_MESSAGES:
        summaries.request_own(conversation=conversation, source=SummaryJob.Source.CHAT)


def _tell_service(conversation: Conversation) -> None:
    job = (
        SummaryJob.objects.select_for_update().filter(conversation=conversation, source=SummaryJob.Source.CHAT).first()
    )
    count = _messages(conversation.pk).count()
    has_files = _files(conversation.pk).exclude(pk__in=job.documents if job else []).exists()
    if job is None:
        if count >= LEAST_MESSAGES or has_files:
            summaries.request_external(conversation=conversation, source=SummaryJob.Source.CHAT)
    elif job.state not in SummaryJob.OPEN and (has_files or count - job.told >= LEAST_NEW):
        job.state, job.fence, job.failures = SummaryJob.State.SENDING, job.fence + 1, 0
        job.next_check_at, job.deadline = timezone.now(), timezone.now() + summaries.PATIENCE
        job.save(update_fields=["state", "fence", "failures", "next_check_at", "deadline"])


def _messages(conversation_id: int) -> QuerySet[ChatMessage]:
    return ChatMessage.objects.filter(project_draft__conversation_id=conversation_id).order_by("sequence_number")


def _said(rows: QuerySet[ChatMessage]) -> list[dict[str, str]]:
    return [{"role": role, "content": content} for role, content in rows.values_list("role", "content")]


def _files(conversation_id: int) -> QuerySet[FileAttachment]:
    """Those that were sent with a message and have text."""
    sent = FileAttachment.objects.filter(conversation_id=conversation_id, chat_message__isnull=False)
    return sent.exclude(Q(extracted_text=None) | Q(extracted_text=""))


def _type(file_type: str) -> str:
    kind = file_type.partition("/")[0]
    return "pdf" if file_type == "application/pdf" else kind if kind in summarizer.DOCUMENT_TYPES else "text"

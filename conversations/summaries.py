"""Summaries: of what is there one made, by whom, and where it is kept.

With a summariser configured it is told everything and asked from time to time (`conversations.summary_jobs`); without
one, or when it fails, a model of ours reads the text (`conversations.summary_runs`).
"""

from datetime import timedelta
from typing import Any, NamedTuple, Protocol

from django.db import transaction
from django.db.models import F
from django.utils import timezone

from conversations.models import Conversation, ImportedSummary, Run, SummaryJob
from conversations.runs import lifecycle
from integrations import summarizer

PATIENCE = timedelta(minutes=100)  # contract.md 5.4


class Document(NamedTuple):
    """The text of a file that belongs to what is summarised. `type` is one of `summarizer.DOCUMENT_TYPES`."""

    id: int
    filename: str
    type: str
    text: str


class Portion(NamedTuple):
    """What a model of ours reads: its summary stands for the first `covered` messages. Blank if nothing is to be done.

    `basis` changes when what was read is replaced by something else.
    """

    text: str
    covered: int
    basis: str


class Source(Protocol):
    """Something of a conversation that is summarised. All raise `Conversation.DoesNotExist` for one that is gone."""

    def messages(self, conversation_id: int) -> list[dict[str, str]]:
        """All of them, in order, as `{"role", "content"}`."""
        ...

    def documents(self, conversation_id: int) -> list[Document]: ...

    def portion(self, conversation_id: int) -> Portion: ...

    def store(
        self, conversation: Conversation, summary: str, *, covered: int, external_id: int | None, basis: str | None
    ) -> None:
        """Keeps a summary, unless there is a better one. In a transaction that has locked the conversation."""
        ...


_sources: dict[str, Source] = {}


def register(name: str, source: Source) -> None:
    _sources[name] = source


def source_of(name: str) -> Source:
    return _sources[name]


def lock(conversation_id: int) -> Conversation:
    """The conversation's row, locked, whoever may see it. Raises `Conversation.DoesNotExist`, if deleted, too."""
    rows = Conversation.objects.kept().select_for_update(no_key=True, of=("self",)).defer("imported_chat")
    return rows.get(pk=conversation_id)


def store_imported(conversation: Conversation, summary: str, *, external_id: int | None, basis: str | None) -> None:
    """Keeps a summary of the imported chat, unless a person wrote one or the chat is another by now."""
    if basis is not None and basis != basis_of(conversation):
        return
    if summary and not ImportedSummary.objects.filter(conversation=conversation, is_manual=True).exists():
        values = {"summary": summary, "external_id": external_id}
        ImportedSummary.objects.update_or_create(conversation=conversation, defaults=values)


def basis_of(conversation: Conversation) -> str:
    """Changes when the chat is imported again."""
    return conversation.import_date.isoformat()


def request_external(*, conversation: Conversation, source: str, then: dict[str, Any] | None = None) -> bool:
    """Queues a summary by the summariser, from the start; False if there is none. In a transaction.

    `then` is the run that waits for it; one that waits already goes on waiting.
    """
    if not summarizer.is_configured():
        return False
    earlier = SummaryJob.objects.select_for_update().filter(conversation=conversation, source=source)
    for job in earlier:
        then = then or job.then
    earlier.delete()  # whoever works on it stores nothing more
    SummaryJob.objects.create(conversation=conversation, source=source, then=then, deadline=timezone.now() + PATIENCE)
    return True


def request_own(*, conversation: Conversation, source: str) -> None:
    """Queues a summary by a model of ours, unless one is being written. In a transaction that holds the lock."""
    active = Run.objects.active().filter(conversation=conversation, kind=Run.Kind.SUMMARY, payload__source=source)
    if not active.exists():
        lifecycle.queue_run(
            kind=Run.Kind.SUMMARY,
            user_id=conversation.imported_by_user_id,
            payload={"source": source},
            conversation=conversation,
        )


@transaction.atomic
def supersede(*, conversation: Conversation) -> None:
    """A person has written the summary: what was under way is not needed any more."""
    jobs = SummaryJob.objects.filter(conversation=conversation, source=SummaryJob.Source.IMPORTED)
    jobs.filter(state__in=SummaryJob.OPEN).update(
        state=SummaryJob.State.SUPERSEDED, fence=F("fence") + 1, lease_until=None, next_check_at=timezone.now()
    )

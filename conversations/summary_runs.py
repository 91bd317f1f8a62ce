"""A summary that a model of ours writes, as a run; and the imported chat as something to be summarised."""

from typing import Any

from django.core.exceptions import ObjectDoesNotExist

from conversations import summaries
from conversations.models import Conversation, Run, SummaryJob
from conversations.runs.context import RunContext
from conversations.runs.digest import summary_of
from conversations.runs.events import Event, SummaryDone
from conversations.runs.lifecycle import LostRun
from conversations.services import transcript
from conversations.summaries import Document, Portion


class ImportedChat:
    """The `Source` of a conversation's imported chat."""

    def messages(self, conversation_id: int) -> list[dict[str, str]]:
        messages: list[dict[str, str]] = Conversation.objects.get(pk=conversation_id).imported_chat
        return messages

    def documents(self, conversation_id: int) -> list[Document]:
        return []

    def portion(self, conversation_id: int) -> Portion:
        conversation = Conversation.objects.get(pk=conversation_id)
        messages = conversation.imported_chat
        return Portion(transcript(messages), len(messages), summaries.basis_of(conversation))

    def store(
        self, conversation: Conversation, summary: str, *, covered: int, external_id: int | None, basis: str | None
    ) -> None:
        summaries.store_imported(conversation, summary, external_id=external_id, basis=basis)


class SummaryHandler:
    """Reads what is to be summarised, and keeps what came of it; `payload["source"]` says what."""

    async def execute(self, context: RunContext) -> None:
        source = summaries.source_of(context.run.payload["source"])
        try:
            portion = await context.db(source.portion, context.run.conversation_id or 0)
        except ObjectDoesNotExist as error:  # it was deleted, and the run with it
            raise LostRun from error
        summary = await summary_of(context, portion.text)

        def write(run: Run) -> dict[str, Any]:
            conversation = summaries.lock(run.conversation_id or 0)
            source.store(conversation, summary, covered=portion.covered, external_id=None, basis=portion.basis)
            return {}

        await context.finish(write)

    def interrupted(self, run: Run, text: str, reason: str) -> dict[str, Any]:
        return {}

    def terminal(self, run: Run) -> Event:
        return SummaryDone(run.conversation_id or 0, run.payload.get("source", SummaryJob.Source.IMPORTED))

    def salvaged(self, run: Run) -> Event | None:
        return None

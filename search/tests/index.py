"""The index as tests look at it, and time as they pass it."""

from typing import Any

from django.db import connection

from chat.models import FileAttachment
from conversations.models import Conversation
from search import indexing
from search.models import EmbeddingModel, OutboxEntry, SearchChunk, SourceType
from search.sources import chunks


def rows(query: str, *parameters: Any) -> list[Any]:
    with connection.cursor() as cursor:
        cursor.execute(query, parameters)
        found: list[Any] = cursor.fetchall()
        return found


def run(statement: str, *parameters: Any) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters)


def make_due() -> None:
    """As if all waits and leases were over."""
    run("UPDATE search_outbox SET due_at = now(), claimed_until = NULL")


def index_all() -> None:
    """Indexes until nothing is left to do."""
    for _ in range(20):
        make_due()
        if not indexing.index_due(seconds=60):
            return
    raise AssertionError(f"the outbox does not become empty: {list(OutboxEntry.objects.values())}")


def texts(kind: str = "") -> list[str]:
    """What the index holds for the active model, in the order of the text."""
    found = SearchChunk.objects.filter(embedding_model__state="active").order_by(
        "source_type", "conversation_id", "message_index", "sequence_number", "file_attachment_id", "chunk_index"
    )
    return [row.text for row in (found.filter(source_type=kind) if kind else found)]


def held() -> list[tuple[Any, ...]]:
    """Everything that the index says, once for each model, without vectors."""
    return sorted(
        rows(
            "SELECT embedding_model_id, conversation_id, source_type, chat_message_id, project_draft_id, "
            "project_draft_version_id, file_attachment_id, message_index, sequence_number, chunk_index, start_offset, "
            "text, encode(content_hash, 'hex') FROM search_chunks"
        ),
        key=str,
    )


def wanted() -> list[tuple[Any, ...]]:
    """What it should say: all that there is, cut afresh, for each model in use."""
    models = EmbeddingModel.objects.exclude(state="retired")
    return sorted(
        (
            (model.pk, conversation, kind, *chunk.place, chunk.text, chunk.hash.hex())
            for model in models
            for conversation in Conversation.objects.values_list("pk", flat=True)
            for kind in SourceType.values
            for chunk in chunks(conversation, kind)
        ),
        key=str,
    )


def attach(conversation: Conversation, text: str | None = None, filename: str = "notes.txt") -> FileAttachment:
    return FileAttachment.objects.create(
        conversation=conversation,
        filename=filename,
        file_size=1,
        file_type="text/plain",
        s3_key=f"{conversation.pk}/{FileAttachment.objects.count()}/{filename}",
        extracted_text=text,
        uploaded_by_user=conversation.imported_by_user,
    )

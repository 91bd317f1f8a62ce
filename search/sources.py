"""What there is to index of a conversation, read from where it is kept: the truth that the index follows."""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from django.conf import settings

from chat.models import ChatMessage, FileAttachment
from conversations.models import Conversation
from drafts.models import ProjectDraft
from drafts.services import FAILED_TITLE, PLACEHOLDER_TITLE
from search.chunking import pieces
from search.models import SourceType

PLACES = (
    "chat_message_id",
    "project_draft_id",
    "project_draft_version_id",
    "file_attachment_id",
    "message_index",
    "sequence_number",
)
"""The columns that say which message, version or file a chunk is from; what a source has no use for is null."""

Place = tuple[int | None, ...]
"""Values of `PLACES`, then `chunk_index` and `start_offset`."""


@dataclass(frozen=True, slots=True)
class Passage:
    """One message, version or file.

    `heading` goes before each of its pieces when they are embedded: what it is about is seldom said twice.
    """

    text: str
    heading: str
    place: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Chunk:
    """A piece of a passage as it belongs into the index. `hash` is the SHA-256 of `embedded`."""

    place: Place
    text: str
    embedded: str
    hash: bytes = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "hash", hashlib.sha256(self.embedded.encode()).digest())


def chunks(conversation_id: int, source_type: str) -> list[Chunk]:
    """All that the index should hold of this source; nothing if the conversation is gone."""
    limit = settings.SEARCH_CHUNK_CHARS[source_type]
    return [chunk for passage in PASSAGES[source_type](conversation_id) for chunk in _chunks_of(passage, limit)]


def _chunks_of(passage: Passage, limit: int) -> Iterator[Chunk]:
    place = tuple(passage.place.get(name) for name in PLACES)
    for index, piece in enumerate(pieces(passage.text, limit)):
        embedded = piece.text if piece.text.startswith(passage.heading) else f"{passage.heading}\n\n{piece.text}"
        yield Chunk((*place, index, piece.start), piece.text, embedded)


def _imported_chat(conversation_id: int) -> Iterator[Passage]:
    rows = Conversation.objects.filter(pk=conversation_id).values_list("title", "imported_chat")
    for title, messages in rows:
        for index, message in enumerate(messages):
            yield Passage(message["content"], f"{title}\n{message['role']}:", {"message_index": index})


def _draft_chat(conversation_id: int) -> Iterator[Passage]:
    rows = ChatMessage.objects.filter(project_draft__conversation_id=conversation_id).order_by("sequence_number")
    columns = ("pk", "project_draft_id", "sequence_number", "role", "content", "project_draft__conversation__title")
    for pk, draft, number, role, content, title in rows.values_list(*columns):
        place = {"chat_message_id": pk, "project_draft_id": draft, "sequence_number": number}
        yield Passage(content, f"{title}\n{role}:", place)


def _project_draft(conversation_id: int) -> Iterator[Passage]:
    """The active version; one that is being written, or could not be, says nothing about the project."""
    rows = ProjectDraft.objects.filter(conversation_id=conversation_id, active_version__isnull=False)
    columns = ("pk", "active_version_id", "active_version__title", "active_version__description")
    stand_ins = {"active_version__title__in": (PLACEHOLDER_TITLE, FAILED_TITLE), "active_version__version_number": 1}
    for pk, version, title, description in rows.exclude(**stand_ins).values_list(*columns):
        place = {"project_draft_id": pk, "project_draft_version_id": version}
        yield Passage(f"{title}\n\n{description}", title, place)


def _attachment(conversation_id: int) -> Iterator[Passage]:
    rows = FileAttachment.objects.filter(conversation_id=conversation_id, extracted_text__isnull=False).order_by("pk")
    for pk, filename, text, title in rows.values_list("pk", "filename", "extracted_text", "conversation__title"):
        yield Passage(text or "", f"{title}\n{filename}:", {"file_attachment_id": pk})


PASSAGES = {
    SourceType.IMPORTED_CHAT.value: _imported_chat,
    SourceType.DRAFT_CHAT.value: _draft_chat,
    SourceType.PROJECT_DRAFT.value: _project_draft,
    SourceType.ATTACHMENT.value: _attachment,
}

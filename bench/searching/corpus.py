"""A made-up index of any size: conversations of 30 chunks in four partitions, with clustered vectors and words.

A vector is a subject's, plus what is the conversation's own, plus what is the chunk's own, in 32 dimensions that are
then turned into 1536: the nearest 20 conversations of a query are neither obvious nor arbitrary. Measured by TwoNN, the
intrinsic dimension is 18; that of 5,000 pieces of documentation by the offline model is 5, which is easier to index.
How often a word comes follows Zipf's law.
"""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
from django.db import connection, transaction
from numpy.typing import NDArray

from integrations.embeddings.base import DIMENSIONS
from search import common_words
from search.models import SourceType

CHUNKS_OF_ONE = 30
PARTITIONS = {
    SourceType.IMPORTED_CHAT.value: 20,
    SourceType.DRAFT_CHAT.value: 6,
    SourceType.PROJECT_DRAFT.value: 3,
    SourceType.ATTACHMENT.value: 1,
}
"""How many of a conversation's chunks are in each."""
LATENT, SUBJECTS = 32, 200
OWN_OF_CONVERSATION, OWN_OF_CHUNK, OWN_OF_QUERY = 0.7, 0.7, 0.5
WORDS, WORDS_OF_CHUNK = 20_000, 130
LOCKED_SHARE = 0.3
ROWS_AT_ONCE = 3000
INDEX = """
CREATE INDEX idx_search_chunks_embedding ON search_chunks USING hnsw (embedding halfvec_cosine_ops)
    WITH (m = 16, ef_construction = 64)
"""
_COLUMNS = (
    "source_type, conversation_id, chat_message_id, project_draft_id, project_draft_version_id, file_attachment_id, "
    "message_index, sequence_number, chunk_index, start_offset, text, content_hash, embedding_model_id, embedding"
)
_TYPES = ["text", *["int8"] * 5, *["int4"] * 4, "text", "bytea", "int2", "bytea"]

Vectors = NDArray[np.float32]


class Corpus:
    """The same for each seed, however much of it is loaded."""

    def __init__(self, model_id: int, owner_id: int, seed: int = 8) -> None:
        self.model_id, self.owner_id = model_id, owner_id
        self.random = np.random.default_rng(seed)
        self.turn = self.random.standard_normal((LATENT, DIMENSIONS), dtype=np.float32) / np.sqrt(LATENT)
        self.subjects = self._noise(SUBJECTS)
        ranks = np.arange(1, WORDS + 1)
        self.chances = (1 / (ranks + 10)) / np.sum(1 / (ranks + 10))
        self.words = np.array([_word(number) for number in range(WORDS)])
        self.conversations: list[Vectors] = []

    def load(self, chunks: int) -> None:
        """Fills the index up to so many chunks, at first without its vectors' index, as a first load should."""
        with connection.cursor() as cursor:
            cursor.execute("SET statement_timeout = 0")
            cursor.execute("DROP INDEX IF EXISTS idx_search_chunks_embedding")
            with transaction.atomic():
                cursor.execute("SET LOCAL session_replication_role = replica")  # no triggers and no foreign keys
                while len(self.conversations) * CHUNKS_OF_ONE < chunks:
                    self._add(cursor, ROWS_AT_ONCE // CHUNKS_OF_ONE)
            cursor.execute("SET maintenance_work_mem = '3GB'; SET max_parallel_maintenance_workers = 2")
            cursor.execute(INDEX)
            cursor.execute("VACUUM ANALYZE")
            cursor.execute("RESET ALL")
        common_words.refresh()

    def query(self) -> str:
        """A vector near that of some conversation."""
        one = self.conversations[self.random.integers(len(self.conversations))]
        return _text_of(self._turned(one[None] + OWN_OF_QUERY * self._noise(1))[0])

    def some_words(self, *ranks: tuple[int, int]) -> str:
        """A word between each two ranks; of rank 0 is the most frequent."""
        return " ".join(str(self.words[self.random.integers(*bounds)]) for bounds in ranks)

    def _add(self, cursor: Any, count: int) -> None:
        start = len(self.conversations)
        subjects = self.subjects[self.random.integers(SUBJECTS, size=count)]
        added = subjects + OWN_OF_CONVERSATION * self._noise(count)
        self._copy_conversations(cursor, range(start + 1, start + count + 1))
        with cursor.copy(f"COPY search_chunks ({_COLUMNS}) FROM STDIN (FORMAT binary)") as copy:
            copy.set_types(_TYPES)
            for number, vector in enumerate(added, start + 1):
                for row in self._rows(number, vector):
                    copy.write_row(row)
        self.conversations.extend(added)

    def _copy_conversations(self, cursor: Any, ids: range) -> None:
        columns = "id, url, title, import_date, imported_chat, is_locked, imported_by_user_id, source, source_id, "
        columns += "import_report, created_at, updated_at"
        with cursor.copy(f"COPY conversations ({columns}) FROM STDIN") as copy:
            for pk in ids:
                when = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(minutes=pk)
                title = " ".join(self._words(5))
                locked = bool(self.random.random() < LOCKED_SHARE)
                url = f"https://chatgpt.com/share/{pk:08x}-0000-4000-8000-000000000000"
                copy.write_row((pk, url, title, when, "[]", locked, self.owner_id, "chatgpt", "", "{}", when, when))

    def _rows(self, conversation: int, vector: Vectors) -> Iterator[tuple[Any, ...]]:
        halves = self._turned(vector + OWN_OF_CHUNK * self._noise(CHUNKS_OF_ONE)).astype(">f2")
        head = np.array([DIMENSIONS, 0], dtype=">u2").tobytes()  # as `halfvec_send` writes it
        words = self._words(CHUNKS_OF_ONE * WORDS_OF_CHUNK).reshape(CHUNKS_OF_ONE, WORDS_OF_CHUNK)
        kinds = [kind for kind, count in PARTITIONS.items() for _ in range(count)]
        for number, (kind, half, text) in enumerate(zip(kinds, halves, words, strict=True)):
            key = b"%d %d" % (conversation, number)
            place = _place(kind, conversation, number)
            yield (kind, conversation, *place, 0, 0, " ".join(text), key, self.model_id, head + half.tobytes())

    def _words(self, count: int) -> NDArray[np.str_]:
        return self.random.choice(self.words, size=count, p=self.chances)

    def _noise(self, count: int) -> Vectors:
        return self.random.standard_normal((count, LATENT), dtype=np.float32)

    def _turned(self, latent: Vectors) -> Vectors:
        turned = latent @ self.turn
        return np.asarray(turned / np.linalg.norm(turned, axis=1, keepdims=True), dtype=np.float32)


def _place(kind: str, conversation: int, number: int) -> tuple[int | None, ...]:
    """Message, draft, version, file, index and number of a chunk, as far as its source has them."""
    if kind == SourceType.IMPORTED_CHAT:
        return None, None, None, None, number, None
    if kind == SourceType.DRAFT_CHAT:
        return conversation * CHUNKS_OF_ONE + number, conversation, None, None, None, number
    if kind == SourceType.PROJECT_DRAFT:
        return None, conversation, conversation * CHUNKS_OF_ONE + number, None, None, None
    return None, None, None, conversation, None, None


def _word(number: int) -> str:
    """A pronounceable word that PostgreSQL's stemmer leaves alone."""
    syllables = [a + b for a in "bdfgklmnprtvz" for b in "aou"]
    found = ""
    while True:
        number, rest = divmod(number, len(syllables))
        found += syllables[rest]
        if not number:
            return found + "k"


def _text_of(vector: Vectors) -> str:
    return f"[{','.join(f'{number:.6g}' for number in vector)}]"

"""What can be found: pieces of text with their vectors, the models that made those, and what is still to be indexed.

`search_chunks` and `search_outbox` are made in SQL by the migrations: one is partitioned, the other is filled by
triggers, and both go with their conversation by the database's own hand.
"""

from django.db import models
from pgvector.django import HalfVectorField

from integrations.embeddings.base import DIMENSIONS

TEXT_SEARCH_CONFIG = "english"
"""The configuration of `search_chunks.tsv`, which the database derives from `text`; queries must name the same."""


class SourceType(models.TextChoices):
    """Where a chunk comes from; each is a partition."""

    IMPORTED_CHAT = "imported_chat"
    DRAFT_CHAT = "draft_chat"
    PROJECT_DRAFT = "project_draft"
    ATTACHMENT = "attachment"


class EmbeddingModel(models.Model):
    """A model whose vectors are in the index; `name` is `<provider>/<model>`, as in `EMBEDDING_MODEL`.

    Search uses the one that is active. While another one is being built, both are kept up to date, and the index holds
    every chunk once for each. A hit farther than `max_distance` (cosine) means nothing.
    """

    class State(models.TextChoices):
        ACTIVE = "active"
        BUILDING = "building"
        RETIRED = "retired"

    id = models.SmallAutoField(primary_key=True)
    name = models.CharField(max_length=160, unique=True)
    max_distance = models.FloatField()
    state = models.CharField(max_length=10, choices=State.choices)
    created_at = models.DateTimeField(auto_now_add=True)
    building_since = models.DateTimeField(null=True)

    class Meta:
        db_table = "search_embedding_models"
        constraints = [
            models.UniqueConstraint(
                fields=["state"],
                condition=models.Q(state__in=["active", "building"]),
                name="search_embedding_models_one_of_each",
            ),
            models.CheckConstraint(
                condition=models.Q(state__in=["active", "building", "retired"]),
                name="search_embedding_models_state_check",
            ),
            models.CheckConstraint(
                condition=models.Q(max_distance__gt=0, max_distance__lte=2),
                name="search_embedding_models_distance_check",
            ),
        ]

    def __str__(self) -> str:
        return self.name


class SearchChunk(models.Model):
    """A piece of one message, version or file, once for each model in the index.

    `text` is what stands there from the code point `start_offset` on; for a draft, there is its title, an empty line,
    its description. `content_hash` is the SHA-256 of what was embedded. `embedding` is null until there is a vector:
    the words are found before. Beside these columns `tsv` holds the words of `text`.
    """

    pk = models.CompositePrimaryKey("source_type", "id")
    id = models.BigIntegerField()
    source_type = models.TextField(choices=SourceType.choices)
    conversation_id = models.BigIntegerField()
    chat_message_id = models.BigIntegerField(null=True)
    project_draft_id = models.BigIntegerField(null=True)
    project_draft_version_id = models.BigIntegerField(null=True)
    file_attachment_id = models.BigIntegerField(null=True)
    message_index = models.IntegerField(null=True, help_text="Position in an imported chat, from 0.")
    sequence_number = models.IntegerField(null=True, help_text="That of the message of a draft's chat.")
    chunk_index = models.IntegerField(help_text="Position within its message, version or file, from 0.")
    start_offset = models.IntegerField()
    text = models.TextField()
    content_hash = models.BinaryField()
    embedding_model = models.ForeignKey(EmbeddingModel, models.PROTECT, related_name="+")
    embedding = HalfVectorField(dimensions=DIMENSIONS, null=True)
    created_at = models.DateTimeField()
    updated_at = models.DateTimeField()

    class Meta:
        managed = False
        db_table = "search_chunks"


class OutboxEntry(models.Model):
    """Text of this kind of this conversation has changed since it was indexed; triggers write it with the change.

    Each change raises `revision`, each claim by an indexer `fence`: an entry goes only if it is still at the revision
    that was indexed, and nobody writes under an old fence. `changed_at` is the first change that is not indexed yet.
    """

    pk = models.CompositePrimaryKey("conversation_id", "source_type")
    conversation_id = models.BigIntegerField()
    source_type = models.TextField(choices=SourceType.choices)
    revision = models.BigIntegerField(default=1)
    fence = models.IntegerField(default=0)
    attempts = models.SmallIntegerField(default=0, help_text="Claims since the last change.")
    is_reindex = models.BooleanField(default=False, help_text="Asked for by `reindex`: comes after what has changed.")
    changed_at = models.DateTimeField()
    due_at = models.DateTimeField()
    claimed_until = models.DateTimeField(null=True)

    class Meta:
        managed = False
        db_table = "search_outbox"


class CommonWord(models.Model):
    """The stem of a word that many chunks have: it says little and costs most, so the other words of a query decide."""

    lexeme = models.TextField(primary_key=True)

    class Meta:
        db_table = "search_common_words"

    def __str__(self) -> str:
        return self.lexeme

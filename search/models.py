"""`search_chunks`: pieces of text to be found, partitioned by where they come from.

Migration 0001 makes the table in SQL, with its partitions and foreign keys that cascade in the database.
"""

from django.db import models
from pgvector.django import HalfVectorField

DIMENSIONS = 1536


class SearchChunk(models.Model):
    class SourceType(models.TextChoices):
        IMPORTED_CHAT = "imported_chat"
        DRAFT_CHAT = "draft_chat"
        PROJECT_DRAFT = "project_draft"
        ATTACHMENT = "attachment"

    pk = models.CompositePrimaryKey("source_type", "id")
    id = models.BigIntegerField()
    source_type = models.TextField(choices=SourceType.choices)
    conversation_id = models.BigIntegerField()
    chat_message_id = models.BigIntegerField(null=True)
    project_draft_id = models.BigIntegerField(null=True)
    project_draft_version_id = models.BigIntegerField(null=True)
    file_attachment_id = models.BigIntegerField(null=True)
    message_index = models.IntegerField(null=True)
    sequence_number = models.IntegerField(null=True)
    chunk_index = models.IntegerField()
    text = models.TextField()
    embedding = HalfVectorField(dimensions=DIMENSIONS, null=True)
    created_at = models.DateTimeField()
    updated_at = models.DateTimeField()

    class Meta:
        managed = False
        db_table = "search_chunks"

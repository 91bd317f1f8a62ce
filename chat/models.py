"""The chat about a draft, and the files that belong to it."""

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now

from conversations.models import Conversation, Run
from drafts.models import ProjectDraft


class ChatMessage(models.Model):
    """One message of the chat. A run has at most one of each role, which is what makes a reply come once."""

    class Role(models.TextChoices):
        USER = "user"
        ASSISTANT = "assistant"

    project_draft = models.ForeignKey(ProjectDraft, models.CASCADE, related_name="chat_messages")
    role = models.TextField(choices=Role.choices)
    content = models.TextField()
    sequence_number = models.PositiveIntegerField()
    sent_by_user = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+")
    run = models.ForeignKey(Run, models.SET_NULL, null=True, related_name="chat_messages")
    model = models.CharField(max_length=160, blank=True, help_text="provider/model of an answer")
    prompt_version = models.PositiveIntegerField(null=True)
    fallback_from = models.CharField(max_length=161, blank=True, help_text="the model asked, if another one answered")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        db_table = "chat_messages"
        ordering = ["sequence_number"]
        constraints = [
            models.CheckConstraint(condition=Q(role__in=["user", "assistant"]), name="chat_messages_role_check"),
            models.UniqueConstraint(fields=["project_draft", "sequence_number"], name="unique_sequence_per_project"),
            models.UniqueConstraint(fields=["run", "role"], name="chat_messages_run_role_key"),
        ]
        indexes = [
            models.Index(  # the dashboard's last message of each role
                F("project_draft"), F("role"), F("sequence_number").desc(), name="chat_messages_last_of_role"
            )
        ]

    def __str__(self) -> str:
        return f"{self.role} {self.sequence_number}"


class ChatMessageRevision(models.Model):
    """An earlier answer in the place of one that was written again."""

    chat_message = models.ForeignKey(ChatMessage, models.CASCADE, related_name="revisions")
    content = models.TextField()
    model = models.CharField(max_length=160, blank=True)
    prompt_version = models.PositiveIntegerField(null=True)
    run = models.ForeignKey(Run, models.SET_NULL, null=True, related_name="+")
    written_at = models.DateTimeField()
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        db_table = "chat_message_revisions"

    def __str__(self) -> str:
        return f"Earlier answer of {self.written_at:%Y-%m-%d %H:%M}"


class ChatSummary(models.Model):
    """A rolling summary of the chat up to and including the message `latest_message_id`."""

    conversation = models.OneToOneField(Conversation, models.CASCADE, related_name="chat_summary")
    external_id = models.IntegerField(null=True, blank=True)
    summary = models.TextField()
    latest_message_id = models.BigIntegerField()
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        db_table = "chat_summaries"
        verbose_name_plural = "chat summaries"


class StoredObject(models.Model):
    """A key of the file storage under which something may lie; written before the object, removed after it.

    So nothing lies in the storage that no row knows of, whoever dies when. An upload that is not finished in time, and
    what no `FileAttachment` names any more (a trigger of the table sees to that), is removed by the sweeper.
    """

    class State(models.TextChoices):
        UPLOADING = "uploading"
        STORED = "stored"
        DELETING = "deleting"

    key = models.TextField(primary_key=True)
    state = models.CharField(max_length=10, choices=State.choices, default=State.UPLOADING)
    size = models.PositiveBigIntegerField(help_text="bytes")
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, null=True, related_name="+", help_text="whose quota it counts against"
    )
    changed_at = models.DateTimeField(db_default=Now())

    class Meta:
        db_table = "stored_objects"
        constraints = [
            models.CheckConstraint(
                condition=Q(state__in=["uploading", "stored", "deleting"]), name="stored_objects_state_check"
            )
        ]
        indexes = [
            models.Index(fields=["changed_at"], condition=~Q(state="stored"), name="stored_objects_to_sweep"),
        ]

    def __str__(self) -> str:
        return self.key


class FileAttachment(models.Model):
    """A file of a conversation, which lies in the storage; linked to a message once it was sent with one.

    `file_type` is what the bytes are, not what the client called them. `extraction` says how far reading it for the
    models has come, `extraction_error` in words for people why there is no text.
    """

    class Extraction(models.TextChoices):
        PENDING = "pending"
        READY = "ready"
        NO_TEXT = "no_text"
        FAILED = "failed"

    chat_message = models.ForeignKey(ChatMessage, models.CASCADE, null=True, related_name="attachments")
    conversation = models.ForeignKey(Conversation, models.CASCADE, related_name="file_attachments")
    filename = models.TextField()
    file_size = models.PositiveIntegerField()
    file_type = models.TextField()
    s3_key = models.TextField(unique=True)
    thumbnail_key = models.TextField(
        default="", blank=True, help_text="of an image, in the same storage; empty if none"
    )
    extraction = models.CharField(max_length=10, choices=Extraction.choices, default=Extraction.PENDING)
    extraction_error = models.CharField(max_length=300, default="", blank=True)
    extraction_tries = models.PositiveSmallIntegerField(default=0)
    extraction_started_at = models.DateTimeField(null=True, blank=True)
    extracted_text = models.TextField(null=True, blank=True)  # noqa: DJ001 - null means not extracted yet
    summary_text = models.TextField(null=True, blank=True)  # noqa: DJ001
    page_count = models.PositiveIntegerField(null=True, blank=True)
    text_truncated = models.BooleanField(default=False)
    uploaded_by_user = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        db_table = "file_attachments"
        constraints = [
            models.CheckConstraint(
                condition=Q(extraction__in=["pending", "ready", "no_text", "failed"]),
                name="file_attachments_extraction_check",
            )
        ]
        indexes = [
            models.Index(fields=["conversation", "file_type"], name="file_attachments_type"),
            models.Index(  # the sweeper of lost extractions
                fields=["created_at"], condition=Q(extraction="pending"), name="file_attachments_pending"
            ),
        ]

    def __str__(self) -> str:
        return self.filename

"""Conversations as they were imported, what is known about them, and the runs that work on them."""

from typing import ClassVar

from django.conf import settings
from django.contrib.postgres.indexes import GinIndex, OpClass
from django.core.serializers.json import DjangoJSONEncoder
from django.db import models
from django.db.models import F, Q
from django.db.models.fields.json import KeyTextTransform
from django.db.models.functions import MD5, Left, Lower
from django.utils import timezone

from config.text import uuid7
from conversations.dashboard import DashboardRow as DashboardRow  # for Django, which looks for models here
from conversations.visibility import ACTIVE_STATES, ConversationQuerySet, RunQuerySet

TITLE_KEY = Lower(Left("title", 200))
"""By which titles are sorted: longer ones would not fit into an index, nor into a cursor."""
KEPT = Q(deleted_at=None)


class Conversation(models.Model):
    """A chat held elsewhere. `imported_chat` is a list of `{"role": "user"|"assistant", "content": Markdown}`.

    `url` is the canonical share link, or `draftloom:import/<source>/<id or content hash>`, which is never fetched.
    `updated_at` moves only when the title changes or the chat is imported again. One that was deleted is hidden until
    it is restored, or purged with all that belongs to it.
    """

    url = models.TextField()
    title = models.TextField()
    import_date = models.DateTimeField(default=timezone.now)
    imported_chat = models.JSONField(default=list)
    is_locked = models.BooleanField(default=False)
    imported_by_user = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="conversations")
    source = models.CharField(max_length=40)
    source_id = models.TextField(blank=True)
    import_report = models.JSONField(default=dict, help_text="Parser, what was left out, warnings, what was cut.")
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(default=timezone.now)
    deleted_at = models.DateTimeField(null=True, editable=False)
    deleted_by_user = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, null=True, editable=False, db_index=False, related_name="+"
    )

    objects: ClassVar[ConversationQuerySet] = ConversationQuerySet.as_manager()  # type: ignore[assignment]

    class Meta:
        db_table = "conversations"
        constraints = [
            models.CheckConstraint(condition=~Q(title=""), name="conversations_title_check"),
            models.CheckConstraint(
                condition=Q(deleted_at=None, deleted_by_user=None)
                | Q(deleted_at__isnull=False, deleted_by_user__isnull=False, is_locked=False),
                name="conversations_deleted_check",
            ),
        ]
        indexes = [
            models.Index(
                F("updated_at").desc(), F("id").desc(), condition=KEPT, name="conversations_newest"
            ),  # the list
            models.Index(F("import_date").desc(), F("id").desc(), condition=KEPT, name="conversations_last_imported"),
            models.Index(TITLE_KEY, F("id"), condition=KEPT, name="conversations_by_title"),
            models.Index(  # what is to be purged
                fields=["deleted_at"], condition=Q(deleted_at__isnull=False), name="conversations_deleted"
            ),
            models.Index(
                fields=["deleted_by_user"],
                condition=Q(deleted_by_user__isnull=False),
                name="conversations_deleted_by",
            ),
            models.Index(MD5("url"), name="conversations_url_md5"),  # duplicates at import, search by link
            models.Index(fields=["source", "source_id"], name="conversations_source"),  # re-import of an export
            GinIndex(OpClass("title", name="gin_trgm_ops"), name="idx_conversations_title_trgm"),  # search by title
        ]

    def __str__(self) -> str:
        return self.title


class ImportedSummary(models.Model):
    """A summary of the imported chat; `external_id` is the summariser's, null for one made or written here.

    One that a person wrote (`is_manual`) is never replaced by one that is made.
    """

    conversation = models.OneToOneField(Conversation, models.CASCADE, related_name="imported_summary")
    external_id = models.IntegerField(null=True, blank=True)
    summary = models.TextField()
    is_manual = models.BooleanField(default=False)
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        db_table = "imported_conversation_summaries"
        verbose_name_plural = "imported summaries"


class Memory(models.Model):
    """What the memory service knew about a conversation's subject; `memories` is a list of its hits."""

    conversation = models.ForeignKey(Conversation, models.CASCADE, related_name="memories")
    memory_source = models.TextField(default="imported_chat")
    memories = models.JSONField(default=list)

    class Meta:
        db_table = "conversation_memories"
        verbose_name_plural = "memories"
        constraints = [
            models.UniqueConstraint(fields=["conversation", "memory_source"], name="conversation_memories_source_key")
        ]


class Run(models.Model):
    """Work that outlives the request that asked for it: an import, a generation, a chat turn, a summary, a trial.

    `fence` grows with each claim, and every write of a runner names the fence it holds, so that an owner whose lease
    was taken can write nothing more. `partial` is the answer so far, up to and including the event `event_seq`.
    `payload` is what was asked, `step` what a restart need not do again, `result` what the terminal event tells.
    """

    class Kind(models.TextChoices):
        CHAT_TURN = "chat_turn"
        IMPORT = "import"
        GENERATE = "generate"
        BULK = "bulk"
        SUMMARY = "summary"
        TRIAL = "trial"

    class State(models.TextChoices):
        QUEUED = "queued"
        RUNNING = "running"
        WAITING = "waiting"
        DONE = "done"
        FAILED = "failed"
        CANCELLED = "cancelled"

    ACTIVE = ACTIVE_STATES

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    kind = models.CharField(max_length=20, choices=Kind.choices)
    state = models.CharField(max_length=20, choices=State.choices, default=State.QUEUED)
    conversation = models.ForeignKey(Conversation, models.CASCADE, null=True, related_name="runs")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="runs")
    fence = models.PositiveIntegerField(default=0)
    tries = models.PositiveSmallIntegerField(default=0)
    lease_until = models.DateTimeField(null=True)
    cancel_requested = models.BooleanField(default=False)
    partial = models.TextField(default="", blank=True)
    event_seq = models.BigIntegerField(default=0)
    payload = models.JSONField(default=dict, encoder=DjangoJSONEncoder)
    step = models.JSONField(default=dict)
    result = models.JSONField(default=dict)
    error_code = models.CharField(max_length=60, blank=True)
    usage = models.JSONField(null=True)
    created_at = models.DateTimeField(auto_now_add=True)
    started_at = models.DateTimeField(null=True)
    waiting_since = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)

    objects: ClassVar[RunQuerySet] = RunQuerySet.as_manager()  # type: ignore[assignment]

    class Meta:
        db_table = "runs"
        constraints = [
            models.UniqueConstraint(
                fields=["conversation"],
                condition=Q(kind="chat_turn", state__in=["queued", "running", "waiting"]),
                name="runs_one_active_chat_turn",
            ),
            models.UniqueConstraint(
                fields=["conversation"],
                condition=Q(kind__in=["import", "generate"], state__in=["queued", "running", "waiting"]),
                name="runs_one_active_generation",
            ),
            models.CheckConstraint(
                condition=Q(state__in=["queued", "running", "waiting", "done", "failed", "cancelled"]),
                name="runs_state_check",
            ),
            models.UniqueConstraint(
                F("conversation"),
                KeyTextTransform("source", "payload"),
                condition=Q(kind="summary", state__in=["queued", "running", "waiting"]),
                name="runs_one_active_summary",
            ),
            models.UniqueConstraint(
                fields=["user"],
                condition=Q(kind="trial", state__in=["queued", "running", "waiting"]),
                name="runs_one_active_trial",
            ),
            models.CheckConstraint(
                condition=Q(kind__in=["chat_turn", "import", "generate", "bulk", "summary", "trial"]),
                name="runs_kind_check",
            ),
        ]
        indexes = [
            models.Index(  # the claim
                fields=["created_at"], condition=Q(state__in=["queued", "running"]), name="runs_claimable"
            ),
            models.Index(fields=["user", "-created_at"], name="runs_of_user"),
            models.Index(  # how many a person has going
                fields=["user"], condition=Q(state__in=["queued", "running", "waiting"]), name="runs_active_of_user"
            ),
            models.Index(fields=["conversation", "-created_at"], name="runs_of_conversation"),
            models.Index(fields=["id"], condition=Q(kind="trial"), name="runs_trials"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.id}"

    @property
    def is_active(self) -> bool:
        return self.state in self.ACTIVE

    @property
    def last_event_id(self) -> str:
        """What a client that has seen everything so far would send as `Last-Event-ID`."""
        return f"{self.id}:{self.event_seq}"


class SummaryJob(models.Model):
    """What the external summariser was told of a conversation, and what is still to be done with it.

    `source` says what is summarised. The first `told` messages were sent, `documents` are the ids of files that were.
    Who works on the job holds `fence` until `lease_until`. `then` is a run to be queued once there is a summary, or
    none to be had: `{"kind", "user_id", "payload"}`.
    """

    class Source(models.TextChoices):
        IMPORTED = "imported", "imported chat"
        CHAT = "chat", "chat about the draft"

    class State(models.TextChoices):
        SENDING = "sending", "messages are to be sent"
        POLLING = "polling", "the service is at work"
        DONE = "done"
        FAILED = "failed"
        TIMED_OUT = "timed_out", "timed out"
        SUPERSEDED = "superseded", "a person wrote it"

    OPEN = (State.SENDING, State.POLLING)

    conversation = models.ForeignKey(Conversation, models.CASCADE, related_name="summary_jobs")
    source = models.CharField(max_length=20, choices=Source.choices)
    state = models.CharField(max_length=20, choices=State.choices, default=State.SENDING)
    external_id = models.IntegerField(null=True)
    told = models.PositiveIntegerField(default=0)
    documents = models.JSONField(default=list)
    then = models.JSONField(null=True)
    failures = models.PositiveIntegerField(default=0)
    error_code = models.CharField(max_length=60, blank=True)
    fence = models.PositiveIntegerField(default=0)
    lease_until = models.DateTimeField(null=True)
    next_check_at = models.DateTimeField(default=timezone.now)
    deadline = models.DateTimeField()
    created_at = models.DateTimeField(auto_now_add=True)

    objects: ClassVar[models.Manager["SummaryJob"]] = models.Manager()

    class Meta:
        db_table = "summary_jobs"
        constraints = [
            models.UniqueConstraint(fields=["conversation", "source"], name="summary_jobs_source_key"),
            models.CheckConstraint(condition=Q(source__in=["imported", "chat"]), name="summary_jobs_source_check"),
            models.CheckConstraint(
                condition=Q(state__in=["sending", "polling", "done", "failed", "timed_out", "superseded"]),
                name="summary_jobs_state_check",
            ),
        ]
        indexes = [
            models.Index(  # what is to be done next
                fields=["next_check_at"],
                condition=Q(state__in=["sending", "polling"]) | Q(then__isnull=False),
                name="summary_jobs_due",
            )
        ]

    def __str__(self) -> str:
        return f"Summary of the {self.get_source_display()} of conversation {self.conversation_id}"

"""Project drafts, their versions, the projects they become, and the archives that conversations are taken from."""

import uuid
from typing import ClassVar

from django.conf import settings
from django.contrib.postgres.indexes import GinIndex, OpClass
from django.db import models
from django.db.models import Q

from accounts.principals import Principal
from config.text import uuid7
from conversations.models import Conversation, Run


class ProjectDraft(models.Model):
    """The one draft of a conversation. The counters number its versions and chat messages without gaps or repeats."""

    conversation = models.OneToOneField(Conversation, models.CASCADE, related_name="project_draft")
    active_version = models.ForeignKey("DraftVersion", models.SET_NULL, null=True, related_name="+")
    created_by_user = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+")
    last_version_number = models.PositiveIntegerField(default=0)
    last_sequence_number = models.PositiveIntegerField(default=0)
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        db_table = "project_drafts"

    def __str__(self) -> str:
        return f"Draft of conversation {self.conversation_id}"


class DraftVersion(models.Model):
    """One state of a draft; never changed once somebody has seen it.

    `run` is the run that wrote it, `tool_call` the round and position of the call within that run: a call that already
    took effect is found by them when a run is executed again. `model` is empty for what a person wrote. A version that
    was brought back has the model of the one that it repeats, whose number is `restored_from`.
    """

    project_draft = models.ForeignKey(ProjectDraft, models.CASCADE, related_name="versions")
    title = models.TextField()
    description = models.TextField()
    is_manual_edit = models.BooleanField(default=False)
    version_number = models.PositiveIntegerField()
    created_by_user = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+")
    run = models.ForeignKey(Run, models.SET_NULL, null=True, related_name="draft_versions")
    tool_call = models.CharField(max_length=20, blank=True)
    model = models.CharField(max_length=161, blank=True, help_text="provider/model that wrote it")
    prompt_version = models.PositiveIntegerField(null=True)
    restored_from = models.PositiveIntegerField(null=True, help_text="The number of the version that it brings back.")
    created_at = models.DateTimeField(auto_now_add=True)

    objects: ClassVar[models.Manager["DraftVersion"]] = models.Manager()

    class Meta:
        db_table = "project_draft_versions"
        constraints = [
            models.UniqueConstraint(fields=["project_draft", "version_number"], name="draft_versions_number_key"),
            models.UniqueConstraint(
                fields=["run", "tool_call"], condition=~Q(tool_call=""), name="draft_versions_tool_call_key"
            ),
            models.CheckConstraint(condition=Q(version_number__gte=1), name="draft_versions_number_check"),
            models.CheckConstraint(
                condition=Q(restored_from__gte=1, restored_from__lt=models.F("version_number")),
                name="draft_versions_restored_from_check",
            ),
        ]
        indexes = [
            models.Index(  # what a prompt may be tried on
                fields=["created_at"], condition=~Q(prompt_version=None), name="draft_versions_by_models"
            ),
            GinIndex(OpClass("title", name="gin_trgm_ops"), name="draft_versions_title_trgm"),
            GinIndex(OpClass("description", name="gin_trgm_ops"), name="draft_versions_descr_trgm"),
        ]

    def __str__(self) -> str:
        return f"v{self.version_number}: {self.title}"


class PromptTrial(Run):
    """A run that shows what a version of the prompt would have made of drafts that were written lately."""

    class Meta:
        proxy = True
        default_permissions = ()  # whoever may change prompts may try them

    def __str__(self) -> str:
        return f"Trial of {self.started_at or self.created_at:%Y-%m-%d %H:%M}"


class TrialDraft(models.Model):
    """What a trial makes of the chat that `version` was written from: a text, or an error with what the model said.

    `note` says what else than the prompt was different.
    """

    run = models.ForeignKey(Run, models.CASCADE, related_name="trial_drafts")
    version = models.ForeignKey(DraftVersion, models.CASCADE, related_name="+")
    model = models.CharField(max_length=161, blank=True)
    title = models.TextField(blank=True)
    description = models.TextField(blank=True)
    error = models.TextField(blank=True)
    note = models.TextField(blank=True)

    objects: ClassVar[models.Manager["TrialDraft"]] = models.Manager()

    class Meta:
        db_table = "prompt_trial_drafts"
        default_permissions = ()
        constraints = [models.UniqueConstraint(fields=["run", "version"], name="prompt_trial_drafts_version_key")]

    def __str__(self) -> str:
        return f"Trial on version {self.version_id}"


class LinearProjectRequest(models.Model):
    """A wish for a project in Linear, stored before Linear is told.

    `linear_id` is the project's id there, and stays that of the conversation however often it is tried: Linear takes
    each id once, so no fault makes two. `pending` is one that may exist there, `released` one that does not and may be
    tried again. `run` and `tool_call` name the call of a model that asked, if one did. `tries` grows whenever somebody
    takes it over, and whoever releases it names the number it saw.
    """

    class State(models.TextChoices):
        PENDING = "pending"
        CREATED = "created"
        RELEASED = "released"

    conversation = models.OneToOneField(Conversation, models.CASCADE, related_name="linear_project_request")
    linear_id = models.UUIDField(unique=True, default=uuid.uuid4, editable=False)
    title = models.TextField()
    description = models.TextField()
    draft_version = models.ForeignKey(DraftVersion, models.SET_NULL, null=True, related_name="+")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+")
    run = models.ForeignKey(Run, models.SET_NULL, null=True, related_name="+")
    tool_call = models.CharField(max_length=20, blank=True)
    state = models.CharField(max_length=20, choices=State.choices, default=State.PENDING)
    tries = models.PositiveSmallIntegerField(default=1)
    error_code = models.CharField(max_length=60, blank=True)
    asked_at = models.DateTimeField(help_text="When Linear was last asked to create it.")
    check_at = models.DateTimeField(help_text="When a pending one is looked after.")
    created_at = models.DateTimeField(auto_now_add=True)

    objects: ClassVar[models.Manager["LinearProjectRequest"]] = models.Manager()

    class Meta:
        db_table = "linear_project_requests"
        constraints = [
            models.CheckConstraint(
                condition=Q(state__in=["pending", "created", "released"]), name="linear_project_requests_state_check"
            )
        ]
        indexes = [
            models.Index(fields=["check_at"], condition=Q(state="pending"), name="linear_requests_pending"),
        ]

    def __str__(self) -> str:
        return self.title


class Project(models.Model):
    """A draft that became a project in Linear. Its conversation is locked."""

    conversation = models.OneToOneField(Conversation, models.CASCADE, related_name="project")
    linear_project_id = models.TextField()
    title = models.TextField()
    description = models.TextField()
    linear_url = models.TextField()
    created_by_user = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        db_table = "projects"
        indexes = [models.Index(fields=["linear_url"], name="projects_linear_url")]

    def __str__(self) -> str:
        return self.title


class ArchiveQuerySet(models.QuerySet["Archive"]):
    def of(self, user: Principal) -> "ArchiveQuerySet":
        """An archive is its uploader's alone: it holds whatever that person ever wrote there."""
        return self.filter(user=user.pk)


class Archive(models.Model):
    """An uploaded export. Its content is a file that is gone after a day; `import_entries` list what it holds.

    `listed` entries are stored so far; who reads on after them holds `fence` until `lease_until`. `run` is the last one
    that imported from it.
    """

    class State(models.TextChoices):
        UPLOADED = "uploaded"
        READING = "reading"
        READY = "ready"
        IMPORTING = "importing"
        FAILED = "failed"

    TO_READ = (State.UPLOADED, State.READING)

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="archives")
    filename = models.CharField(max_length=255, blank=True)
    size = models.BigIntegerField(help_text="In bytes.")
    state = models.CharField(max_length=20, choices=State.choices, default=State.UPLOADED)
    error_code = models.CharField(max_length=60, blank=True)
    error = models.TextField(blank=True, help_text="What is wrong with the file, and what to do about it.")
    warnings = models.JSONField(default=list)
    listed = models.PositiveIntegerField(default=0)
    fence = models.PositiveIntegerField(default=0)
    lease_until = models.DateTimeField(null=True)
    run = models.ForeignKey(Run, models.SET_NULL, null=True, related_name="archives")
    created_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField()

    objects: ClassVar[ArchiveQuerySet] = ArchiveQuerySet.as_manager()  # type: ignore[assignment]

    class Meta:
        db_table = "imports"
        constraints = [
            models.CheckConstraint(
                condition=Q(state__in=["uploaded", "reading", "ready", "importing", "failed"]),
                name="imports_state_check",
            ),
            models.CheckConstraint(  # so that an archive has one active run at most
                condition=~Q(state="importing") | Q(run__isnull=False), name="imports_run_check"
            ),
        ]
        indexes = [
            models.Index(fields=["expires_at"], name="imports_expired"),
            models.Index(  # what no worker has read yet
                fields=["lease_until"], condition=Q(state__in=["uploaded", "reading"]), name="imports_to_read"
            ),
        ]

    def __str__(self) -> str:
        return f"Archive {self.id}"


class ArchiveEntry(models.Model):
    """A conversation in an archive, by its `position` there; its messages stay in the file until it is imported.

    `result` is empty until somebody has chosen it; `reason` and `conversation` belong to the result. `error_code` says
    why it cannot be read. `wants_draft` until its draft is written, or cannot be.
    """

    class Result(models.TextChoices):
        CHOSEN = "chosen"
        CREATED = "created"
        UPDATED = "updated"
        UNCHANGED = "unchanged"
        SKIPPED = "skipped"
        FAILED = "failed"

    HERE = (Result.CREATED, Result.UPDATED, Result.UNCHANGED)

    archive = models.ForeignKey(Archive, models.CASCADE, related_name="entries")
    position = models.PositiveIntegerField()
    source = models.CharField(max_length=40, blank=True)
    source_id = models.TextField(blank=True)
    url = models.TextField(blank=True)
    title = models.TextField(blank=True)
    messages = models.PositiveIntegerField(default=0)
    begun_at = models.DateTimeField(null=True)
    changed_at = models.DateTimeField(null=True)
    omitted = models.JSONField(default=dict)
    warnings = models.JSONField(default=list)
    error_code = models.CharField(max_length=60, blank=True)
    result = models.CharField(max_length=20, choices=Result.choices, blank=True)
    reason = models.CharField(max_length=60, blank=True)
    conversation = models.ForeignKey(Conversation, models.SET_NULL, null=True, related_name="+")
    wants_draft = models.BooleanField(default=False)

    objects: ClassVar[models.Manager["ArchiveEntry"]] = models.Manager()

    class Meta:
        db_table = "import_entries"
        constraints = [
            models.UniqueConstraint(fields=["archive", "position"], name="import_entries_position_key"),
            models.CheckConstraint(
                condition=Q(result__in=["", "chosen", "created", "updated", "unchanged", "skipped", "failed"]),
                name="import_entries_result_check",
            ),
        ]
        indexes = [
            models.Index(  # what a run has still to do
                fields=["archive", "position"], condition=Q(result="chosen"), name="import_entries_chosen"
            ),
        ]

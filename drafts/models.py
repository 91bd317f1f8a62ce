"""Project drafts, their versions, and the projects they become."""

from typing import ClassVar

from django.conf import settings
from django.contrib.postgres.indexes import GinIndex, OpClass
from django.db import models
from django.db.models import Q

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
    took effect is found by them when a run is executed again. `model` is empty for what a person wrote.
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
        ]
        indexes = [
            GinIndex(OpClass("title", name="gin_trgm_ops"), name="draft_versions_title_trgm"),
            GinIndex(OpClass("description", name="gin_trgm_ops"), name="draft_versions_descr_trgm"),
        ]

    def __str__(self) -> str:
        return f"v{self.version_number}: {self.title}"


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

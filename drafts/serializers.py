"""The JSON of drafts (contract.md 1.2), and of requests that import."""

from typing import Any

from rest_framework import serializers

from config.api.fields import StrictBooleanField, StrictCharField, StrictIntegerField
from config.api.ids import MOST
from config.limits import (
    CONVERSATION_TITLE_CHARACTERS,
    DESCRIPTION_CHARACTERS,
    DRAFT_TITLE_CHARACTERS,
    IMPORT_BYTES,
    MESSAGE_CHARACTERS,
    SLACK_MESSAGES,
)
from drafts.models import DraftVersion, Project, ProjectDraft
from integrations.importers.slack import THREAD_LINK


class DraftVersionSerializer(serializers.ModelSerializer[DraftVersion]):
    """`model` and `prompt_version` are those of the model that wrote it, `created_by_user_…` the person who did, or for
    whom the model did; whoever brought back an earlier version, if `restored_from` names one."""

    version_id = serializers.IntegerField(source="id")
    created_by_user_name = serializers.CharField(source="created_by_user.name")
    created_by_user_email = serializers.CharField(source="created_by_user.email")
    run_id = serializers.UUIDField(allow_null=True, help_text="The run in which a model wrote it.")

    class Meta:
        model = DraftVersion
        fields = [
            "version_id", "title", "description", "is_manual_edit", "version_number", "created_at",
            "created_by_user_id", "created_by_user_name", "created_by_user_email", "run_id", "model", "prompt_version",
            "restored_from",
        ]  # fmt: skip


class ProjectDraftSerializer(serializers.ModelSerializer[ProjectDraft]):
    project_draft_id = serializers.IntegerField(source="id")
    active_version = DraftVersionSerializer(allow_null=True)

    class Meta:
        model = ProjectDraft
        fields = ["project_draft_id", "conversation_id", "active_version", "created_at", "updated_at"]


class DraftAnswerSerializer(serializers.Serializer[Any]):
    project_draft = ProjectDraftSerializer()


def draft_answer(draft: ProjectDraft) -> dict[str, Any]:
    """What a GET of the draft answers; its entity tag is that of this."""
    return {"project_draft": ProjectDraftSerializer(draft).data}


class VersionListSerializer(serializers.Serializer[Any]):
    versions = DraftVersionSerializer(many=True)


class EditSerializer(serializers.Serializer[Any]):
    title = StrictCharField(max_length=DRAFT_TITLE_CHARACTERS)
    description = StrictCharField(max_length=DESCRIPTION_CHARACTERS)


class ModelChoiceSerializer(serializers.Serializer[Any]):
    """A model, or neither field for the task's default."""

    llm_provider = StrictCharField(max_length=40, required=False)
    llm_model = StrictCharField(max_length=120, required=False)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if ("llm_provider" in attrs) != ("llm_model" in attrs):
            raise serializers.ValidationError("Give both llm_provider and llm_model, or neither.")
        return attrs


class ProjectSerializer(serializers.ModelSerializer[Project]):
    class Meta:
        model = Project
        fields = ["id", "conversation_id", "linear_project_id", "title", "description", "linear_url", "created_at"]


class ProjectAnswerSerializer(serializers.Serializer[Any]):
    project = ProjectSerializer()


RESOLUTIONS = ["prompt", "create_new", "update_existing"]


class ImportSerializer(serializers.Serializer[Any]):
    url = StrictCharField(max_length=2000)
    llm_provider = StrictCharField(max_length=40)
    llm_model = StrictCharField(max_length=120)
    accept_summarization = StrictBooleanField()
    duplicate_resolution = serializers.ChoiceField(RESOLUTIONS)
    target_conversation_id = StrictIntegerField(required=False, help_text="With `update_existing` only.")

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if attrs.get("duplicate_resolution") == "update_existing" and "target_conversation_id" not in attrs:
            raise serializers.ValidationError({"target_conversation_id": "Say which conversation to update."})
        return attrs


class SlackMessageSerializer(serializers.Serializer[Any]):
    """A message as Slack's API lists it; members that are not named here are ignored."""

    user = StrictCharField(max_length=200, required=False, help_text="Slack's id of who wrote it.")
    author = StrictCharField(max_length=200, required=False, help_text="Their name, if that is known.")
    text = StrictCharField(max_length=MESSAGE_CHARACTERS, allow_blank=True)
    ts = StrictCharField(max_length=40, required=False)
    bot_id = StrictCharField(max_length=40, required=False, help_text="Set for what an app wrote.")


class SlackImportSerializer(serializers.Serializer[Any]):
    """A share link as `url`, or else the `messages` of a thread."""

    user_id = StrictIntegerField(help_text="For whom: the key's own user, or one that the key may name.")
    url = StrictCharField(max_length=2000, required=False)
    messages = serializers.ListField(
        child=SlackMessageSerializer(), required=False, min_length=1, max_length=SLACK_MESSAGES
    )
    title = StrictCharField(max_length=CONVERSATION_TITLE_CHARACTERS, required=False)
    thread_url = StrictCharField(max_length=2000, required=False, help_text="The thread's own address in Slack.")

    def validate_thread_url(self, value: str) -> str:
        if not THREAD_LINK.fullmatch(value):
            raise serializers.ValidationError("Give the link that Slack copies for a message, or leave it out.")
        return value

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if ("url" in attrs) == ("messages" in attrs):
            raise serializers.ValidationError("Send either a `url` or `messages`.")
        return attrs


class SlackImportedSerializer(serializers.Serializer[Any]):
    id = serializers.IntegerField()
    message = serializers.CharField()


class ImportFileSerializer(ModelChoiceSerializer):
    """Either a `file` (multipart) or a `text` (JSON); everything else as in an import by link, and optional."""

    text = StrictCharField(max_length=IMPORT_BYTES, required=False, allow_blank=True)
    file = serializers.FileField(required=False, allow_empty_file=True)
    accept_summarization = serializers.BooleanField(default=False)
    duplicate_resolution = serializers.ChoiceField(RESOLUTIONS, default="create_new")
    target_conversation_id = serializers.IntegerField(required=False, min_value=1, max_value=MOST)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        attrs = super().validate(attrs)
        if ("text" in attrs) == ("file" in attrs):
            raise serializers.ValidationError("Send either a `file` or a `text`.")
        if attrs["duplicate_resolution"] == "update_existing" and "target_conversation_id" not in attrs:
            raise serializers.ValidationError({"target_conversation_id": "Say which conversation to update."})
        return attrs


class ImportTextSerializer(ImportFileSerializer):
    """One conversation as text; everything else as in an import by link, and optional."""

    file = None  # type: ignore[assignment]  # how DRF leaves out an inherited field
    text = StrictCharField(max_length=IMPORT_BYTES, allow_blank=True)

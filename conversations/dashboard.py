"""The list of conversations as a view of the database has it."""

from django.db import models


class DashboardRow(models.Model):
    """A row of `conversation_dashboard_view`: a conversation with its draft, project and last messages.

    The view reads tables of apps above this one, so a migration of `chat` makes it.
    """

    id = models.BigIntegerField(primary_key=True)
    url = models.TextField()
    title = models.TextField()
    import_date = models.DateTimeField()
    is_locked = models.BooleanField()
    created_at = models.DateTimeField()
    updated_at = models.DateTimeField()
    user_id = models.BigIntegerField()
    user_name = models.TextField()
    user_email = models.TextField()
    project_draft_title = models.TextField(null=True)  # noqa: DJ001 - null means that there is no draft
    project_draft_description = models.TextField(null=True)  # noqa: DJ001
    linear_url = models.TextField(null=True)  # noqa: DJ001
    last_user_message_content = models.TextField(null=True)  # noqa: DJ001
    last_assistant_message_content = models.TextField(null=True)  # noqa: DJ001
    has_images = models.BooleanField()
    has_pdfs = models.BooleanField()

    class Meta:
        managed = False
        db_table = "conversation_dashboard_view"

from django.db import migrations

VIEW = """
CREATE OR REPLACE VIEW conversation_dashboard_view AS
SELECT c.id, c.url, c.title, c.import_date, c.is_locked, c.created_at, c.updated_at,
       u.id AS user_id, u.name AS user_name, u.email AS user_email,
       v.title AS project_draft_title, v.description AS project_draft_description, p.linear_url,
       (SELECT m.content FROM chat_messages m WHERE m.project_draft_id = d.id AND m.role = 'user'
        ORDER BY m.sequence_number DESC LIMIT 1) AS last_user_message_content,
       (SELECT m.content FROM chat_messages m WHERE m.project_draft_id = d.id AND m.role = 'assistant'
        ORDER BY m.sequence_number DESC LIMIT 1) AS last_assistant_message_content,
       EXISTS (SELECT FROM file_attachments f WHERE f.conversation_id = c.id AND f.file_type LIKE 'image/%') AS has_images,
       EXISTS (SELECT FROM file_attachments f WHERE f.conversation_id = c.id AND f.file_type = 'application/pdf') AS has_pdfs
FROM conversations c
JOIN users u ON u.id = c.imported_by_user_id
LEFT JOIN project_drafts d ON d.conversation_id = c.id
LEFT JOIN project_draft_versions v ON v.id = d.active_version_id
LEFT JOIN projects p ON p.conversation_id = c.id
"""
WITHOUT_DELETED = f"{VIEW} WHERE c.deleted_at IS NULL"


class Migration(migrations.Migration):
    dependencies = [("chat", "0005_files"), ("conversations", "0005_deleted")]
    operations = [migrations.RunSQL(WITHOUT_DELETED, VIEW)]

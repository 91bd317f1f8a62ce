from django.db import migrations, models

CHUNKS = """
DELETE FROM search_chunks;
ALTER TABLE search_chunks
    ADD embedding_model_id smallint NOT NULL REFERENCES search_embedding_models,
    ADD content_hash bytea NOT NULL,
    ADD start_offset integer NOT NULL,
    ADD tsv tsvector GENERATED ALWAYS AS (to_tsvector('english', text)) STORED,
    ADD CONSTRAINT search_chunks_source_check CHECK (CASE source_type
        WHEN 'imported_chat' THEN message_index IS NOT NULL
        WHEN 'draft_chat' THEN chat_message_id IS NOT NULL AND sequence_number IS NOT NULL
        WHEN 'project_draft' THEN project_draft_id IS NOT NULL AND project_draft_version_id IS NOT NULL
        WHEN 'attachment' THEN file_attachment_id IS NOT NULL
    END);
CREATE INDEX search_chunks_tsv ON search_chunks USING gin (tsv) WITH (fastupdate = off);
CREATE UNIQUE INDEX search_chunks_place ON search_chunks (embedding_model_id, conversation_id, source_type,
    chat_message_id, project_draft_version_id, file_attachment_id, message_index, chunk_index) NULLS NOT DISTINCT;
CREATE INDEX search_chunks_without_vector ON search_chunks (embedding_model_id) WHERE embedding IS NULL;
"""
CHUNKS_BACK = """
DROP INDEX search_chunks_without_vector, search_chunks_place, search_chunks_tsv;
ALTER TABLE search_chunks DROP CONSTRAINT search_chunks_source_check,
    DROP tsv, DROP start_offset, DROP content_hash, DROP embedding_model_id;
"""

OUTBOX = """
CREATE TABLE search_outbox (
    conversation_id bigint NOT NULL REFERENCES conversations ON DELETE CASCADE,
    source_type text NOT NULL CHECK (source_type IN ('imported_chat', 'draft_chat', 'project_draft', 'attachment')),
    revision bigint NOT NULL DEFAULT 1,
    fence integer NOT NULL DEFAULT 0,
    attempts smallint NOT NULL DEFAULT 0,
    is_reindex boolean NOT NULL DEFAULT false,
    changed_at timestamptz NOT NULL DEFAULT now(),
    due_at timestamptz NOT NULL DEFAULT now(),
    claimed_until timestamptz,
    PRIMARY KEY (conversation_id, source_type)
);
CREATE INDEX search_outbox_due ON search_outbox (is_reindex, due_at);
"""

# A change and the note that it is to be indexed are one transaction, whoever writes: a service, the admin, a bulk
# statement, psql. What was deleted needs no note, as its chunks go with it.
TRIGGERS = """
CREATE FUNCTION search_note(conversation bigint, source text) RETURNS void LANGUAGE sql AS $$
    INSERT INTO search_outbox (conversation_id, source_type) VALUES (conversation, source)
    ON CONFLICT (conversation_id, source_type) DO UPDATE SET revision = search_outbox.revision + 1, attempts = 0,
        is_reindex = false, due_at = now()
$$;

CREATE FUNCTION search_note_conversation() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    PERFORM search_note(NEW.id, 'imported_chat');
    IF TG_OP = 'UPDATE' AND NEW.title IS DISTINCT FROM OLD.title THEN  -- it is embedded with what was said
        PERFORM search_note(NEW.id, 'draft_chat') FROM project_drafts WHERE conversation_id = NEW.id;
        PERFORM search_note(NEW.id, 'attachment') FROM file_attachments WHERE conversation_id = NEW.id LIMIT 1;
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER search_note AFTER INSERT OR UPDATE OF imported_chat, title ON conversations
    FOR EACH ROW EXECUTE FUNCTION search_note_conversation();

CREATE FUNCTION search_note_message() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    PERFORM search_note(conversation_id, 'draft_chat') FROM project_drafts WHERE id = NEW.project_draft_id;
    RETURN NULL;
END $$;
CREATE TRIGGER search_note AFTER INSERT OR UPDATE OF content, role, sequence_number ON chat_messages
    FOR EACH ROW EXECUTE FUNCTION search_note_message();

CREATE FUNCTION search_note_draft() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    PERFORM search_note(NEW.conversation_id, 'project_draft');
    RETURN NULL;
END $$;
CREATE TRIGGER search_note AFTER INSERT OR UPDATE OF active_version_id ON project_drafts
    FOR EACH ROW EXECUTE FUNCTION search_note_draft();

CREATE FUNCTION search_note_version() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    PERFORM search_note(conversation_id, 'project_draft') FROM project_drafts WHERE active_version_id = NEW.id;
    RETURN NULL;
END $$;
CREATE TRIGGER search_note AFTER UPDATE OF title, description ON project_draft_versions
    FOR EACH ROW EXECUTE FUNCTION search_note_version();

CREATE FUNCTION search_note_attachment() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    PERFORM search_note(NEW.conversation_id, 'attachment');
    RETURN NULL;
END $$;
CREATE TRIGGER search_note AFTER INSERT OR UPDATE OF extracted_text, filename ON file_attachments
    FOR EACH ROW EXECUTE FUNCTION search_note_attachment();
"""
TRIGGERS_BACK = """
DROP TRIGGER search_note ON file_attachments;
DROP TRIGGER search_note ON project_draft_versions;
DROP TRIGGER search_note ON project_drafts;
DROP TRIGGER search_note ON chat_messages;
DROP TRIGGER search_note ON conversations;
DROP FUNCTION search_note_attachment, search_note_version, search_note_draft, search_note_message,
    search_note_conversation, search_note;
"""

WHAT_IS_THERE = """
INSERT INTO search_outbox (conversation_id, source_type, is_reindex)
SELECT id, 'imported_chat', true FROM conversations
UNION SELECT d.conversation_id, 'draft_chat', true FROM project_drafts d JOIN chat_messages m ON m.project_draft_id = d.id
UNION SELECT conversation_id, 'project_draft', true FROM project_drafts WHERE active_version_id IS NOT NULL
UNION SELECT conversation_id, 'attachment', true FROM file_attachments WHERE extracted_text IS NOT NULL
"""


class Migration(migrations.Migration):

    dependencies = [("search", "0001_initial"), ("chat", "0005_files"), ("drafts", "0004_linear_project_requests")]

    operations = [
        migrations.CreateModel(
            name="EmbeddingModel",
            fields=[
                ("id", models.SmallAutoField(primary_key=True, serialize=False)),
                ("name", models.CharField(max_length=160, unique=True)),
                ("max_distance", models.FloatField()),
                ("state", models.CharField(choices=[("active", "Active"), ("building", "Building"), ("retired", "Retired")], max_length=10)),
                ("created_at", models.DateTimeField(auto_now_add=True)),
                ("building_since", models.DateTimeField(null=True)),
            ],
            options={
                "db_table": "search_embedding_models",
                "constraints": [
                    models.UniqueConstraint(condition=models.Q(("state__in", ["active", "building"])), fields=("state",), name="search_embedding_models_one_of_each"),
                    models.CheckConstraint(condition=models.Q(("state__in", ["active", "building", "retired"])), name="search_embedding_models_state_check"),
                    models.CheckConstraint(condition=models.Q(("max_distance__gt", 0), ("max_distance__lte", 2)), name="search_embedding_models_distance_check"),
                ],
            },
        ),
        migrations.CreateModel(
            name="OutboxEntry",
            fields=[
                ("pk", models.CompositePrimaryKey("conversation_id", "source_type", blank=True, editable=False, primary_key=True, serialize=False)),
                ("conversation_id", models.BigIntegerField()),
                ("source_type", models.TextField(choices=[("imported_chat", "Imported Chat"), ("draft_chat", "Draft Chat"), ("project_draft", "Project Draft"), ("attachment", "Attachment")])),
                ("revision", models.BigIntegerField(default=1)),
                ("fence", models.IntegerField(default=0)),
                ("attempts", models.SmallIntegerField(default=0)),
                ("is_reindex", models.BooleanField(default=False)),
                ("changed_at", models.DateTimeField()),
                ("due_at", models.DateTimeField()),
                ("claimed_until", models.DateTimeField(null=True)),
            ],
            options={"db_table": "search_outbox", "managed": False},
        ),
        migrations.RunSQL(CHUNKS, CHUNKS_BACK),
        migrations.RunSQL(OUTBOX, "DROP TABLE search_outbox"),
        migrations.RunSQL(TRIGGERS, TRIGGERS_BACK),
        migrations.RunSQL(WHAT_IS_THERE, migrations.RunSQL.noop),
    ]

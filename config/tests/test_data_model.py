"""The database as the migrations make it, against the tables that were agreed on."""

from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction

from accounts.models import User
from config.tests.making import make_conversation, make_draft, make_turn

TABLES = {
    "users": "id google_id? email name is_active created_at updated_at",
    "user_sessions": "id user_id? session_token expires_at created_at",
    "service_keys": "id service_name api_key_hash is_active created_at last_used_at?",
    "conversations": "id url title import_date imported_chat is_locked imported_by_user_id created_at updated_at",
    "imported_conversation_summaries": "id conversation_id external_id? summary created_at updated_at",
    "chat_summaries": "id conversation_id external_id? summary latest_message_id created_at updated_at",
    "conversation_memories": "id conversation_id memory_source memories",
    "project_drafts": "id conversation_id active_version_id? created_by_user_id created_at updated_at",
    "project_draft_versions": (
        "id project_draft_id title description is_manual_edit version_number created_by_user_id created_at"
    ),
    "chat_messages": "id project_draft_id role content sequence_number sent_by_user_id created_at",
    "projects": "id conversation_id linear_project_id title description linear_url created_by_user_id created_at",
    "file_attachments": (
        "id chat_message_id? conversation_id filename file_size file_type s3_key extracted_text? summary_text? "
        "uploaded_by_user_id created_at"
    ),
    "search_chunks": (
        "id source_type conversation_id chat_message_id? project_draft_id? project_draft_version_id? "
        "file_attachment_id? message_index? sequence_number? chunk_index start_offset text tsv? content_hash "
        "embedding_model_id embedding? created_at updated_at"
    ),
    "llm_prompts": "id prompt_type system_prompt is_active created_by_user_id? created_at",
    "default_llm_parameters": "id prompt_type llm_provider llm_model created_by_user_id? created_at updated_at",
}
"""Column names; `?` is one that may be null.

Where the original schema has NOT NULL, these may be null on purpose: `users.google_id` (made on this server),
`user_sessions.user_id` (before signing in), `external_id` of summaries (written here), `created_by_user_id` of prompts
and defaults (the system), `search_chunks.embedding` (not embedded yet). `search_chunks.file_attachment_id` is new.
"""
TYPES = {
    ("users", "email"): "character varying",
    ("conversations", "url"): "text",
    ("conversations", "title"): "text",
    ("conversations", "imported_chat"): "jsonb",
    ("conversation_memories", "memories"): "jsonb",
    ("conversations", "is_locked"): "boolean",
    ("project_draft_versions", "description"): "text",
    ("chat_messages", "content"): "text",
    ("search_chunks", "embedding"): "halfvec(1536)",
    ("search_chunks", "id"): "bigint",
}
VIEW = (
    "id url title import_date is_locked created_at updated_at user_id user_name user_email project_draft_title "
    "project_draft_description linear_url last_user_message_content last_assistant_message_content"
)
UNIQUE = {
    ("users", ("google_id",)),
    ("users", ("email",)),
    ("user_sessions", ("session_token",)),
    ("conversation_memories", ("conversation_id", "memory_source")),
    ("imported_conversation_summaries", ("conversation_id",)),
    ("chat_summaries", ("conversation_id",)),
    ("project_drafts", ("conversation_id",)),
    ("project_draft_versions", ("project_draft_id", "version_number")),
    ("chat_messages", ("project_draft_id", "sequence_number")),
    ("projects", ("conversation_id",)),
    ("llm_prompts", ("prompt_type",)),
    ("default_llm_parameters", ("prompt_type",)),
    ("search_chunks", ("source_type", "id")),
}

COLUMNS = """
SELECT a.attname, NOT a.attnotnull, format_type(a.atttypid, a.atttypmod) FROM pg_attribute a
WHERE a.attrelid = %s::regclass AND a.attnum > 0 AND NOT a.attisdropped
"""
INDEXES = """
SELECT c.relname, array_agg(a.attname::text ORDER BY k.position), i.indisunique
FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid
JOIN LATERAL unnest(i.indkey) WITH ORDINALITY AS k(attnum, position) ON true
JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.attnum
WHERE c.relnamespace = 'public'::regnamespace GROUP BY c.relname, i.indexrelid, i.indisunique
"""
UNSERVED = """
SELECT format('%s (%s)', con.conrelid::regclass, string_agg(a.attname::text, ', ')) FROM pg_constraint con
JOIN LATERAL unnest(con.conkey) AS k(attnum) ON true
JOIN pg_attribute a ON a.attrelid = con.conrelid AND a.attnum = k.attnum
JOIN pg_class child ON child.oid = con.conrelid
WHERE con.contype = 'f' AND child.relnamespace = 'public'::regnamespace AND NOT EXISTS (
    SELECT FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_am am ON am.oid = c.relam
    WHERE i.indrelid = con.conrelid AND i.indisvalid AND am.amname = 'btree' AND i.indkey[0] = con.conkey[1]
      AND (i.indpred IS NULL OR pg_get_expr(i.indpred, i.indrelid) = format('(%I IS NOT NULL)', a.attname))
) GROUP BY con.oid, con.conrelid
"""
pytestmark = pytest.mark.django_db


def rows(query: str, *parameters: Any) -> list[Any]:
    with connection.cursor() as cursor:
        cursor.execute(query, parameters or None)
        found: list[Any] = cursor.fetchall()
        return found


def columns(table: str) -> dict[str, tuple[bool, str]]:
    """Of each column: may it be null, and its type."""
    return {name: (nullable, kind) for name, nullable, kind in rows(COLUMNS, table)}


# ── Tables ────────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("table", TABLES)
def test_it_has_each_column(table: str) -> None:
    nullable = {name: may_be_null for name, (may_be_null, _) in columns(table).items()}
    for name in TABLES[table].split():
        assert nullable[name.rstrip("?")] is name.endswith("?"), name


def test_it_keeps_points_in_time_with_their_zone() -> None:
    kinds = {kind for table in TABLES for name, (_, kind) in columns(table).items() if name.endswith(("_at", "_date"))}
    assert kinds == {"timestamp with time zone"}


def test_it_has_the_types_that_matter() -> None:
    assert {key: columns(key[0])[key[1]][1].split("(")[0] for key in TYPES} == {
        key: kind.split("(")[0] for key, kind in TYPES.items()
    }
    assert columns("search_chunks")["embedding"][1] == "halfvec(1536)"


def test_ids_are_big_enough() -> None:
    assert {columns(table)["id"][1] for table in TABLES} == {"bigint"}


def test_the_dashboard_has_its_columns() -> None:
    assert set(columns("conversation_dashboard_view")) >= set(VIEW.split())


# ── Keys and indexes ──────────────────────────────────────────────────────────────────────────────────────────────────


def test_it_has_the_extensions() -> None:
    assert {name for (name,) in rows("SELECT extname FROM pg_extension")} >= {"pg_trgm", "vector"}


def test_chunks_are_kept_in_four_partitions() -> None:
    partitions = rows("SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = 'search_chunks'::regclass")
    kinds = ("attachment", "draft_chat", "imported_chat", "project_draft")
    assert sorted(name for (name,) in partitions) == [f"search_chunks_{kind}" for kind in kinds]
    for kind in kinds:
        plan = str(rows("EXPLAIN SELECT FROM search_chunks WHERE source_type = %s", kind))
        assert plan.count("search_chunks_") == plan.count(f"search_chunks_{kind}") > 0


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("idx_search_chunks_embedding", ["search_chunks", "hnsw", "halfvec_cosine_ops"]),
        ("idx_conversations_title_trgm", ["conversations", "gin", "gin_trgm_ops", "title"]),
        ("conversations_newest", ["updated_at DESC, id DESC"]),
        ("unique_active_prompt", ["UNIQUE", "prompt_type", "WHERE is_active"]),
        ("runs_one_active_chat_turn", ["UNIQUE", "conversation_id", "WHERE"]),
    ],
)
def test_it_has_each_named_index(name: str, words: list[str]) -> None:
    ((definition,),) = rows("SELECT indexdef FROM pg_indexes WHERE indexname = %s", name)
    assert all(word in definition for word in words), definition


def test_it_has_each_key() -> None:
    keys = {(table, tuple(names)) for table, names, is_unique in rows(INDEXES) if is_unique}
    assert UNIQUE - keys == set()


def test_an_index_serves_each_foreign_key() -> None:
    """Otherwise deleting one conversation, user or version reads whole tables."""
    assert rows(UNSERVED) == []


def test_a_conversation_takes_everything_of_it_with_it() -> None:
    query = """
    SELECT conrelid::regclass::text, confdeltype::text FROM pg_constraint
    WHERE contype = 'f' AND confrelid = 'conversations'::regclass AND conparentid = 0
    """
    by_database = {table for table, action in rows(query) if action == "c"}
    assert by_database == {"search_chunks", "search_outbox"}  # of the rest Django takes care, by the models
    tables = {table for table, _ in rows(query)}
    assert tables >= {table for table in TABLES if "conversation_id " in f"{TABLES[table]} "}


# ── What it refuses ───────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE chat_messages SET role = 'system'",
        "UPDATE chat_messages SET role = ''",
        "UPDATE chat_messages SET sequence_number = -1",
        "UPDATE conversations SET title = ''",
        "UPDATE conversations SET title = NULL",
        "UPDATE project_draft_versions SET version_number = 0",
        "UPDATE project_draft_versions SET project_draft_id = NULL",
        "UPDATE runs SET state = 'paused'",
        "UPDATE runs SET kind = 'dance'",
        "UPDATE runs SET fence = -1",
        "UPDATE llm_models SET context_window_tokens = 0",
        "INSERT INTO users (email, name, is_superuser, is_active, created_at, updated_at) "
        "VALUES ('ALICE@example.org', 'A', false, true, now(), now())",
        "DELETE FROM users",
    ],
)
def test_the_database_refuses_what_cannot_be(alice: User, statement: str) -> None:
    make_turn(make_draft(make_conversation(alice)), "A question", "An answer")
    with pytest.raises(IntegrityError), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(statement)
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")

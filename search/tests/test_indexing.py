"""What gets into the index, what goes, and what is done when something breaks."""

from typing import Any

import pytest
from django.utils import timezone

from accounts.models import User
from chat.models import ChatMessage, FileAttachment
from config.celery import app
from config.tests.making import make_conversation, make_draft, make_turn
from conversations import deletion
from conversations import services as conversations
from conversations.models import Conversation
from drafts import services as drafts
from drafts.models import ProjectDraft
from integrations.tests.fake_embeddings import FakeEmbeddings, refused, right
from search import indexing, outbox, store
from search.embedding import models_in_use
from search.models import OutboxEntry, SearchChunk
from search.tasks import index_changes, look_once
from search.tests.index import attach, held, index_all, make_due, rows, run, texts, wanted

pytestmark = pytest.mark.django_db


@pytest.fixture
def conversation(alice: User) -> Conversation:
    return make_conversation(alice)


@pytest.fixture
def vendor(vendor: FakeEmbeddings, settings: Any) -> FakeEmbeddings:
    """The one that is used."""
    settings.EMBEDDING_MODEL = "openai/m"
    return vendor


def asked(vendor: FakeEmbeddings) -> list[str]:
    """All texts that were sent to be embedded."""
    return [text for request in vendor.requests for text in request["input"]]


def say(conversation: Conversation, *texts: str) -> None:
    conversation.imported_chat = [{"role": "user", "content": text} for text in texts]
    conversation.save(update_fields=["imported_chat"])


def noted() -> set[str]:
    return set(OutboxEntry.objects.values_list("source_type", flat=True))


# ── What is indexed ───────────────────────────────────────────────────────────────────────────────────────────────────


def test_it_indexes_each_message_of_an_imported_chat(conversation: Conversation):
    index_all()
    found = SearchChunk.objects.order_by("message_index")
    assert [(row.message_index, row.chunk_index, row.text) for row in found] == [
        (0, 0, "Build a lighthouse."),
        (1, 0, "With a lamp."),
    ]
    assert all(row.embedding and len(row.embedding) == 1536 for row in found)


def test_it_indexes_the_chat_about_a_draft(conversation: Conversation):
    draft = make_draft(conversation)
    make_turn(draft, "How high?", "Sixty metres.")
    index_all()
    found = list(SearchChunk.objects.filter(source_type="draft_chat").order_by("sequence_number"))
    messages = list(draft.chat_messages.all())
    assert [row.text for row in found] == ["How high?", "Sixty metres."]
    assert [(row.chat_message_id, row.sequence_number) for row in found] == [
        (message.pk, message.sequence_number) for message in messages
    ]


def test_it_indexes_the_active_version_only(conversation: Conversation, alice: User):
    draft = make_draft(conversation, "Pier", "Mole")
    index_all()
    assert texts("project_draft") == ["Mole\n\nAbout Mole"]
    first = draft.versions.get(version_number=1)
    drafts.activate(user=alice, conversation_id=conversation.pk, version_id=first.pk)
    index_all()
    (row,) = SearchChunk.objects.filter(source_type="project_draft")
    assert row.text == "Pier\n\nAbout Pier"
    assert row.project_draft_version_id == ProjectDraft.objects.get().active_version_id


@pytest.mark.parametrize("title", [drafts.PLACEHOLDER_TITLE, drafts.FAILED_TITLE])
def test_it_leaves_out_what_stands_in_for_a_draft(conversation: Conversation, title: str):
    make_draft(conversation, title)
    index_all()
    assert texts("project_draft") == []


def test_it_indexes_a_draft_that_was_filled_in_place(conversation: Conversation, alice: User):
    draft = drafts.get_or_make_draft(conversation=conversation, user=alice)
    index_all()
    run("UPDATE project_draft_versions SET title = 'Pier', description = 'Of oak'")
    index_all()
    assert texts("project_draft") == ["Pier\n\nOf oak"]
    assert draft.versions.count() == 1


def test_it_indexes_a_file_once_its_text_is_there(conversation: Conversation):
    file = attach(conversation)
    index_all()
    assert texts("attachment") == []
    FileAttachment.objects.filter(pk=file.pk).update(extracted_text="Tide tables")
    index_all()
    (row,) = SearchChunk.objects.filter(source_type="attachment")
    assert (row.text, row.file_attachment_id) == ("Tide tables", file.pk)


def test_it_points_to_where_a_piece_begins(conversation: Conversation, settings: Any):
    settings.SEARCH_CHUNK_CHARS = settings.SEARCH_CHUNK_CHARS | {"imported_chat": 20}
    text = "Aé😀.\n\nA second paragraph.\n\nThird"
    say(conversation, text)
    index_all()
    found = SearchChunk.objects.order_by("chunk_index")
    assert [row.text for row in found] == ["Aé😀.", "A second paragraph.", "Third"]
    assert all(text[row.start_offset :].startswith(row.text) for row in found)


def test_it_embeds_what_a_text_is_about_with_it(conversation: Conversation, vendor: FakeEmbeddings):
    make_draft(conversation, "Mole")
    attach(conversation, "Tide tables")
    index_all()
    assert sorted(asked(vendor)) == [
        "A lighthouse\nassistant:\n\nWith a lamp.",
        "A lighthouse\nnotes.txt:\n\nTide tables",
        "A lighthouse\nuser:\n\nBuild a lighthouse.",
        "Mole\n\nAbout Mole",
    ]


# ── What is noted ─────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("statement", "kinds"),
    [
        ("UPDATE conversations SET title = 'New'", {"imported_chat", "draft_chat", "attachment"}),
        ("UPDATE conversations SET imported_chat = '[]'", {"imported_chat"}),
        ("UPDATE conversations SET is_locked = true, updated_at = now()", set()),
        ("UPDATE chat_messages SET content = 'new'", {"draft_chat"}),
        ("UPDATE chat_messages SET model = 'new'", set()),
        ("UPDATE project_draft_versions SET description = 'new'", {"project_draft"}),
        ("UPDATE project_draft_versions SET description = 'new' WHERE version_number = 1", set()),
        ("UPDATE project_drafts SET active_version_id = NULL", {"project_draft"}),
        ("UPDATE project_drafts SET updated_at = now()", set()),
        ("UPDATE file_attachments SET extracted_text = 'new'", {"attachment"}),
        ("UPDATE file_attachments SET summary_text = 'new'", set()),
    ],
)
def test_it_notes_what_changes_the_index_and_nothing_else(conversation: Conversation, statement: str, kinds: set[str]):
    make_turn(make_draft(conversation, "Pier", "Mole"), "A question", "An answer")
    attach(conversation, "text")
    index_all()
    run(statement)
    assert noted() == kinds


def test_it_notes_what_is_written_in_bulk(alice: User):
    fields = {"imported_by_user": alice, "url": "x", "source": "seed", "imported_chat": []}
    Conversation.objects.bulk_create(Conversation(title=f"Title {number}", **fields) for number in range(3))
    assert OutboxEntry.objects.count() == 3
    Conversation.objects.update(title="Another")
    assert set(OutboxEntry.objects.values_list("revision", flat=True)) == {2}


def test_a_change_that_is_undone_leaves_no_note(conversation: Conversation):
    index_all()
    run("SAVEPOINT before; UPDATE conversations SET title = 'New'; ROLLBACK TO before")
    assert noted() == set()


# ── Changes ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_it_embeds_only_what_has_changed(conversation: Conversation, vendor: FakeEmbeddings):
    say(conversation, "one", "two", "three")
    index_all()
    before = {row.text: row.id for row in SearchChunk.objects.all()}
    vendor.requests.clear()
    say(conversation, "one", "TWO", "three", "four")
    index_all()
    assert [text.rpartition("\n")[2] for text in asked(vendor)] == ["TWO", "four"]
    assert texts() == ["one", "TWO", "three", "four"]
    kept = {row.text: row.id for row in SearchChunk.objects.filter(text__in=["one", "three"])}
    assert kept == {text: before[text] for text in ("one", "three")}


def test_it_keeps_the_vector_of_what_has_only_moved(conversation: Conversation, vendor: FakeEmbeddings):
    say(conversation, "one", "two")
    index_all()
    vectors = {row.text: row.embedding for row in SearchChunk.objects.all()}
    vendor.requests.clear()
    say(conversation, "zero", "one", "two", "one")
    index_all()
    assert [text.rpartition("\n")[2] for text in asked(vendor)] == ["zero"]
    assert texts() == ["zero", "one", "two", "one"]
    assert all(row.embedding == vectors[row.text] for row in SearchChunk.objects.exclude(text="zero"))


def test_it_embeds_the_same_text_once(conversation: Conversation, vendor: FakeEmbeddings):
    say(conversation, *["again"] * 5)
    index_all()
    assert len(asked(vendor)) == 1
    assert len(texts()) == 5


def test_nothing_new_asks_nobody(conversation: Conversation, vendor: FakeEmbeddings):
    index_all()
    vendor.requests.clear()
    run("UPDATE conversations SET title = title")
    index_all()
    assert vendor.requests == []
    assert held() == wanted() != []


def test_a_new_title_is_embedded_with_what_was_said(conversation: Conversation, alice: User, vendor: FakeEmbeddings):
    make_turn(make_draft(conversation), "How high?")
    index_all()
    vendor.requests.clear()
    conversations.rename(user=alice, conversation_id=conversation.pk, title="A pier")
    index_all()
    assert [text.partition("\n")[0] for text in asked(vendor)] == ["A pier"] * 3
    assert held() == wanted()


def test_what_is_deleted_is_found_no_more_at_once(conversation: Conversation, alice: User):
    make_turn(make_draft(conversation), "A question", "An answer")
    attach(conversation, "Tide tables")
    index_all()
    ChatMessage.objects.filter(role="assistant").delete()
    assert texts("draft_chat") == ["A question"]
    FileAttachment.objects.all().delete()
    assert texts("attachment") == []
    conversations.delete(user=alice, conversation_id=conversation.pk)
    assert texts() != []  # for the case that it is restored
    deletion.purge_all(before=timezone.now())
    assert texts() == []
    assert noted() == set()


def test_it_takes_a_conversation_of_many_pieces_in_several_steps(
    conversation: Conversation, monkeypatch: pytest.MonkeyPatch, vendor: FakeEmbeddings
):
    monkeypatch.setattr(indexing, "CHUNKS_AT_ONCE", 7)
    say(conversation, *(f"text {number}" for number in range(30)))
    index_all()
    assert held() == wanted()
    assert max(len(request["input"]) for request in vendor.requests) == 7
    assert len(asked(vendor)) == 30


def test_it_shares_a_call_between_conversations(alice: User, vendor: FakeEmbeddings):
    for number in range(5):
        make_conversation(alice, f"Title {number}")
    indexing.index_due(seconds=5)
    assert len(vendor.requests) == 1
    assert held() == wanted()


# ── What breaks ───────────────────────────────────────────────────────────────────────────────────────────────────────


def test_words_are_there_without_the_embedder_and_vectors_follow(conversation: Conversation, vendor: FakeEmbeddings):
    vendor.replies(refused(401))
    indexing.index_due(seconds=5)
    assert texts() == ["Build a lighthouse.", "With a lamp."]
    assert rows("SELECT count(*) FROM search_chunks WHERE embedding IS NULL") == [(2,)]
    assert rows("SELECT count(*) FROM search_chunks WHERE tsv @@ to_tsquery('english', 'lamp')") == [(1,)]
    vendor.replies(right())
    index_all()
    assert rows("SELECT count(*) FROM search_chunks WHERE embedding IS NULL") == [(0,)]
    assert held() == wanted()


def test_it_asks_an_embedder_that_is_down_once_and_not_again_at_once(alice: User, vendor: FakeEmbeddings):
    vendor.replies(refused(401))
    for number in range(40):
        make_conversation(alice, f"Title {number}")
    assert indexing.index_due(seconds=30) == 40
    assert len(vendor.requests) == 1
    assert len(texts()) == 80
    assert indexing.index_due(seconds=30) == 0


def test_it_waits_longer_after_each_failure(conversation: Conversation, vendor: FakeEmbeddings):
    vendor.replies(refused(401))
    waits = []
    for _ in range(12):
        indexing.index_due(seconds=5)
        ((wait,),) = rows("SELECT extract(epoch FROM due_at - now())::int FROM search_outbox")
        waits.append(wait)
        make_due()
    assert waits == [2, 4, 8, 16, 32, 64, 128, 256, 300, 300, 300, 300]


def test_a_change_is_not_kept_waiting_by_an_earlier_failure(conversation: Conversation, vendor: FakeEmbeddings):
    vendor.replies(refused(401))
    indexing.index_due(seconds=5)
    say(conversation, "new words")
    assert indexing.index_due(seconds=5) == 1
    assert texts() == ["new words"]


def test_a_model_without_a_key_leaves_words(conversation: Conversation, settings: Any):
    settings.EMBEDDING_MODEL, settings.OPENAI_API_KEY = "openai/m", ""
    indexing.index_due(seconds=5)
    assert len(texts()) == 2
    assert OutboxEntry.objects.count() == 1


def test_one_that_cannot_be_written_does_not_stop_the_others(alice: User):
    bad, good = make_conversation(alice, "Bad"), make_conversation(alice, "Good")
    run(
        "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN IF NEW.conversation_id = %s THEN RAISE 'no'; END IF; RETURN NEW; END $$",
        bad.pk,
    )
    run("CREATE TRIGGER refuse BEFORE INSERT ON search_chunks FOR EACH ROW EXECUTE FUNCTION refuse()")
    indexing.index_due(seconds=5)
    assert set(SearchChunk.objects.values_list("conversation_id", flat=True)) == {good.pk}
    assert list(OutboxEntry.objects.values_list("conversation_id", flat=True)) == [bad.pk]
    run("DROP TRIGGER refuse ON search_chunks")
    index_all()
    assert held() == wanted()


def test_one_who_lost_the_claim_writes_nothing(conversation: Conversation):
    (lost,) = outbox.claim(1)
    make_due()
    (entry,) = outbox.claim(1)
    indexing.index([lost], set())
    assert (texts(), OutboxEntry.objects.count()) == ([], 1)
    indexing.index([entry], set())
    assert (len(texts()), OutboxEntry.objects.count()) == (2, 0)


def test_a_change_while_it_is_indexed_is_indexed_too(conversation: Conversation):
    (entry,) = outbox.claim(1)
    say(conversation, "first")
    indexing.index([entry], set())
    assert OutboxEntry.objects.get().claimed_until is None
    assert indexing.index_due(seconds=5) == 1
    assert held() == wanted()


def test_a_conversation_that_is_deleted_while_it_is_indexed_leaves_nothing(conversation: Conversation):
    (entry,) = outbox.claim(1)
    works = indexing._works([entry], models_in_use())
    conversation.delete()
    indexing._round(works, works[0].model, set())
    assert works[0].is_over
    assert texts() == []


def test_a_message_that_is_deleted_while_it_is_indexed_leaves_nothing(conversation: Conversation):
    make_turn(make_draft(conversation), "A question", "An answer")
    run("DELETE FROM search_outbox WHERE source_type <> 'draft_chat'")
    (entry,) = outbox.claim(1)
    works = indexing._works([entry], models_in_use())
    ChatMessage.objects.filter(role="assistant").delete()
    indexing._round(works, works[0].model, set())
    assert works[0].is_over and not works[0].is_complete
    index_all()
    assert texts("draft_chat") == ["A question"]


# ── The task ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_task_indexes_what_has_changed(conversation: Conversation):
    assert index_changes() == 1
    assert held() == wanted()
    assert index_changes() == 0


def test_a_worker_starts_a_task_only_if_something_is_due(conversation: Conversation):
    with app.connection() as broker:
        waiting = broker.default_channel.client
        waiting.delete("celery")
        assert look_once()
        assert waiting.llen("celery") == 1
        index_changes()
        assert not look_once()
        assert waiting.llen("celery") == 1
        waiting.delete("celery")


def test_the_task_deletes_what_is_left_of_an_old_model(conversation: Conversation):
    index_changes()
    run("UPDATE search_embedding_models SET state = 'retired', name = 'openai/old'")
    index_changes()
    assert held() == []
    assert store.purge(10) == 0

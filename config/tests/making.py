"""Rows for tests that need neither an import nor a model."""

from datetime import timedelta
from io import BytesIO
from typing import Any
from uuid import uuid4

from django.utils import timezone

from chat import services as chat
from chat.models import ChatMessage, FileAttachment, StoredObject
from conversations.models import Conversation, Run
from drafts.models import Archive, ArchiveEntry, ProjectDraft
from drafts.services import Author, add_version
from integrations.storage import file_storage

CHAT = [{"role": "user", "content": "Build a lighthouse."}, {"role": "assistant", "content": "With a lamp."}]
DEMO = Author("demo/demo-1", 0)


def make_conversation(user: Any, title: str = "A lighthouse", **fields: Any) -> Conversation:
    values = {"url": f"https://example.org/{title}", "imported_chat": CHAT, "source": "chatgpt"}
    return Conversation.objects.create(title=title, imported_by_user=user, **values | fields)


def make_draft(conversation: Conversation, *texts: str) -> ProjectDraft:
    """A draft with a version for each text, which is its title and its description."""
    user = conversation.imported_by_user
    draft = ProjectDraft.objects.create(conversation=conversation, created_by_user=user)
    for text in texts or ("First",):
        add_version(draft=draft, title=text, description=f"About {text}", user=user)
    draft.refresh_from_db()
    return draft


def make_file(conversation: Conversation, filename: str = "light.png", **fields: Any) -> FileAttachment:
    """A picture with a thumbnail, both with objects in the storage of the tests."""
    keys = [f"conversations/{conversation.pk}/files/{uuid4()}" for _ in range(2)]
    for key in keys:
        file_storage().put(key, BytesIO(b"light"), "image/png")
        StoredObject.objects.create(key=key, size=5, state=StoredObject.State.STORED)
    values = {"file_type": "image/png", "file_size": 5, "s3_key": keys[0], "thumbnail_key": keys[1]}
    return FileAttachment.objects.create(
        conversation=conversation,
        filename=filename,
        uploaded_by_user=conversation.imported_by_user,
        **values | fields,
    )


def make_run(user: Any, conversation: Conversation | None = None, **fields: Any) -> Run:
    """A chat turn that is over, unless told otherwise."""
    values = {"kind": Run.Kind.CHAT_TURN, "state": Run.State.DONE, "conversation": conversation}
    return Run.objects.create(user=user, **values | fields)


def make_turn(draft: ProjectDraft, question: str, answer: str = "", **run: Any) -> Run:
    """A message of the conversation's owner and, with `answer`, the reply to it, as one run."""
    conversation = draft.conversation
    user = conversation.imported_by_user
    row = make_run(user, conversation, **run)
    asked = chat.append(draft=draft, role=ChatMessage.Role.USER, content=question, user=user, run=row)
    row.payload = {"llm_provider": "demo", "llm_model": "demo-1", "question_id": asked.pk} | row.payload
    row.save()
    if answer:
        role = ChatMessage.Role.ASSISTANT
        chat.append(draft=draft, role=role, content=answer, user=user, run=row, author=DEMO)
    return row


def make_archive(user: Any, *titles: str, **fields: Any) -> Archive:
    """An archive that is listed; its entries are chats of ChatGPT with these titles and ids."""
    values = {"filename": "export.zip", "size": 1000, "state": Archive.State.READY, "listed": len(titles)}
    archive = Archive.objects.create(user=user, **{"expires_at": timezone.now() + timedelta(days=1)} | values | fields)
    for position, title in enumerate(titles):
        url = f"draftloom:import/chatgpt/{title}"
        chat = {"source": "chatgpt", "source_id": title, "url": url, "title": title, "messages": 2}
        ArchiveEntry.objects.create(archive=archive, position=position, **chat)
    return archive

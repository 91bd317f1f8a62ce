"""What may be done with a conversation. Each function is the one place where its rule lives."""

import hashlib
from collections.abc import Iterable
from datetime import timedelta
from typing import Any

from django.db import connection, transaction
from django.db.models.functions import MD5
from django.utils import timezone

from accounts import audit
from accounts.models import User
from accounts.principals import Principal
from config.exceptions import Conflict, Forbidden, Invalid, NotFound
from config.limits import CONVERSATION_TITLE_CHARACTERS
from config.preconditions import Precondition, no_precondition
from config.text import shorten
from conversations import summaries
from conversations.models import Conversation, ImportedSummary, Run, SummaryJob
from conversations.runs import lifecycle
from conversations.signals import before_hiding
from conversations.visibility import ConversationQuerySet
from integrations.importers.base import ImportedChat

UNTITLED = "Untitled conversation"
RUN_TEXT_KEPT = timedelta(days=7)


def get_conversation(*, user: Principal, conversation_id: int) -> Conversation:
    """Raises `NotFound` for one that is missing or not this user's to see."""
    return _one(Conversation.objects.visible_to(user), conversation_id)


def get_head(*, user: Principal, conversation_id: int) -> Conversation:
    """Like `get_conversation`, without reading the chat."""
    rows = Conversation.objects.visible_to(user).defer("imported_chat").select_related("imported_by_user")
    return _one(rows, conversation_id)


def require_visible(*, user: Principal, conversation_id: int) -> None:
    """Raises `NotFound` for one that is missing or not this user's to see."""
    _one(Conversation.objects.visible_to(user).only("id"), conversation_id)


def lock_for_write(*, user: User, conversation_id: int) -> Conversation:
    """The conversation, locked until the transaction ends; every write to anything of it begins here.

    Raises `NotFound`, or `Conflict` (`conversation_locked`) once it has become a project.
    """
    rows = Conversation.objects.editable_by(user).select_for_update(no_key=True, of=("self",)).defer("imported_chat")
    conversation = _one(rows, conversation_id)
    if conversation.is_locked:
        raise Conflict("This conversation has become a project and is locked.", code="conversation_locked")
    return conversation


@transaction.atomic
def rename(
    *, user: User, conversation_id: int, title: str, precondition: Precondition[Conversation] = no_precondition
) -> Conversation:
    """Changes the title. Returns the conversation as this has left it, with its chat."""
    conversation = lock_for_write(user=user, conversation_id=conversation_id)
    precondition(conversation)
    conversation.title, conversation.updated_at = title, timezone.now()
    conversation.save(update_fields=["title", "updated_at"])
    return get_conversation(user=user, conversation_id=conversation_id)


@transaction.atomic
def delete(
    *, user: User, conversation_id: int, precondition: Precondition[Conversation] = no_precondition
) -> Conversation:
    """Hides a conversation with all that belongs to it, and ends its runs; see `conversations.deletion` for the rest.

    Raises `Forbidden` unless `user` imported it or operates, and whatever a receiver of `before_hiding` raises.
    """
    conversation = lock_for_write(user=user, conversation_id=conversation_id)
    if not Conversation.objects.deletable_by(user).filter(pk=conversation.pk).exists():
        raise Forbidden("Only the person who imported a conversation, or an operator, may delete it.")
    precondition(conversation)
    before_hiding.send(Conversation, instance=conversation)
    lifecycle.end_all_of(conversation, reason="The conversation was deleted.")
    conversation.deleted_at, conversation.deleted_by_user = timezone.now(), user
    conversation.save(update_fields=["deleted_at", "deleted_by_user"])
    audit.record(
        "conversation.deleted",
        user=user,
        resource=f"conversation {conversation_id}",
        before={"imported_by": conversation.imported_by_user_id},
    )
    return conversation


@transaction.atomic
def unlock(*, user: User, conversation_id: int, reason: str) -> None:
    """Lets a conversation that has become a project be changed again; the project stays, and stays the only one.

    Raises `Forbidden` unless `user` operates, `Invalid` without a reason, `NotFound`, or `Conflict` if it is free.
    """
    if not user.is_operator:
        raise Forbidden("Only an operator may unlock a conversation.")
    if not reason.strip():
        raise Invalid("Say why it is unlocked: the audit keeps the reason.", field="reason")
    rows = Conversation.objects.visible_to(user).select_for_update(no_key=True, of=("self",)).defer("imported_chat")
    conversation = _one(rows, conversation_id)
    if not conversation.is_locked:
        raise Conflict("This conversation is not locked.", code="conversation_not_locked")
    conversation.is_locked = False
    conversation.save(update_fields=["is_locked"])
    audit.record(
        "conversation.unlocked",
        user=user,
        resource=f"conversation {conversation_id}",
        before={"is_locked": True},
        after={"is_locked": False, "reason": reason.strip()},
    )


def summary_of(*, user: Principal, conversation_id: int) -> str:
    """Raises `NotFound` while there is no summary, or an empty one."""
    require_visible(user=user, conversation_id=conversation_id)
    row = ImportedSummary.objects.filter(conversation_id=conversation_id).exclude(summary="").first()
    if row is None:
        raise NotFound("There is no summary of this conversation yet.", code="summary_not_found")
    return row.summary


@transaction.atomic
def write_summary(*, user: User, conversation_id: int, summary: str) -> None:
    conversation = lock_for_write(user=user, conversation_id=conversation_id)
    values = {"summary": summary, "is_manual": True}
    ImportedSummary.objects.update_or_create(conversation=conversation, defaults=values)
    summaries.supersede(conversation=conversation)


def url_of(chat: ImportedChat) -> str:
    """The link of a chat, or for one without a link a name that two imports of the same chat share."""
    return chat.url


def with_url(*, user: User, url: str) -> ConversationQuerySet:
    """Conversations the user may see that came from `url`, the newest first."""
    rows = Conversation.objects.visible_to(user).alias(url_md5=MD5("url"))
    return rows.filter(url_md5=hashlib.md5(url.encode(), usedforsecurity=False).hexdigest(), url=url).order_by(
        "-updated_at", "-id"
    )


def same_chat(*, user: User, chat: ImportedChat) -> ConversationQuerySet:
    """Conversations the user may see that are this chat, imported before; the newest first."""
    if not chat.source_id:
        return with_url(user=user, url=url_of(chat))
    rows = Conversation.objects.visible_to(user).filter(source=chat.source, source_id=chat.source_id)
    return rows.order_by("-updated_at", "-id")


def lock_url(url: str) -> None:
    """Makes imports of one link take turns until the transaction ends, so that two of them cannot both be the first."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [url])


@transaction.atomic
def create_from_chat(*, user: User, chat: ImportedChat, then: dict[str, Any] | None = None) -> Conversation:
    """Stores a chat; the summariser is told of it if there is one, and `then` the run is queued that waits for it."""
    conversation = Conversation.objects.create(
        url=url_of(chat),
        title=_title_of(chat),
        imported_by_user=user,
        source=chat.source,
        source_id=chat.source_id,
        imported_chat=messages_of(chat),
        import_report=chat.report(),
    )
    summaries.request_external(conversation=conversation, source=SummaryJob.Source.IMPORTED, then=then)
    return conversation


@transaction.atomic
def replace_chat(*, conversation: Conversation, chat: ImportedChat) -> None:
    """Takes the messages of a newer import; the title stays, and a summary made of the old messages goes."""
    now = timezone.now()
    conversation.imported_chat = messages_of(chat)
    conversation.import_report = chat.report()
    conversation.import_date = conversation.updated_at = now
    conversation.save(update_fields=["imported_chat", "import_report", "import_date", "updated_at"])
    if ImportedSummary.objects.filter(conversation=conversation, is_manual=True).exists():
        return
    ImportedSummary.objects.filter(conversation=conversation).delete()
    summaries.request_external(conversation=conversation, source=SummaryJob.Source.IMPORTED)


def update_chat(*, conversation: Conversation, chat: ImportedChat) -> bool:
    """Like `replace_chat`, unless the messages are the same; then nothing changes, and it returns False."""
    if conversation.imported_chat == messages_of(chat):
        return False
    replace_chat(conversation=conversation, chat=chat)
    return True


def get_run(*, user: Principal, run_id: Any) -> Run:
    run = Run.objects.visible_to(user).filter(pk=run_id).first()
    if run is None:
        raise NotFound("There is no such run.", code="run_not_found")
    return run


def cancel_run(*, user: User, run_id: Any) -> Run:
    return lifecycle.cancel(run=get_run(user=user, run_id=run_id))


def trim_finished_runs() -> int:
    """Drops from old runs what is stored elsewhere too, or of no use once they are over; how many were trimmed."""
    old = Run.objects.exclude(state__in=Run.ACTIVE).filter(finished_at__lt=timezone.now() - RUN_TEXT_KEPT)
    old = old.exclude(kind=Run.Kind.TRIAL)  # what it tried is said nowhere else
    return old.exclude(partial="", payload={}).update(partial="", payload={}, step={})


def _one(rows: ConversationQuerySet, conversation_id: int) -> Conversation:
    conversation = rows.filter(pk=conversation_id).first()
    if conversation is None:
        raise NotFound("There is no such conversation.", code="conversation_not_found")
    return conversation


def _title_of(chat: ImportedChat) -> str:
    return shorten(chat.title.strip() or UNTITLED, CONVERSATION_TITLE_CHARACTERS)


def messages_of(chat: ImportedChat) -> list[dict[str, str]]:
    return [{"role": message.role, "content": message.text} for message in chat.messages]


def transcript(messages: Iterable[dict[str, str]]) -> str:
    """The chat as text for a model: each message behind its role, with a blank line between."""
    return "\n\n".join(f"{message['role'].capitalize()}: {message['content']}" for message in messages)

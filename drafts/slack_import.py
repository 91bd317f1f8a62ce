"""A conversation that Slack sends: taken in while Slack waits, and drafted by a run afterwards (contract.md 1.5)."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from django.db import transaction

from accounts.models import User
from config.exceptions import BadRequest
from conversations import services as conversations
from conversations.models import Run
from conversations.runs import lifecycle
from drafts.import_flow import CHAT_NOT_FOUND, manners, take_in
from integrations.importers import child
from integrations.importers.base import ImportedChat, ImporterError
from integrations.importers.by_link import fetch_chat
from integrations.importers.links import parse_share_url
from integrations.importers.slack import read_thread
from llmconfig.models import Task
from llmconfig.services import default_model


class TakenIn(NamedTuple):
    """`is_new` is False for a conversation that was here before."""

    conversation_id: int
    is_new: bool


def import_link(*, user: User, url: str) -> TakenIn:
    """Imports a share link for `user`; fetches it, for up to half a minute. Raises `BadRequest` if there is no chat."""
    try:
        link = parse_share_url(url)
        if (here := _newest(user, link.url)) is not None:
            return TakenIn(here, is_new=False)
        chat = fetch_chat(link, manners(), child.parse)
    except ImporterError as error:
        raise _refusal(error) from error
    return _take_in(user, chat)


def import_thread(
    *, user: User, messages: Sequence[Mapping[str, Any]], title: str = "", thread_url: str = ""
) -> TakenIn:
    """Imports the messages of a thread for `user`. Raises `BadRequest` if none of them can be shown."""
    try:
        chat = read_thread(messages, title=title, thread_url=thread_url)
    except ImporterError as error:
        raise _refusal(error) from error
    return _take_in(user, chat)


@transaction.atomic
def _take_in(user: User, chat: ImportedChat) -> TakenIn:
    url = conversations.url_of(chat)
    conversations.lock_url(url)  # of two requests for one link, the second sees the first
    if (here := _newest(user, url)) is not None:
        return TakenIn(here, is_new=False)
    model = default_model(prompt_type=Task.GENERATION)
    payload = {
        "url": url,
        "chat": None,
        "llm_provider": model.provider,
        "llm_model": model.model_id,
        "duplicate_resolution": "prompt",
        "accept_summarization": True,
        "target_conversation_id": None,
    }
    run = lifecycle.start_run(kind=Run.Kind.IMPORT, user=user, payload=payload)
    run.conversation, run.step = take_in(run, chat)
    run.save(update_fields=["conversation", "step"])
    return TakenIn(run.conversation.pk, is_new=True)


def _newest(user: User, url: str) -> int | None:
    return conversations.with_url(user=user, url=url).values_list("pk", flat=True).first()


def _refusal(error: ImporterError) -> BadRequest:
    if error.code == "gone":
        return BadRequest(error.detail, code=CHAT_NOT_FOUND)
    return BadRequest(error.detail, code="parse_failed", extra={"reason": error.code})

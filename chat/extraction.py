"""Reading files for the models: one is claimed, read in a process of its own, and what was found is stored.

A claim raises `extraction_tries`, and whatever it leads to is stored only while the row still has that number: who was
given up on writes nothing more. The sweeper takes up files of which nobody was heard for longer than a task may take.
Those of a deleted conversation wait until it is restored.
"""

import logging
from datetime import timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import F, Q, QuerySet
from django.db.models.functions import Now

from accounts.models import User
from chat.attachments import BRIEF_CHARACTERS
from chat.descriptions import describe_image, summarise_text
from chat.files import get_file, of_kept, store_thumbnail
from chat.models import FileAttachment
from config import throttle
from config.exceptions import NotFound, Unavailable
from config.limits import EXTRACTION_TRIES
from conversations.services import lock_for_write
from integrations.extraction import child
from integrations.extraction.base import Extraction
from integrations.llm.errors import LLMError
from integrations.storage import file_storage

QUEUED_WITHIN = timedelta(minutes=1)
SWEPT_AT_ONCE = 500

GIVEN_UP = "Reading this file was begun several times and never came to an end. Try again, or upload another copy."

State = FileAttachment.Extraction
log = logging.getLogger(__name__)


def extract(*, file_id: int) -> bool:
    """Reads a file that waits for it, unless somebody else is at it. True if its text should be summarised.

    While the storage does not answer, the file goes on waiting, and that is no try.
    """
    file = _claim(file_id)
    if file is None:
        return False
    try:
        found = _read(file)
    except Unavailable:
        _claimed(file).update(extraction_started_at=None, extraction_tries=F("extraction_tries") - 1)
        return False
    return _settle(file, found) and len(found.text) > BRIEF_CHARACTERS


def summarise(*, file_id: int) -> None:
    """Adds a summary to a file whose text is long. Without one, the text's beginning stands for it later on."""
    file = of_kept().filter(pk=file_id, extraction=State.READY, summary_text=None).first()
    if file is None or not file.extracted_text:
        return
    try:
        summary = summarise_text(file, file.extracted_text)
    except (LLMError, TimeoutError) as error:
        log.warning("File %s was not summarised: %s", file_id, type(error).__name__)
        return
    unchanged = of_kept().filter(pk=file_id, extraction=State.READY, extraction_started_at=file.extraction_started_at)
    unchanged.update(summary_text=summary or None)


@transaction.atomic
def extract_again(*, user: User, file_id: int) -> FileAttachment:
    """Lets a file wait for being read once more; one that waits already goes on waiting.

    Raises `NotFound`, `TooMany`, or `Conflict` (`conversation_locked`).
    """
    lock_for_write(user=user, conversation_id=get_file(user=user, file_id=file_id).conversation_id)
    throttle.take("uploads", user.pk, settings.LIMIT_UPLOADS)
    rows = FileAttachment.objects.filter(pk=file_id).exclude(extraction=State.PENDING)
    rows.update(extraction=State.PENDING, extraction_error="", extraction_tries=0, extraction_started_at=None)
    return get_file(user=user, file_id=file_id)


def sweep() -> list[int]:
    """The files that are to be read by somebody else now; those that were begun too often are given up."""
    lost = of_kept().filter(_is_free(), extraction=State.PENDING, created_at__lt=Now() - QUEUED_WITHIN)
    given_up = lost.filter(extraction_tries__gte=EXTRACTION_TRIES)
    given_up.update(extraction=State.FAILED, extraction_error=GIVEN_UP)
    return list(lost.order_by("created_at").values_list("pk", flat=True)[:SWEPT_AT_ONCE])


def _is_free() -> Q:
    """Nobody is at it, or whoever was has taken longer than a task may."""
    longest = timedelta(seconds=settings.CELERY_TASK_TIME_LIMIT + 30)
    return Q(extraction_started_at=None) | Q(extraction_started_at__lt=Now() - longest)


def _claim(file_id: int) -> FileAttachment | None:
    rows = of_kept().filter(pk=file_id)
    free = rows.filter(_is_free(), extraction=State.PENDING, extraction_tries__lt=EXTRACTION_TRIES)
    if not free.update(extraction_started_at=Now(), extraction_tries=F("extraction_tries") + 1):
        return None
    return rows.first()


def _claimed(file: FileAttachment) -> QuerySet[FileAttachment]:
    """The row of `file`, as long as nobody has claimed it since, or deleted its conversation."""
    return of_kept().filter(pk=file.pk, extraction=State.PENDING, extraction_tries=file.extraction_tries)


def _read(file: FileAttachment) -> Extraction:
    """Raises `Unavailable`."""
    try:
        with file_storage().open(file.s3_key) as source:
            found = child.extract(source, file.file_type)
            if found.thumbnail:
                store_thumbnail(file=file, content=found.thumbnail)
            if found.picture and found.state == "no_text":
                source.seek(0)
                return _described(file, found, source.read())
    except NotFound:
        return Extraction("failed", reason="lost")
    return found


def _described(file: FileAttachment, found: Extraction, data: bytes) -> Extraction:
    """The image with what a model says of it as its text, or with its size only."""
    facts = _facts(found)
    try:
        said = describe_image(file, data)
    except (LLMError, TimeoutError):
        return found._replace(text=facts, reason="unanswered")
    if not said:
        return found._replace(text=facts, reason="undescribed")
    return found._replace(state="ready", text=f"{facts}\n\n{said}")


def _facts(found: Extraction) -> str:
    width, height, frames = found.picture or (0, 0, 0)
    return f"An image of {width} × {height} pixels" + (f" and {frames} frames." if frames > 1 else ".")


def _settle(file: FileAttachment, found: Extraction) -> bool:
    """Ends the reading of a claimed file. False if that is not ours to say any more."""
    columns = {"extracted_text": found.text or None, "page_count": found.page_count, "text_truncated": found.is_cut}
    ended = {"extraction": found.state, "extraction_error": child.explain(found.reason)}
    return bool(_claimed(file).update(**columns, **ended, summary_text=None))

"""Files of a conversation: brought in, listed, fetched and deleted. Reading them for the models is elsewhere."""

import re
import unicodedata
from io import BytesIO
from pathlib import PurePosixPath
from typing import IO
from uuid import uuid4

from django.conf import settings
from django.db import transaction
from django.db.models import Q, QuerySet

from accounts import audit
from accounts.models import User
from accounts.principals import Principal
from chat import objects
from chat.models import FileAttachment
from config import throttle
from config.exceptions import BadRequest, Conflict, Forbidden, NotFound, TooLarge
from config.limits import FILENAME_BYTES, UPLOAD_BYTES
from conversations.models import Conversation
from conversations.services import lock_for_write, require_visible
from integrations.file_types import PICTURES, type_of
from integrations.storage import file_storage
from integrations.storage.base import missing

UNREAD = ("extracted_text", "summary_text")  # large, and of no use to people
THUMBNAIL_TYPE = "image/webp"
OF_CONVERSATION = re.compile(r"conversations/(\d{1,18})/")  # how every key begins


def upload(*, user: User, conversation_id: int, file: IO[bytes], size: int, name: str) -> FileAttachment:
    """Stores a file of `size` bytes, under a key that nobody chooses and its name cleaned.

    Raises `NotFound`, `Forbidden` (`conversation_locked`), `TooMany`, `BadRequest` (`empty_file`), `TooLarge` (also
    `quota_exceeded`), `UnsupportedType`, `Invalid` (`image_too_large`) or `Unavailable`, and has stored nothing then.
    """
    with transaction.atomic():
        _lock(user, conversation_id)
    throttle.take("uploads", user.pk, settings.LIMIT_UPLOADS)
    filename = clean_name(name)
    content = objects.Content(file, size, _type_of(file, size, filename))
    key = f"conversations/{conversation_id}/files/{uuid4()}"

    def record() -> FileAttachment:
        return FileAttachment.objects.create(
            conversation=_lock(user, conversation_id),
            filename=filename,
            file_size=size,
            file_type=content.content_type,
            s3_key=key,
            uploaded_by_user=user,
        )

    return objects.store(key=key, content=content, record=record, user=user)


def files_of(*, user: Principal, conversation_id: int) -> QuerySet[FileAttachment]:
    """The oldest first, without what was read from them."""
    require_visible(user=user, conversation_id=conversation_id)
    return FileAttachment.objects.filter(conversation_id=conversation_id).defer(*UNREAD).order_by("created_at", "pk")


def get_file(*, user: Principal, file_id: int) -> FileAttachment:
    """Raises `NotFound` for one that is missing or not this user's to see."""
    rows = FileAttachment.objects.filter(conversation__in=Conversation.objects.visible_to(user), pk=file_id)
    file = rows.defer(*UNREAD).first()
    if file is None:
        raise NotFound("There is no such file.", code="file_not_found")
    return file


def of_kept() -> QuerySet[FileAttachment]:
    """The files of conversations that are not deleted, whoever may see them; without a join, since it is updated."""
    return FileAttachment.objects.filter(conversation__in=Conversation.objects.kept())


def open_linked(key: str) -> IO[bytes]:
    """What a link leads to that was made by `link_to`. Raises `NotFound`, once the file is gone, or `Unavailable`."""
    conversation = OF_CONVERSATION.match(key)
    named = Q(s3_key=key) | Q(thumbnail_key=key)
    if not conversation or not of_kept().filter(named, conversation=int(conversation[1])).exists():
        raise NotFound("There is no file here.")
    return file_storage().open(key)


def link_to(*, user: Principal, file_id: int) -> str:
    """An address that fetches the file for `FILE_URL_TTL` seconds. Raises `NotFound` or `Unavailable`."""
    file = get_file(user=user, file_id=file_id)
    if not file_storage().exists(file.s3_key):
        raise missing()
    return _link(file.s3_key, file.filename, file.file_type)


def link_to_thumbnail(*, user: Principal, file_id: int) -> str:
    """Like `link_to`. Raises `NotFound` (`no_thumbnail`) for a file that has none, or not yet."""
    file = get_file(user=user, file_id=file_id)
    if not file.thumbnail_key:
        raise NotFound("There is no preview of this file.", code="no_thumbnail")
    return _link(file.thumbnail_key, f"{PurePosixPath(file.filename).stem}.webp", THUMBNAIL_TYPE)


@transaction.atomic
def delete(*, user: User, file_id: int) -> None:
    """Deletes a file that was not sent yet; its object goes soon after.

    Raises `NotFound`, or `Conflict`: `file_sent`, since what was said stays as it was said, or `conversation_locked`.
    """
    conversation = lock_for_write(user=user, conversation_id=get_file(user=user, file_id=file_id).conversation_id)
    file = get_file(user=user, file_id=file_id)  # as it is now that nobody can send it
    if file.chat_message_id is not None:
        raise Conflict("This file was sent with a message and stays with it.", code="file_sent")
    file.delete()
    audit.record("file.deleted", user=user, resource=f"file {file_id} of conversation {conversation.pk}")


def store_thumbnail(*, file: FileAttachment, content: bytes) -> None:
    """Keeps a picture of the type `THUMBNAIL_TYPE` as the file's thumbnail, in place of an earlier one.

    Raises `NotFound` if the file is gone meanwhile, or `Unavailable`.
    """
    key = f"conversations/{file.conversation_id}/thumbnails/{uuid4()}"

    def record() -> None:
        if not of_kept().filter(pk=file.pk).update(thumbnail_key=key):
            raise NotFound("There is no such file.", code="file_not_found")

    objects.store(key=key, content=objects.Content(BytesIO(content), len(content), THUMBNAIL_TYPE), record=record)
    file.thumbnail_key = key


def clean_name(name: str) -> str:
    """The last part of `name`, composed, without what is not printable, of at most `FILENAME_BYTES` in UTF-8.

    A name that is too long loses the end of its stem and keeps its extension.
    """
    last = unicodedata.normalize("NFC", name).replace("\\", "/").rpartition("/")[2]
    path = PurePosixPath("".join(character for character in last if character.isprintable()).strip() or "file")
    room = FILENAME_BYTES - len(path.suffix.encode())
    if room <= 0:  # all of it is the "extension"
        return _cut(path.name, FILENAME_BYTES)
    return _cut(path.stem, room) + path.suffix


def _cut(text: str, size: int) -> str:
    return text.encode()[:size].decode(errors="ignore")


def _lock(user: User, conversation_id: int) -> Conversation:
    """As `lock_for_write`; a locked conversation takes no files at all, which is `Forbidden`."""
    try:
        return lock_for_write(user=user, conversation_id=conversation_id)
    except Conflict as error:
        raise Forbidden(error.detail, code=error.code) from error


def _type_of(file: IO[bytes], size: int, name: str) -> str:
    if not size:
        raise BadRequest("Empty file. Choose one that has something in it.", code="empty_file")
    if size > UPLOAD_BYTES:
        raise TooLarge(f"A file may have at most {UPLOAD_BYTES // 2**20} MB. Choose a smaller one.")
    return type_of(file, name)


def _link(key: str, filename: str, content_type: str) -> str:
    """A link that a browser shows for a picture without scripts, and for everything else keeps as a file."""
    return file_storage().signed_url(
        key,
        filename=filename,
        content_type=content_type,
        seconds=settings.FILE_URL_TTL,
        inline=content_type in PICTURES,
    )

"""What a place for files can do."""

import logging
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, ClassVar

from django.core.files.base import File
from django.core.files.storage import Storage

from config.exceptions import NotFound, Unavailable

log = logging.getLogger(__name__)

RETRY_SECONDS = 5


class FileStorage(ABC):
    """Objects under keys such as `conversations/7/files/<uuid>`, each written once, through one of Django's storages.

    Any method may raise `Unavailable` (`storage_unavailable`), a bucket's within about half a minute of silence.
    """

    takes_links: bool = False
    """Whether `signed_url` is an address that a server elsewhere can fetch from."""
    failures: ClassVar[tuple[type[Exception], ...]] = (OSError,)

    def __init__(self, storage: Storage) -> None:
        self._storage = storage

    def put(self, key: str, file: IO[bytes], content_type: str) -> None:
        """Stores what `file` holds, without reading all of it into memory at once."""
        content = File(file)
        content.content_type = content_type  # type: ignore[attr-defined]  # where `S3Storage` looks for it
        with self._told():
            self._storage.save(key, content)

    def open(self, key: str) -> IO[bytes]:
        """The object's bytes, there already or on a disk of this machine. Raises `NotFound` (`file_not_stored`)."""
        with self._told():
            try:
                file = self._storage.open(key)
                file.seek(0)  # `S3Storage` fetches when first asked for bytes
            except FileNotFoundError as error:
                raise missing() from error
            return file

    def delete(self, key: str) -> None:
        """Removes the object, if there is one."""
        with self._told():
            self._storage.delete(key)

    def exists(self, key: str) -> bool:
        with self._told():
            return self._storage.exists(key)

    @abstractmethod
    def keys(self) -> Iterator[str]:
        """The keys of all objects, in no order."""

    @abstractmethod
    def signed_url(self, key: str, *, filename: str, content_type: str, seconds: int, inline: bool) -> str:
        """An address at which whoever has it may fetch the object for so long; it may be relative to this server's.

        With `inline` a browser shows the object, else it keeps it under `filename`.
        """

    @contextmanager
    def _told(self) -> Iterator[None]:
        """Turns what the storage raises into `Unavailable`; the log tells its kind and no key."""
        try:
            yield
        except self.failures as error:
            log.warning("The file storage failed: %s", self.kind(error))
            raise Unavailable(
                "The file storage does not answer at the moment. Try again in a few seconds.",
                code="storage_unavailable",
                extra={"retry_after": RETRY_SECONDS},
            ) from error

    def kind(self, error: Exception) -> str:
        """A name of what went wrong, without anything that the message may quote."""
        return type(error).__name__


def missing() -> NotFound:
    return NotFound("The file is not in the storage any more. Upload it again.", code="file_not_stored")

"""Files in a folder of this machine, for an installation without a bucket."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from django.core.files.storage import FileSystemStorage

from integrations.storage.base import FileStorage
from integrations.storage.links import Link, sign


class FolderStorage(FileStorage):
    """Its signed addresses are `/files/<token>` of this server."""

    def __init__(self, folder: Path) -> None:
        super().__init__(FileSystemStorage(folder, file_permissions_mode=0o600, directory_permissions_mode=0o700))
        self._folder = folder

    def put(self, key: str, file: IO[bytes], content_type: str) -> None:
        """Ends when the bytes are on the disk: the row that is written next will be, too."""
        super().put(key, file, content_type)
        with self._told(), self._storage.open(key) as stored:
            os.fsync(stored.fileno())

    def keys(self) -> Iterator[str]:
        for folder, _, names in os.walk(self._folder):
            yield from (Path(folder, name).relative_to(self._folder).as_posix() for name in names)

    def signed_url(self, key: str, *, filename: str, content_type: str, seconds: int, inline: bool) -> str:
        return "/files/" + sign(Link(key, filename, content_type, inline), seconds)

"""Files of a form on their way in."""

from tempfile import SpooledTemporaryFile
from typing import Any

from django.core.files.uploadedfile import UploadedFile
from django.core.files.uploadhandler import FileUploadHandler

MEMORY_BYTES = 256 * 1024


class SpooledUploadHandler(FileUploadHandler):
    """Keeps a file in memory up to `MEMORY_BYTES`, then on disk without a name, so that no crash leaves it behind."""

    def new_file(self, *arguments: Any, **options: Any) -> None:
        super().new_file(*arguments, **options)
        # Django's parser closes what it finds under this name when a form breaks off, and the request in the end.
        self.file = SpooledTemporaryFile(MEMORY_BYTES)  # noqa: SIM115

    def receive_data_chunk(self, raw_data: bytes, start: int) -> None:
        self.file.write(raw_data)

    def file_complete(self, file_size: int) -> UploadedFile:
        self.file.seek(0)
        return UploadedFile(
            self.file, self.file_name, self.content_type, file_size, self.charset, self.content_type_extra
        )

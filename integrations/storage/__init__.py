"""Where uploaded files lie: in a bucket if one is configured, else in a folder under `DATA_DIR`."""

import functools
from pathlib import Path

from django.conf import settings

from integrations.storage.base import FileStorage
from integrations.storage.folder import FolderStorage


def file_storage() -> FileStorage:
    """The storage that the settings name."""
    if settings.AWS_S3_BUCKET_NAME:
        return _bucket(
            settings.AWS_S3_BUCKET_NAME,
            settings.AWS_REGION,
            settings.AWS_S3_ENDPOINT_URL,
            settings.AWS_ACCESS_KEY_ID,
            settings.AWS_SECRET_ACCESS_KEY,
        )
    return _folder(settings.DATA_DIR / "files")


@functools.cache
def _folder(path: Path) -> FolderStorage:
    return FolderStorage(path)


@functools.cache
def _bucket(bucket: str, region: str, endpoint: str, access_key: str, secret_key: str) -> FileStorage:
    from integrations.storage.bucket import BucketStorage  # S3's client costs 40 MB, which a folder does not need

    return BucketStorage(bucket=bucket, region=region, endpoint=endpoint, access_key=access_key, secret_key=secret_key)

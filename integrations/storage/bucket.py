"""Files in a bucket of Amazon S3, or of a server that speaks its protocol."""

from collections.abc import Iterator
from functools import cached_property
from typing import Any, ClassVar, cast

from boto3.exceptions import Boto3Error
from boto3.s3.transfer import TransferConfig
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from storages.backends.s3 import S3Storage

from config.limits import UPLOAD_BYTES
from integrations.storage.base import FileStorage
from integrations.storage.links import disposition

CONNECT_SECONDS, READ_SECONDS, ATTEMPTS = 3, 10, 2
PREFIX = "conversations/"  # of every key
IN_MEMORY_BYTES = 256 * 1024  # of an object that is read; the rest is on disk

# One request for each file: the parts of an upload that died would stay in the bucket, where no listing shows them.
TRANSFER = TransferConfig(multipart_threshold=2 * UPLOAD_BYTES, use_threads=False)


class BucketStorage(FileStorage):
    """Objects are as private as the bucket makes them; newer buckets refuse an access list of the object's own.

    Without `access_key` and `secret_key`, boto3 looks for credentials where it usually does. An `endpoint` is taken for
    an address inside of this installation's network.
    """

    failures: ClassVar[tuple[type[Exception], ...]] = (OSError, Boto3Error, BotoCoreError, ClientError)

    def __init__(
        self,
        *,
        bucket: str,
        region: str,
        endpoint: str,
        access_key: str,
        secret_key: str,
        read_seconds: float = READ_SECONDS,
    ) -> None:
        storage = _OneClient(
            bucket_name=bucket,
            region_name=region,
            endpoint_url=endpoint or None,
            access_key=access_key or None,
            secret_key=secret_key or None,
            client_config=_client_config(read_seconds),
            transfer_config=TRANSFER,
            max_memory_size=IN_MEMORY_BYTES,
        )
        super().__init__(storage)
        self.takes_links = not endpoint
        self._s3 = storage

    def keys(self) -> Iterator[str]:
        with self._told():
            pages = self._s3.connection.meta.client.get_paginator("list_objects_v2")
            for page in pages.paginate(Bucket=self._s3.bucket_name, Prefix=PREFIX):
                yield from (entry["Key"] for entry in page.get("Contents", ()))

    def signed_url(self, key: str, *, filename: str, content_type: str, seconds: int, inline: bool) -> str:
        parameters = {
            "ResponseContentType": content_type,
            "ResponseContentDisposition": disposition(filename, inline=inline),
            "ResponseCacheControl": "private, no-store",
        }
        with self._told():  # credentials may have to be fetched first
            return str(self._s3.url(key, parameters=parameters, expire=seconds))

    def kind(self, error: Exception) -> str:
        if isinstance(error, ClientError):
            return str(error.response.get("Error", {}).get("Code", "ClientError"))
        return super().kind(error)


class _OneClient(S3Storage):  # type: ignore[misc]  # untyped
    """`S3Storage` makes a client for each thread, of 13 MB; botocore's clients are made to be shared."""

    @cached_property
    def connection(self) -> Any:
        return cast(Any, S3Storage.connection).fget(self)


def _client_config(read_seconds: float) -> Config:
    return Config(
        signature_version="s3v4",
        connect_timeout=CONNECT_SECONDS,
        read_timeout=read_seconds,
        retries={"total_max_attempts": ATTEMPTS, "mode": "standard"},
        request_checksum_calculation="when_required",  # other servers than Amazon's do not know the newer checksums
        response_checksum_validation="when_required",
    )

"""Where a tape is, in a user's words: a folder's path, or ``s3://bucket/prefix``."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from perptape.errors import UsageError
from perptape.store.filesystem import FileSystem
from perptape.store.folder import Folder


@dataclass(frozen=True, slots=True)
class StoreOptions:
    """How an S3 server is reached; a folder needs none of it. What is None is left to the AWS configuration of the machine."""

    endpoint: str | None = None
    key: str | None = None
    secret: str | None = None
    region: str | None = None
    keys: Callable[[], tuple[str, str]] | None = None
    """Gives key and secret instead, and is asked again when they are refused: they may have been replaced."""


def filesystem(location: str, options: StoreOptions | None = None) -> FileSystem:
    """The store at a folder's path or ``s3://bucket/prefix``. Touches nothing yet."""
    if location.startswith("s3://"):
        from perptape.store.s3 import S3

        bucket, _, prefix = location.removeprefix("s3://").strip("/").partition("/")
        if not bucket:
            raise UsageError(f"{location} names no bucket: write s3://bucket/prefix")
        o = options or StoreOptions()
        return S3(bucket, prefix, endpoint=o.endpoint, key=o.key, secret=o.secret, region=o.region, keys=o.keys)
    if "://" in location and not location.startswith("file://"):
        raise UsageError(f"{location} is neither a folder nor s3://bucket/prefix")
    return Folder(location.removeprefix("file://"))

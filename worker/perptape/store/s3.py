"""A tape in a bucket of any S3 server, by s3fs: one PUT of a finished buffer, one whole GET, nothing from a cache.

Replacing is a PUT with If-Match or If-None-Match, which not every server honours: it is tried out once. Every request is bounded.
"""

from __future__ import annotations

import asyncio
import itertools
import secrets
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from email.utils import parsedate_to_datetime
from functools import cached_property
from typing import Any, TypeVar

import s3fs
from fsspec.asyn import sync

from perptape.errors import StoreError
from perptape.store import layout
from perptape.store.filesystem import Absent, Conflict, Entry, Stored
from perptape.store.lease import leased
from perptape.store.s3_errors import Refused, Server, translated

T = TypeVar("T")
CONNECT, READ, WHOLE, ATTEMPTS = 5, 20, 90, 3
"""Seconds to connect, to wait for bytes, for a whole operation with its repeats; and how often a request is tried."""


class S3:
    """The objects below ``s3://bucket/prefix``. Credentials that are None are looked for where AWS' own clients look."""

    parallel = 16
    """It is the way there and back that takes the time."""

    def __init__(
        self,
        bucket: str,
        prefix: str = "",
        *,
        endpoint: str | None = None,
        key: str | None = None,
        secret: str | None = None,
        region: str | None = None,
        keys: Callable[[], tuple[str, str]] | None = None,
    ) -> None:
        self.location = f"s3://{bucket}/{prefix}".rstrip("/")
        self.identity = f"{self.location} at {endpoint or 'AWS'}"
        self._bucket, self._prefix = bucket, f"{prefix}/" if prefix else ""
        self._server = Server(bucket, endpoint)
        self._region, self._keys = region, keys
        self._pair = (key, secret) if keys is None else keys()
        self._fs = self._connected()
        self._count = itertools.count()

    def _connected(self) -> Any:
        key, secret = self._pair
        endpoint = self._server.endpoint
        retries = {"max_attempts": ATTEMPTS, "mode": "standard"}
        config: dict[str, Any] = {"connect_timeout": CONNECT, "read_timeout": READ, "retries": retries}
        if endpoint is not None:
            config["s3"] = {"addressing_style": "path"}
        return s3fs.S3FileSystem(
            key=key,
            secret=secret,
            endpoint_url=endpoint,
            client_kwargs={} if self._region is None else {"region_name": self._region},
            config_kwargs=config,
            use_listings_cache=False,
            skip_instance_cache=True,
        )

    @cached_property
    def swaps(self) -> bool:
        """Tried out with an object of our own: a server that ignores the conditions takes both of the wrong PUTs."""
        path = f"{layout.TEMPORARY}/compare-{secrets.token_hex(6)}"
        self.create(path, b"first")
        try:
            return self._refuses(path, '"0123456789abcdef0123456789abcdef"') and self._refuses(path, None)
        finally:
            with suppress(StoreError):
                self.delete(path)

    def _refuses(self, path: str, expected: str | None) -> bool:
        try:
            self._put(path, b"second", expected, conditional=True)
        except Conflict:
            return True
        except StoreError:  # a server that knows no such header may refuse all of it
            return False
        return False

    def read(self, path: str) -> Stored:
        async def get(client: Any) -> Stored:
            answer = await client.get_object(Bucket=self._bucket, Key=self._key(path))
            async with answer["Body"] as body:
                return Stored(await body.read(), answer["ETag"])

        return self._call(get, path)

    def create(self, path: str, data: bytes) -> None:
        self._put(path, data, None, conditional=False)

    def replace(self, path: str, data: bytes, expected: str | None) -> str:
        return self._put(path, data, expected, conditional=self.swaps)

    def _put(self, path: str, data: bytes, expected: str | None, *, conditional: bool) -> str:
        condition = {} if not conditional else {"IfNoneMatch": "*"} if expected is None else {"IfMatch": expected}
        body = bytes(data)

        async def put(client: Any) -> str:
            answer = await client.put_object(Bucket=self._bucket, Key=self._key(path), Body=body, **condition)
            return str(answer["ETag"])

        try:
            return self._call(put, path)
        except Absent as error:
            if conditional and expected is not None:
                raise Conflict(f"{path} is gone") from error
            raise

    def delete(self, path: str) -> None:
        async def remove(client: Any) -> None:
            await client.delete_object(Bucket=self._bucket, Key=self._key(path))

        with suppress(Absent):
            self._call(remove, path)

    def list(self, prefix: str) -> Sequence[Entry]:
        async def pages(client: Any) -> list[Entry]:
            found: list[Entry] = []
            more: dict[str, str] = {}
            while True:
                answer = await client.list_objects_v2(Bucket=self._bucket, Prefix=f"{self._key(prefix)}/", **more)
                for one in answer.get("Contents", ()):
                    path = one["Key"].removeprefix(self._prefix)
                    if path.endswith("/"):  # no object of anybody's: what consoles and mounts put where they would have a folder
                        continue
                    found.append(Entry(path, one["Size"], int(one["LastModified"].timestamp() * 1000)))
                if not answer.get("IsTruncated"):
                    return sorted(found, key=lambda entry: entry.path)
                more = {"ContinuationToken": answer["NextContinuationToken"]}

        return self._call(pages, prefix)

    def now(self) -> int:
        """By the Date of an answer: seconds, rounded down, so that nothing seems older than it is."""

        async def dated(client: Any) -> int:
            answer = await client.list_objects_v2(Bucket=self._bucket, Prefix=self._key(layout.STORE), MaxKeys=1)
            date = answer["ResponseMetadata"]["HTTPHeaders"].get("date")
            if date is None:
                raise StoreError(f"{self.location}: the server's answers have no Date, so nobody knows how old an object is")
            return int(parsedate_to_datetime(date).timestamp() * 1000)

        return self._call(dated, layout.STORE)

    @contextmanager
    def lease(self, holder: str) -> Iterator[bool]:
        with leased(self, holder) as free:
            yield free

    def _key(self, path: str) -> str:
        return f"{self._prefix}{path}"

    def _call(self, request: Callable[[Any], Awaitable[T]], path: str) -> T:
        async def bounded() -> T:
            async with asyncio.timeout(WHOLE):
                return await request(await self._fs.set_session())

        try:
            with translated(self._server, path):
                return sync(self._fs.loop, bounded)  # type: ignore[no-any-return]
        except Refused:
            if not self._renewed():
                raise
        with translated(self._server, path):
            return sync(self._fs.loop, bounded)  # type: ignore[no-any-return]

    def _renewed(self) -> bool:
        """Whether there are other keys now than those that were refused."""
        pair = self._pair if self._keys is None else self._keys()
        if pair == self._pair:
            return False
        self._pair = pair
        self._fs = self._connected()
        return True

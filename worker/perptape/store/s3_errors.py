"""What an S3 server's refusals mean, in words that say what to do. The only place that knows botocore's errors."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from botocore import exceptions as boto

from perptape.errors import StoreError
from perptape.store.filesystem import Absent, Conflict

_CREDENTIALS = "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"


@dataclass(frozen=True, slots=True)
class Server:
    """Whom messages are about."""

    bucket: str
    endpoint: str | None

    def __str__(self) -> str:
        return self.endpoint or "AWS"


class Refused(StoreError):
    """The credentials are wrong or may not do this."""

    reason = "StoreCredentials"


class NoBucket(StoreError):
    """There is no such bucket."""

    reason = "StoreMissing"


class Away(StoreError):
    """The server does not answer."""


@contextmanager
def translated(server: Server, path: str) -> Iterator[None]:
    """Foreign errors stop here."""
    try:
        yield
    except boto.ClientError as error:
        raise _refusal(server, path, error) from error
    except (boto.NoCredentialsError, boto.PartialCredentialsError) as error:
        raise Refused(f"{server} asks for credentials: set {_CREDENTIALS}") from error
    except (boto.HTTPClientError, boto.ConnectionError, TimeoutError, ConnectionError) as error:
        where = "AWS_ENDPOINT_URL, or the spec's store.s3.endpoint"
        raise Away(f"{server} does not answer ({type(error).__name__}): check that it runs, and its address ({where})") from error
    except (boto.BotoCoreError, OSError, ValueError) as error:
        raise StoreError(f"{server}, {path}: {error}") from error


def _refusal(server: Server, path: str, error: boto.ClientError) -> StoreError:
    code = str(error.response.get("Error", {}).get("Code", ""))
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode")
    if code in ("NoSuchKey", "404") or (status == 404 and not code.startswith("NoSuchBucket")):
        return Absent(f"{path} is not in the bucket {server.bucket}")
    if code == "NoSuchBucket":
        return NoBucket(f"there is no bucket {server.bucket!r} on {server}: create it, or correct the catalog's address")
    if code in ("PreconditionFailed", "ConditionalRequestConflict") or status in (409, 412):
        return Conflict(f"{path} was changed by another writer")
    if code in ("InvalidAccessKeyId", "SignatureDoesNotMatch", "InvalidToken", "ExpiredToken", "AuthFailure"):
        return Refused(f"{server} does not accept the credentials ({code}): correct {_CREDENTIALS}")
    if code in ("AccessDenied", "AllAccessDisabled") or status in (401, 403):
        return Refused(f"{server} does not allow this on the bucket {server.bucket} ({code or status}): let the key read and write it")
    if status is not None and status >= 500:
        return Away(f"{server} fails ({code or status}): try again later")
    return StoreError(f"{server}, {path}: {error}")

"""A store that is away is noticed by a look at it."""

from __future__ import annotations

import errno

import pytest

from perptape.errors import StoreError, StoreFull
from perptape.store.folder import Folder
from perptape.store.usable import there
from support.storage import Bucket, MemoryFileSystem, Operation, RecordingDisk


def test_a_store_elsewhere_is_read_and_not_written_to() -> None:
    def away(call: str, path: str) -> None:
        raise StoreError("away")

    calls: list[str] = []
    there(MemoryFileSystem(Bucket(), lambda: 0, before=lambda call, path: calls.append(call)))
    assert calls == ["read"]
    with pytest.raises(StoreError, match="away"):
        there(MemoryFileSystem(Bucket(), lambda: 0, before=away))


def test_a_folder_that_takes_nothing_is_noticed_though_it_can_be_read() -> None:
    def full(operation: Operation) -> None:
        if operation.name == "write":
            raise OSError(errno.ENOSPC, "No space left on device")

    there(Folder("/tape", RecordingDisk()))
    with pytest.raises(StoreFull):
        there(Folder("/tape", RecordingDisk(fault=full)))

"""One contract for every store: a folder, a folder on the recording disk, a bucket in memory, S3."""

import itertools
import threading
import time
from pathlib import Path

import pytest

from perptape.store.filesystem import Absent, Conflict, FileSystem
from perptape.store.folder import Folder
from perptape.store.s3 import S3
from support.minio import Minio
from support.storage import Bucket, MemoryFileSystem, RecordingDisk

STORES = ["folder", "recorded", "memory", pytest.param("s3", marks=pytest.mark.s3)]


def ms() -> int:
    return time.time_ns() // 1_000_000


@pytest.fixture(params=STORES)
def fs(request: pytest.FixtureRequest, tmp_path: Path) -> FileSystem:
    if request.param == "folder":
        return Folder(str(tmp_path / "tape"))
    if request.param == "recorded":
        return Folder("/tape", RecordingDisk(ms))
    if request.param == "memory":
        return MemoryFileSystem(Bucket(), ms)
    minio: Minio = request.getfixturevalue("minio")
    return S3(minio.bucket(), "some/prefix", endpoint=minio.endpoint, key=minio.access_key, secret=minio.secret_key, region=minio.region)


def test_what_was_created_is_read_back(fs: FileSystem) -> None:
    fs.create("perptape/a/b:c.parquet", b"\x00rows")
    assert fs.read("perptape/a/b:c.parquet").data == b"\x00rows"


def test_creating_the_same_again_changes_nothing(fs: FileSystem) -> None:
    fs.create("perptape/a", b"rows")
    fs.create("perptape/a", b"rows")
    assert fs.read("perptape/a").data == b"rows"


def test_what_is_not_there_is_absent(fs: FileSystem) -> None:
    with pytest.raises(Absent):
        fs.read("perptape/nothing")
    fs.create("perptape/folder/one", b"1")
    with pytest.raises(Absent):
        fs.read("perptape/folder/two")


def test_a_missing_folder_is_empty(fs: FileSystem) -> None:
    assert list(fs.list("data")) == []


def test_a_listing_has_all_below_a_folder_sorted_and_nothing_beside_it(fs: FileSystem) -> None:
    for path in ("data/b/2", "data/a/1", "data/b/1", "data2/x", "perptape/y"):
        fs.create(path, path.encode())
    assert [entry.path for entry in fs.list("data")] == ["data/a/1", "data/b/1", "data/b/2"]
    assert [entry.size for entry in fs.list("data/b")] == [8, 8]


def test_a_listing_shows_what_was_written_and_deleted_a_moment_ago(fs: FileSystem) -> None:
    assert list(fs.list("data")) == []
    fs.create("data/a", b"1")
    assert [entry.path for entry in fs.list("data")] == ["data/a"]
    fs.delete("data/a")
    assert list(fs.list("data")) == []


def test_replacing_what_was_read_gives_a_new_version(fs: FileSystem) -> None:
    first = fs.replace("data/a", b"1", None)
    assert fs.read("data/a").version == first
    second = fs.replace("data/a", b"2", first)
    stored = fs.read("data/a")
    assert (stored.data, stored.version) == (b"2", second)
    assert second != first


def test_replacing_what_changed_meanwhile_is_refused(fs: FileSystem) -> None:
    assert fs.swaps
    first = fs.replace("data/a", b"1", None)
    fs.replace("data/a", b"2", first)
    with pytest.raises(Conflict):
        fs.replace("data/a", b"3", first)
    with pytest.raises(Conflict):
        fs.replace("data/a", b"3", None)
    assert fs.read("data/a").data == b"2"


def test_replacing_what_is_gone_is_refused(fs: FileSystem) -> None:
    first = fs.replace("data/a", b"1", None)
    fs.delete("data/a")
    with pytest.raises(Conflict):
        fs.replace("data/a", b"2", first)


def test_deleting_twice_is_no_error(fs: FileSystem) -> None:
    fs.create("data/a", b"1")
    fs.delete("data/a")
    fs.delete("data/a")
    with pytest.raises(Absent):
        fs.read("data/a")


def test_the_store_s_clock_agrees_with_what_it_stamps(fs: FileSystem) -> None:
    fs.create("data/a", b"1")
    (entry,) = fs.list("data")
    assert abs(fs.now() - entry.modified) < 3_000


def test_of_two_that_ask_for_the_lease_one_gets_it(fs: FileSystem) -> None:
    with fs.lease("first") as first:
        assert first
        with fs.lease("second") as second:
            assert not second
    with fs.lease("third") as third:
        assert third


def test_many_writers_at_once_lose_no_increment(fs: FileSystem) -> None:
    fs.replace("data/counter", b"0", None)

    def count() -> None:
        for _ in range(5):
            for _ in itertools.count():
                stored = fs.read("data/counter")
                try:
                    fs.replace("data/counter", str(int(stored.data) + 1).encode(), stored.version)
                    break
                except Conflict:
                    continue

    if fs.location in ("/tape", "memory://"):
        count()
        count()
        count()
    else:
        threads = [threading.Thread(target=count) for _ in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert fs.read("data/counter").data == b"15"

"""A whole tape on a real S3 server, and what its refusals say."""

import pytest

from perptape.errors import StoreError
from perptape.interval import DAY
from perptape.store.catalog import StoreOptions
from perptape.store.s3 import S3
from perptape.store.s3_errors import Away, NoBucket, Refused
from perptape.store.tape import Tape
from support.minio import Minio, free_port
from support.tapes import KINDS, missing, write

pytestmark = pytest.mark.s3


def test_a_tape_is_written_published_read_and_verified(minio: Minio) -> None:
    tape = Tape.open(f"s3://{minio.bucket()}/prod/tape", options=minio.options())
    done = list(write(tape, lambda: 20_010 * DAY, "w", ["binance"]))
    assert missing(tape, done) == []
    first = tape.publish()
    assert [r.error for r in first if r.error] == []
    assert sum(r.files for r in first) > len(KINDS)
    assert sum(r.files for r in tape.publish()) == 0
    assert missing(tape, done) == []
    assert tape.verify() == []
    assert tape.sql("SELECT count(*) AS n FROM funding").to_pylist() == [{"n": 6}]
    assert "replaces only what it was told to" in tape.usable()


def test_what_consoles_put_in_place_of_folders_is_no_object(minio: Minio) -> None:
    store = S3(minio.bucket(), "p", endpoint=minio.endpoint, key=minio.access_key, secret=minio.secret_key, region=minio.region)
    store.create("data/", b"")
    store.create("data/one", b"1")
    assert [entry.path for entry in store.list("data")] == ["data/one"]


def test_while_one_holds_the_lease_another_does_nothing_and_says_so(minio: Minio) -> None:
    tape = Tape.open(f"s3://{minio.bucket()}", options=minio.options())
    list(write(tape, lambda: 20_010 * DAY, "w", ["binance"]))
    with tape.fs.lease("somebody else"):
        reports = tape.publish()
        assert reports
        assert not any(r.lease for r in reports)
    assert all(r.lease for r in tape.publish())


def test_a_missing_bucket_is_named(minio: Minio) -> None:
    with pytest.raises(NoBucket, match=r"there is no bucket 'nowhere'.*create it"):
        Tape.open("s3://nowhere/tape", options=minio.options()).prepare("live", "nautilus1")


def test_a_wrong_secret_is_said_without_being_shown(minio: Minio) -> None:
    wrong = StoreOptions(minio.endpoint, minio.access_key, "not-the-secret", minio.region)
    with pytest.raises(Refused, match="AWS_SECRET_ACCESS_KEY") as caught:
        Tape.open(f"s3://{minio.bucket()}", options=wrong).prepare("live", "nautilus1")
    assert "not-the-secret" not in str(caught.value)


@pytest.mark.parametrize("what", ["read", "write"])
def test_a_server_that_is_away_is_named(what: str) -> None:
    endpoint = f"http://127.0.0.1:{free_port()}"
    tape = Tape.open("s3://bucket/tape", options=StoreOptions(endpoint, "key", "secret", "us-east-1"))
    with pytest.raises(StoreError, match=f"{endpoint} does not answer") as caught:
        tape.read("funding") if what == "read" else tape.prepare("live", "nautilus1")
    assert isinstance(caught.value, Away)

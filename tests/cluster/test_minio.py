"""The S3 server of the tests: it compares and swaps, and it never outlives the test."""

import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest
from botocore.exceptions import ClientError

from support.minio import Minio, serving

pytestmark = pytest.mark.s3


def answers(server: str) -> bool:
    try:
        with urllib.request.urlopen(f"{server}/minio/health/live", timeout=2):
            return True
    except (urllib.error.URLError, OSError):
        return False


def is_gone(server: str, deadline: float) -> bool:
    """Asks until nothing answers any more; the server has no notice to give of its end."""
    while answers(server):
        if time.monotonic() > deadline:
            return False
    return True


def test_a_put_on_condition_of_a_stale_etag_is_refused(minio: Minio) -> None:
    client, bucket = minio.client(), minio.bucket()
    first = client.put_object(Bucket=bucket, Key="row", Body=b"1")["ETag"]
    second = client.put_object(Bucket=bucket, Key="row", Body=b"2", IfMatch=first)["ETag"]
    with pytest.raises(ClientError, match="PreconditionFailed"):
        client.put_object(Bucket=bucket, Key="row", Body=b"3", IfMatch=first)
    with pytest.raises(ClientError, match="PreconditionFailed"):
        client.put_object(Bucket=bucket, Key="row", Body=b"3", IfNoneMatch="*")
    assert client.get_object(Bucket=bucket, Key="row")["ETag"] == second


def test_wrong_credentials_are_refused(minio: Minio) -> None:
    stranger = Minio(minio.endpoint, "stranger", "not-the-secret")
    with pytest.raises(ClientError, match="InvalidAccessKeyId"):
        stranger.bucket()


def test_the_server_is_gone_when_the_test_fails(tmp_path: Path) -> None:
    seen: list[str] = []

    def fails() -> None:
        with serving(tmp_path) as server:
            seen.append(server.endpoint)
            assert answers(server.endpoint)
            raise RuntimeError("the test failed")

    with pytest.raises(RuntimeError, match="the test failed"):
        fails()
    assert not answers(seen[0])


DIES = """
import sys, time
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from support.minio import serving
with serving(Path(sys.argv[2])) as server:
    sys.stdout.write(server.endpoint + "\\n")
    sys.stdout.flush()
    time.sleep(60)
"""


def test_the_server_is_gone_when_the_test_process_is_killed(tmp_path: Path) -> None:
    test = subprocess.Popen(
        [sys.executable, "-c", DIES, str(Path(__file__).resolve().parents[1]), str(tmp_path)], stdout=subprocess.PIPE, text=True
    )
    assert test.stdout is not None
    endpoint = test.stdout.readline().strip()
    assert answers(endpoint)
    os.kill(test.pid, signal.SIGKILL)
    test.wait()
    assert is_gone(endpoint, time.monotonic() + 15)

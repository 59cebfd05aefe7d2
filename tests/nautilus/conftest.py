"""The golden catalog in each format, in a folder and on a real S3 server."""

import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from support import nautilus_golden as golden
from support.minio import Minio


@pytest.fixture(scope="session")
def folder_of(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Format -> the golden catalog in a folder named `tape`; nobody writes there."""

    @cache
    def folder(form: str) -> Path:
        root = tmp_path_factory.mktemp(form) / "tape"

        def put(path: str, content: bytes) -> None:
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            (root / path).write_bytes(content)

        golden.write(form, put)
        return root

    return folder


@pytest.fixture(scope="session")
def bucket_of(minio: Minio) -> Callable[[str], str]:
    """Format -> the golden catalog on S3, below a prefix."""

    @cache
    def bucket(form: str) -> str:
        client, name = minio.client(), minio.bucket()
        golden.write(form, lambda path, content: client.put_object(Bucket=name, Key=f"prod/{path}", Body=content))
        return f"s3://{name}/prod"

    return bucket


@pytest.fixture(params=["nautilus1", "nautilus2"], scope="session")
def form(request: pytest.FixtureRequest) -> str:
    """Each of the two formats of a store."""
    return str(request.param)

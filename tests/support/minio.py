"""A real S3 server for one test session: MinIO on a free loopback port, over a directory, gone when the session is.

`tests/cluster/minio` builds the program.
"""

import contextlib
import os
import secrets
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.error import URLError
from urllib.request import ProxyHandler, build_opener

import pytest

if TYPE_CHECKING:
    from perptape.store.catalog import StoreOptions

BUILD = Path(__file__).resolve().parents[1] / "cluster/minio"
READY_WITHIN = 30.0
# A shell of its own session stands between us and the server: it ends the server when our end of the pipe closes, and that happens however
# we die, by SIGKILL too; a Ctrl-C at the terminal reaches us alone.
KEEPER = '"$@" & server=$!; read -r _; kill $server 2>/dev/null; wait $server'


@dataclass(frozen=True, slots=True)
class Minio:
    """A running server and its credentials."""

    endpoint: str
    access_key: str
    secret_key: str
    region: str = "us-east-1"

    def client(self) -> Any:
        """botocore's, for what a test does to the store from outside."""
        import botocore.session
        from botocore.config import Config

        return botocore.session.get_session().create_client(
            "s3",
            endpoint_url=self.endpoint,
            region_name=self.region,
            aws_access_key_id=self.access_key,
            aws_secret_access_key=self.secret_key,
            config=Config(s3={"addressing_style": "path"}, proxies={}, retries={"max_attempts": 2}),
        )

    def bucket(self, name: str | None = None) -> str:
        """A new bucket; under a name that nothing else has, unless told."""
        made = name or f"tape-{secrets.token_hex(6)}"
        self.client().create_bucket(Bucket=made)
        return made

    def environ(self) -> dict[str, str]:
        """What a process needs to be let in."""
        return {
            "AWS_ACCESS_KEY_ID": self.access_key,
            "AWS_SECRET_ACCESS_KEY": self.secret_key,
            "AWS_REGION": self.region,
            "AWS_ENDPOINT_URL": self.endpoint,
        }

    def options(self) -> "StoreOptions":
        """For a tape or a catalog on it."""
        from perptape.store.catalog import StoreOptions  # not for every test session: Arrow comes with it

        return StoreOptions(self.endpoint, self.access_key, self.secret_key, self.region)

    def s3fs_options(self) -> dict[str, Any]:
        """For s3fs, and so for NautilusTrader 1.x's `fs_storage_options`."""
        return {"key": self.access_key, "secret": self.secret_key, "endpoint_url": self.endpoint, "use_listings_cache": False}

    def object_store_options(self) -> dict[str, str]:
        """For Rust's object_store: 1.x's `fs_rust_storage_options`, 2.x's `storage_options`."""
        return {
            "access_key_id": self.access_key,
            "secret_access_key": self.secret_key,
            "region": self.region,
            "endpoint_url": self.endpoint,
            "allow_http": "true",
        }


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def program() -> Path:
    """MinIO's path; builds it when it is not there."""
    done = subprocess.run([BUILD], capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"MinIO could not be built:\n{done.stderr.strip()}")
    return Path(done.stdout.strip())


def ready(server: Minio, keeper: "subprocess.Popen[bytes]", deadline: float) -> bool:
    """Waits for the server to answer; False when it died, as it does when another took the port in between."""
    opener = build_opener(ProxyHandler({}))  # loopback is never behind a proxy
    while time.monotonic() < deadline:
        if keeper.poll() is not None:
            return False
        with contextlib.suppress(URLError, OSError), opener.open(f"{server.endpoint}/minio/health/ready", timeout=2):
            return True
        time.sleep(0.05)
    raise TimeoutError(f"MinIO did not answer within {READY_WITHIN:g} s at {server.endpoint}")


@contextlib.contextmanager
def process(binary: Path, directory: Path, port: int, server: Minio) -> Iterator["subprocess.Popen[bytes]"]:
    """The server's process; whatever happens inside, it is gone afterwards."""
    environ = {key: value for key, value in os.environ.items() if not key.startswith(("MINIO_", "AWS_"))}
    environ |= {
        "MINIO_ROOT_USER": server.access_key,
        "MINIO_ROOT_PASSWORD": server.secret_key,
        "MINIO_BROWSER": "off",
        "MINIO_UPDATE": "off",
    }
    command = [str(binary), "server", "--quiet", "--address", f"127.0.0.1:{port}"]
    command += ["--certs-dir", str(directory / "certs"), str(directory / "data")]
    with (directory / "log").open("wb") as log:
        keeper = subprocess.Popen(
            ["/bin/sh", "-c", KEEPER, "minio", *command],
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=subprocess.STDOUT,
            env=environ,
            start_new_session=True,
        )
        try:
            yield keeper
        finally:
            assert keeper.stdin is not None
            keeper.stdin.close()
            try:
                keeper.wait(10)
            except subprocess.TimeoutExpired:
                os.killpg(keeper.pid, 9)
                keeper.wait()


@contextlib.contextmanager
def serving(directory: Path, attempts: int = 3) -> Iterator[Minio]:
    """A server over `directory` while the block runs."""
    binary = program()
    (directory / "data").mkdir(parents=True, exist_ok=True)
    for _ in range(attempts):
        port = free_port()
        server = Minio(f"http://127.0.0.1:{port}", secrets.token_hex(8), secrets.token_hex(16))
        with process(binary, directory, port, server) as keeper:
            if ready(server, keeper, time.monotonic() + READY_WITHIN):
                yield server
                return
    raise RuntimeError(f"MinIO ended {attempts} times before it was ready:\n{(directory / 'log').read_text(errors='replace')[-2000:]}")


@pytest.fixture(scope="session")
def minio() -> Iterator[Minio]:
    """One server for the session; every test makes buckets of its own."""
    with tempfile.TemporaryDirectory(prefix="perptape-minio-") as directory, serving(Path(directory)) as server:
        yield server

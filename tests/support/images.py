"""The project's images for the tests: built of this checkout, named after what they are made of, known to the cluster's nodes."""

import contextlib
import fcntl
import hashlib
import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from support.kube import Cluster, CommandFailed, run

ROOT = Path(__file__).resolve().parents[2]
LABEL = "io.perptape.test=image"
MADE_OF = ("Dockerfile", ".dockerignore", "pyproject.toml", "README.md", "LICENSE", "requirements", "crds", "operator", "worker")


@dataclass(frozen=True, slots=True)
class Images:
    """References that pods can use."""

    operator: str
    worker: str
    minio: str


def digest(root: Path) -> str:
    """Changes when a file changes that an image is made of."""
    listed = subprocess.run(["git", "ls-files", "-co", "--exclude-standard", "-z", *MADE_OF], cwd=root, capture_output=True, check=True)
    found = hashlib.sha256()
    for name in sorted(filter(None, listed.stdout.decode().split("\0"))):
        if (root / name).is_file():
            found.update(name.encode() + b"\0" + (root / name).read_bytes() + b"\0")
    return found.hexdigest()[:12]


def has(cluster: Cluster, image: str) -> bool:
    with contextlib.suppress(CommandFailed):
        cluster.docker("image", "inspect", image)
        return True
    return False


def built(cluster: Cluster, target: str) -> str:
    """One of the Dockerfile's targets. Those of other trees go from the engine when they are a day old."""
    image = f"perptape-{target}:test-{digest(ROOT)}"
    if not has(cluster, image):
        base = f"PYTHON_IMAGE={cluster.python_image}"
        named = ("--label", LABEL, "--tag", image)
        cluster.docker("build", "--network", "host", "--target", target, "--build-arg", base, *named, str(ROOT))
        cluster.docker("image", "prune", "--all", "--force", "--filter", f"label={LABEL}", "--filter", "until=24h")
    return image


def minio(cluster: Cluster) -> str:
    """MinIO on our containers' base: tests/cluster/minio builds the program, since no registry has an image of it."""
    folder = ROOT / "tests/cluster"
    made_of = cluster.python_image.encode() + (folder / "binary.Dockerfile").read_bytes() + (folder / "minio").read_bytes()
    image = f"perptape-minio:test-{hashlib.sha256(made_of).hexdigest()[:12]}"
    if not has(cluster, image):
        program = Path(run(str(folder / "minio"), environ=cluster.environ, within=1800).strip())
        command = ("docker", "build", "--tag", image, "--file", str(folder / "binary.Dockerfile"), "--build-arg", "PROGRAM=minio")
        cluster.docker(*command[1:], "--build-arg", f"DEBIAN={cluster.python_image}", str(program.parent))
    return image


@contextlib.contextmanager
def alone(directory: Path) -> Iterator[None]:
    """One process of a test session at a time."""
    with (directory / "images.lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def made(cluster: Cluster) -> list[str]:
    """All images, in the engine: operator, worker, MinIO. No cluster needs to be up yet."""
    return [built(cluster, "operator"), built(cluster, "worker"), minio(cluster)]


def loaded(cluster: Cluster, directory: Path) -> Images:
    """All images, on the nodes. The processes of one test session share `directory`: the first builds and loads."""
    with alone(directory):
        known = directory / f"images.{cluster.context}"
        if not known.exists():
            (directory / f".images.{os.getpid()}").write_text("\n".join(cluster.load(*made(cluster))))
            (directory / f".images.{os.getpid()}").replace(known)
        return Images(*known.read_text().split("\n"))

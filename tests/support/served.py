"""One operator for all tests that do not harm it: it serves a pool of namespaces, and every test takes one that nobody had.

It has no ClusterRole, since tests with an operator of their own run beside it. Its budget is one for all, so that tests in which a
venue refuses or bans anybody have their own too.
"""

import contextlib
import fcntl
import json
import secrets
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from support.images import Images
from support.kube import Cluster
from support.namespace import RESTRICTED, Namespace

SIZE = 32
LABEL = "perptape.io/test"


@dataclass(frozen=True, slots=True)
class Pool:
    """The served namespaces; how many are taken stands in a file that all processes of a session share."""

    session: str
    taken: Path

    def take(self) -> str:
        """The name of one that is still untouched."""
        with alone(self.taken.with_suffix(".lock")):
            number = int(self.taken.read_text()) if self.taken.exists() else 0
            assert number < SIZE, f"all {SIZE} served namespaces are taken: raise SIZE"
            self.taken.write_text(str(number + 1))
        return names(self.session)[number]


def names(session: str) -> list[str]:
    return [f"{session}-{number:02}" for number in range(SIZE)]


def namespace(name: str) -> dict[str, object]:
    """A namespace under the restricted Pod Security Standard. Pure."""
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": {LABEL: "e2e", **RESTRICTED}}}


@contextlib.contextmanager
def alone(path: Path) -> Iterator[None]:
    """One process of a test session at a time."""
    with path.open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def pool(cluster: Cluster, images: Images, directory: Path) -> Pool:
    """The pool, its operator installed by whoever comes first."""
    known = directory / f"served.{cluster.context}"
    with alone(directory / "served.lock"):
        if not known.exists():
            session = f"e2e-{secrets.token_hex(3)}"
            made = [namespace(name) for name in [session, *names(session)]]
            cluster.kubectl(
                "apply", "--validate=ignore", "--filename", "-", given=json.dumps({"apiVersion": "v1", "kind": "List", "items": made})
            )
            Namespace(cluster, session, images).operator(f"watch.namespaces={{{','.join(names(session))}}}")
            known.write_text(session)
        session = known.read_text()
    return Pool(session, directory / f"taken.{session}")


def operators(home: Namespace) -> Namespace:
    """Where the operator is that serves a namespace of the pool."""
    return replace(home, name=home.name.rpartition("-")[0])

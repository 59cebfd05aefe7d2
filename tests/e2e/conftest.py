"""One cluster and one set of images for all end-to-end tests; a namespace, with what a test asks for in it, for each."""

import json
import os
import secrets
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from support import images as made
from support.cluster import shared
from support.images import Images
from support.kube import Cluster
from support.namespace import RESTRICTED, Namespace

ROOT = Path(__file__).resolve().parents[2]
PATIENCE = 1800
"""Seconds for one test, the making of cluster and images included: the first one to run pays for all."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.cluster)
            item.add_marker(pytest.mark.timeout(PATIENCE))


@pytest.fixture(scope="session")
def together(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that all processes of this test session share."""
    base = tmp_path_factory.getbasetemp()
    return base.parent if os.environ.get("PYTEST_XDIST_WORKER") else base


@pytest.fixture(scope="session")
def cluster(together: Path) -> Iterator[Cluster]:
    """The cluster, with the CRD of this checkout in it."""
    with shared(together, os.environ) as found:
        crd = str(ROOT / "crds/collectionspec.yaml")
        found.kubectl("apply", "--server-side", "--force-conflicts", "--filename", crd)
        # not condition=Established: kubectl gives up on a CRD so new that it has no conditions yet
        accepted = "--for=jsonpath={.status.conditions[?(@.type=='Established')].status}=True"
        found.kubectl("wait", accepted, "crd/collectionspecs.perptape.io", "--timeout=60s")
        yield found


@pytest.fixture(scope="session")
def images(cluster: Cluster, together: Path) -> Images:
    return made.loaded(cluster, together)


@pytest.fixture
def namespaces(cluster: Cluster, images: Images) -> Iterator[Callable[[], Namespace]]:
    """Makes namespaces for one test; their end is asked for, not waited for."""
    names: list[str] = []

    def make() -> Namespace:
        names.append(f"e2e-{secrets.token_hex(4)}")
        labels = {"perptape.io/test": "e2e", **RESTRICTED}
        manifest = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": names[-1], "labels": labels}}
        cluster.kubectl("apply", "--filename", "-", given=json.dumps(manifest))
        return Namespace(cluster, names[-1], images)

    yield make
    if names and not os.environ.get("KEEP"):
        cluster.kubectl("delete", "namespace", *names, "--wait=false")


@pytest.fixture
def namespace(namespaces: Callable[[], Namespace]) -> Namespace:
    return namespaces()

"""One cluster and one set of images for all end-to-end tests; a namespace, with what a test asks for in it, for each."""

import fcntl
import json
import math
import os
import secrets
import sys
import time
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import Any, TextIO

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from support import images as made
from support import served
from support.cluster import shared
from support.images import Images
from support.kube import Cluster, CommandFailed
from support.namespace import Namespace
from support.node import losable

ROOT = Path(__file__).resolve().parents[2]
PATIENCE = 1800
"""Seconds for one test, the making of cluster and images included: the first one to run pays for all."""


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "alone: a test that changes what all share, so that no other may run beside it")
    config.addinivalue_line("markers", "waits: a long test that mostly waits: begun first, so that the others pass beside it")
    config.addinivalue_line("markers", "apart: a test of a node's loss, on a node that nothing else is on; alone where there is none")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.cluster)
            item.add_marker(pytest.mark.timeout(PATIENCE))
    items.sort(key=_turn)


def _turn(item: pytest.Item) -> int:
    """First those that the others pass beside; last those that wait for all others anyway."""
    return 0 if item.get_closest_marker("waits") else 2 if item.get_closest_marker("alone") else 1


FAILED = pytest.StashKey[bool]()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """A test's fixtures can know how it ended."""
    report = yield
    item.stash[FAILED] = item.stash.get(FAILED, False) or report.failed
    return report


UP = pytest.StashKey[float]()
"""When (s since 1970) the cluster was up, in the process whose fixture saw it; then the least of all in the one that reports."""
LAST: list[float] = []
"""When the last test had passed or failed, in the process that reports."""


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """A process of xdist tells the one that reports."""
    if hasattr(session.config, "workeroutput") and UP in session.config.stash:
        session.config.workeroutput["cluster_up"] = session.config.stash[UP]


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    up = getattr(node, "workeroutput", {}).get("cluster_up", math.inf)
    node.config.stash[UP] = min(up, node.config.stash.get(UP, math.inf))


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    if report.when == "call":
        LAST[:] = [time.time()]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """What the end-to-end tests took is counted from the cluster's readiness: making one takes longer where nothing is cached."""
    if (up := config.stash.get(UP, math.inf)) < math.inf and LAST:
        terminalreporter.write_line(f"end-to-end tests: {(LAST[0] - up) / 60:.1f} min from the cluster's readiness to the last one's end")


@pytest.fixture(scope="session")
def together(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that all processes of this test session share."""
    base = tmp_path_factory.getbasetemp()
    return base.parent if os.environ.get("PYTEST_XDIST_WORKER") else base


@pytest.fixture(scope="session")
def cluster(together: Path, pytestconfig: pytest.Config) -> Iterator[Cluster]:
    """The cluster, with the CRD of this checkout in it."""
    with shared(together, os.environ) as found:
        pytestconfig.stash[UP] = time.time()
        crd = str(ROOT / "crds/collectionspec.yaml")
        found.kubectl("apply", "--server-side", "--force-conflicts", "--filename", crd)
        established(found)
        yield found


def established(cluster: Cluster) -> None:
    """Waits until the API server serves the CRD. kubectl gives up at once on one so new that it has no conditions yet."""
    end = time.monotonic() + 60
    while True:
        try:
            cluster.kubectl("wait", "--for=condition=Established", "crd/collectionspecs.perptape.io", "--timeout=30s")
        except CommandFailed:
            if time.monotonic() > end:
                raise
            time.sleep(0.2)
        else:
            return


@pytest.fixture(scope="session")
def images(cluster: Cluster, together: Path) -> Images:
    return made.loaded(cluster, together)


@pytest.fixture
def namespaces(
    request: pytest.FixtureRequest, cluster: Cluster, images: Images, tests_at_once: TextIO
) -> Iterator[Callable[..., Namespace]]:
    """Makes namespaces for one test, which no operator serves; their end is asked for, not waited for. One that has to have a certain
    name is there only once, and nobody else's is touched: what an earlier session left is deleted first."""
    names: list[str] = []

    def make(name: str = "") -> Namespace:
        if name:
            ours = f"--selector={served.LABEL},kubernetes.io/metadata.name={name}"
            cluster.kubectl("delete", "namespace", ours, "--wait", "--timeout=120s", within=130)
        made = name or f"e2e-{secrets.token_hex(4)}"
        cluster.kubectl("create", "--validate=ignore", "--filename", "-", given=json.dumps(served.namespace(made)))
        names.append(made)
        return Namespace(cluster, made, images)

    yield make
    ended(request, cluster, *names)


@pytest.fixture
def namespace(namespaces: Callable[..., Namespace]) -> Namespace:
    return namespaces()


@pytest.fixture
def home(request: pytest.FixtureRequest, cluster: Cluster, images: Images, together: Path, tests_at_once: TextIO) -> Iterator[Namespace]:
    """A namespace for one test that an operator already serves."""
    name = served.pool(cluster, images, together).take()
    yield Namespace(cluster, name, images)
    ended(request, cluster, name)


def ended(request: pytest.FixtureRequest, cluster: Cluster, *names: str) -> None:
    """With KEEP the namespaces of failed tests stay. Those of all tests would go on collecting, and be too much for the machine."""
    if names and not (os.environ.get("KEEP") and request.node.stash.get(FAILED, False)):
        cluster.kubectl("delete", "namespace", *names, "--wait=false")


@pytest.fixture
def tests_at_once(request: pytest.FixtureRequest, cluster: Cluster, together: Path) -> Iterator[TextIO]:
    """Tests run beside one another, but for those that change what all share: marked `alone`, or `apart` where no node may be lost."""
    marked = {mark.name for mark in request.node.iter_markers()}
    alone = ("alone" in marked and "by_itself" not in request.fixturenames) or ("apart" in marked and not losable(cluster))
    with (together / "tests.lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX if alone else fcntl.LOCK_SH)
        yield lock


@pytest.fixture
def by_itself(tests_at_once: TextIO) -> Callable[[], None]:
    """From its call on no other test runs. What an `alone` test makes ready before, it makes ready beside others."""
    return lambda: fcntl.flock(tests_at_once, fcntl.LOCK_EX)

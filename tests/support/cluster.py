"""One Kubernetes cluster for all tests that need one: the one that is given, one that kind makes, or one built from nothing.

In this order: the context that PERPTAPE_TEST_CONTEXT names; kind, where it, a Docker engine and a node image are to be had;
tests/cluster/build, which needs root, Debian and Go. KEEP=1 leaves the cluster there for looking around.
"""

import contextlib
import fcntl
import os
import re
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path

from support import images
from support.kube import PYTHON_IMAGE, Cluster, CommandFailed, run
from support.node import PAIR

BUILD = Path(__file__).resolve().parents[1] / "cluster/build"
NAME = "perptape-test"
NODE_IMAGE = "kindest/node:v1.34.0"
# The last node is for whoever tolerates it: a test may lose it while others run.
# Without an election, which nobody contests: on a busy machine they would lose it, and the cluster its controllers for minutes.
NODES = f"""
kind: Cluster
apiVersion: kind.x-k8s.io/v1alpha4
nodes:
  - {{role: control-plane}}
  - {{role: worker}}
  - {{role: worker, labels: {{{PAIR}: "yes"}}}}
  - role: worker
    labels: {{{PAIR}: "yes"}}
    kubeadmConfigPatches:
      - |
        kind: JoinConfiguration
        nodeRegistration: {{taints: [{{key: {PAIR}, effect: NoSchedule}}]}}
kubeadmConfigPatches:
  - |
    kind: ClusterConfiguration
    controllerManager: {{extraArgs: {{leader-elect: "false"}}}}
    scheduler: {{extraArgs: {{leader-elect: "false"}}}}
"""
MISSING = """no Kubernetes cluster for the tests: any one of these will do, and WITHOUT=cluster leaves such tests out.
  - A cluster of your own: PERPTAPE_TEST_CONTEXT=<context of your kubeconfig>, with kubectl and helm on PATH (it is not set).
  - kind, kubectl and helm on PATH, a Docker engine that answers, the node image {image} or what KIND_NODE_IMAGE names ({kind}).
  - root on Debian with Go 1.26 or newer: tests/cluster/build then makes everything ({build})."""


class ClusterMissing(Exception):
    """No cluster is there, and none can be made; the message says what is missing and how to get it."""


def cache(environ: Mapping[str, str]) -> Path:
    """Where tests/cluster/build keeps what it made."""
    xdg = environ.get("XDG_CACHE_HOME") or f"{environ['HOME']}/.cache"
    return Path(environ.get("PERPTAPE_CACHE") or f"{xdg}/perptape") / "cluster"


def exports(script: str) -> dict[str, str]:
    """The variables that a line of `export NAME=value …` sets; `$PATH` stays as it is."""
    return dict(re.findall(r"(\w+)=(\S+)", script))


def tools(environ: Mapping[str, str]) -> dict[str, str]:
    """An environment whose PATH has kubectl and helm; built when they are not there, which needs Go alone."""
    if all(shutil.which(tool, path=environ["PATH"]) for tool in ("helm", "kubectl")):
        return dict(environ)
    path = exports(run(str(BUILD), "tools", environ=environ, within=3000))["PATH"]
    return {**environ, "PATH": path.replace("$PATH", environ["PATH"])}


def answers(environ: Mapping[str, str]) -> bool:
    """Whether a Docker engine does."""
    with contextlib.suppress(CommandFailed):
        return bool(run("docker", "version", "--format", "{{.Server.Version}}", environ=environ, within=20).strip())
    return False


def given(environ: Mapping[str, str]) -> Cluster:
    """The context that PERPTAPE_TEST_CONTEXT names."""
    context, registry = environ["PERPTAPE_TEST_CONTEXT"], environ.get("PERPTAPE_TEST_REGISTRY", "")
    if not context.startswith("kind-") and not registry:
        raise ClusterMissing(
            f"PERPTAPE_TEST_CONTEXT={context} is not kind's: set PERPTAPE_TEST_REGISTRY=host/prefix, where the tests may push images"
        )
    cluster = Cluster(context, environ=tools(environ), python_image=environ.get("PYTHON_IMAGE", PYTHON_IMAGE), registry=registry)
    cluster.kubectl("get", "nodes", within=30)
    return cluster


def unmet_by_kind(environ: Mapping[str, str]) -> str:
    """What kind needs and has not got; empty when it can make a cluster."""
    absent = [tool for tool in ("kind", "docker", "kubectl", "helm") if not shutil.which(tool, path=environ["PATH"])]
    if absent:
        return f"{', '.join(absent)} missing"
    if not answers(environ):
        return "no Docker engine answers"
    image = environ.get("KIND_NODE_IMAGE", NODE_IMAGE)
    with contextlib.suppress(CommandFailed):
        run("docker", "image", "inspect", image, environ=environ)
        return ""
    with contextlib.suppress(CommandFailed):
        run("docker", "pull", "--quiet", image, environ=environ, within=600)
        return ""
    return f"the node image {image} is neither there nor can it be pulled"


def unmet_by_build(user: int, environ: Mapping[str, str]) -> str:
    """What tests/cluster/build needs and has not got."""
    absent = [tool for tool in ("go", "apt-get") if not shutil.which(tool, path=environ["PATH"])]
    return ", ".join([*([] if user == 0 else ["not root"]), *(f"{tool} missing" for tool in absent)])


def ready(cluster: Cluster) -> bool:
    """Whether all of its nodes are."""
    with contextlib.suppress(CommandFailed):
        cluster.kubectl("wait", "--for=condition=Ready", "nodes", "--all", "--timeout=30s")
        return True
    return False


def named(environ: Mapping[str, str], name: str = NAME) -> Cluster:
    """kind's cluster of that name, which need not be there."""
    kubeconfig = cache(environ) / f"{name}.kubeconfig"
    return Cluster(f"kind-{name}", kubeconfig, name, environ, environ.get("PYTHON_IMAGE", PYTHON_IMAGE))


def make(environ: Mapping[str, str], name: str = NAME) -> Cluster:
    """kind's cluster of three nodes, and one that may be lost; the one that an earlier KEEP=1 left, when it is well."""
    cluster, image = named(environ, name), environ.get("KIND_NODE_IMAGE", NODE_IMAGE)
    cache(environ).mkdir(parents=True, exist_ok=True)
    if name in run("kind", "get", "clusters", environ=environ).split():
        if ready(cluster):
            return cluster
        delete(cluster)
    try:
        run(
            *("kind", "create", "cluster", "--name", name, "--image", image, "--kubeconfig", str(cluster.kubeconfig)),
            *("--wait", "180s", "--config", "-"),
            environ=environ,
            given=NODES,
            within=400,
        )
        cluster.kubectl("wait", "--for=condition=Ready", "nodes", "--all", "--timeout=120s", within=130)
    except BaseException:
        delete(cluster)
        raise
    return cluster


def delete(cluster: Cluster) -> None:
    """Deletes kind's cluster; not somebody else's."""
    if cluster.kind:
        run("kind", "delete", "cluster", "--name", cluster.kind, environ=cluster.environ)
        if cluster.kubeconfig:
            cluster.kubeconfig.unlink(missing_ok=True)


def equipped(environ: Mapping[str, str]) -> dict[str, str]:
    """The environment in which kind makes a cluster, everything for it there or built. Raises ClusterMissing."""
    unmet = unmet_by_kind(environ)
    if not unmet:
        return dict(environ)
    if also := unmet_by_build(os.getuid(), environ):
        raise ClusterMissing(MISSING.format(image=environ.get("KIND_NODE_IMAGE", NODE_IMAGE), kind=unmet, build=also))
    made = exports(run(str(BUILD), environ=environ, within=3600, silent=False))
    return {**environ, **made, "PATH": made["PATH"].replace("$PATH", environ["PATH"])}


def find(environ: Mapping[str, str], notes: Path) -> Cluster:
    """A cluster, made when none is given. `notes`: a folder that remembers what `end` has to end. Raises ClusterMissing."""
    if environ.get("PERPTAPE_TEST_CONTEXT"):
        return given(environ)
    if not answers(environ):
        (notes / "engine").touch()
    return make(equipped(environ))


def prepare(environ: Mapping[str, str]) -> None:
    """Sees to it that `find` can make or reach a cluster, without making one, and builds the images that go there. Raises
    ClusterMissing, or CommandFailed."""
    images.made(given(environ) if environ.get("PERPTAPE_TEST_CONTEXT") else named(equipped(environ)))


def end(cluster: Cluster | None, environ: Mapping[str, str], notes: Path) -> None:
    """Ends what was made for the tests, the Docker engine too; nothing with KEEP."""
    if environ.get("KEEP"):
        return
    if cluster is not None and cluster.kind:
        delete(cluster)
    elif cluster is not None:
        cluster.kubectl("delete", "namespace", "--selector", "perptape.io/test", "--wait=false")
    if (notes / "engine").exists():
        run(str(BUILD), "stop", environ=environ)


@contextlib.contextmanager
def locked(directory: Path) -> Iterator[Path]:
    """The file that says who uses the cluster, while nobody else has it."""
    with (directory / "cluster.users").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield directory / "cluster.users"


@contextlib.contextmanager
def shared(directory: Path, environ: Mapping[str, str]) -> Iterator[Cluster]:
    """The same cluster for all processes of one test session, which share `directory`: the first makes it, the last ends it."""
    with locked(directory) as users:
        try:
            cluster = find(environ, directory)
        except BaseException:
            if not users.read_text():
                end(None, environ, directory)
            raise
        users.write_text(f"{users.read_text()}{os.getpid()}\n")
    try:
        yield cluster
    finally:
        with locked(directory) as users:
            others = [user for user in users.read_text().split() if user != str(os.getpid())]
            users.write_text("".join(f"{user}\n" for user in others))
            if not others:
                end(cluster, environ, directory)


if __name__ == "__main__":
    try:
        prepare(os.environ)
    except (ClusterMissing, CommandFailed) as error:
        raise SystemExit(str(error)) from None

"""One Kubernetes cluster of three nodes for all tests that need one: the one that is given, one that kind makes, or one built from nothing.

In this order: the context that PERPTAPE_TEST_CONTEXT names; kind, where it, a Docker engine and a node image are to be had;
tests/cluster/build, which needs root, Debian and Go. KEEP=1 leaves the cluster there for looking around.
"""

import contextlib
import fcntl
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

BUILD = Path(__file__).resolve().parents[1] / "cluster/build"
NAME = "perptape-test"
NODE_IMAGE = "kindest/node:v1.34.0"
PYTHON_IMAGE = "python:3.13-slim"
THREE_NODES = """
kind: Cluster
apiVersion: kind.x-k8s.io/v1alpha4
nodes: [{role: control-plane}, {role: worker}, {role: worker}]
"""
MISSING = """no Kubernetes cluster for the tests. Any one of these will do:
  - a context of your own kubeconfig: PERPTAPE_TEST_CONTEXT=name, with kubectl and helm on PATH{given}
  - kind and helm on PATH, a Docker engine that answers, and a node image ({image}, or what KIND_NODE_IMAGE names){kind}
  - root on Debian or Ubuntu with Go 1.26 or newer: tests/cluster/build makes everything{built}"""


class ClusterMissing(Exception):
    """No cluster is there, and none can be made; the message says what is missing and how to get it."""


class CommandFailed(Exception):
    """A command of the cluster's tools failed; the message has what it said."""


def run(*command: str, environ: Mapping[str, str] | None = None, given: str | None = None, within: float = 300) -> str:
    """The command's standard output. Raises CommandFailed with its standard error, or when it takes longer."""
    try:
        done = subprocess.run(command, input=given, capture_output=True, text=True, timeout=within, env=environ, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise CommandFailed(str(error)) from error
    if done.returncode:
        raise CommandFailed(f"{' '.join(command)}: exit {done.returncode}\n{(done.stderr or done.stdout).strip()[-4000:]}")
    return done.stdout


@dataclass(frozen=True, slots=True)
class Cluster:
    """A cluster that answers, and the tools to speak with it."""

    context: str
    kubeconfig: Path | None = None
    """None: the user's own."""
    kind: str = ""
    """The name that kind knows it by; empty when it is somebody else's."""
    environ: Mapping[str, str] = field(default_factory=lambda: dict(os.environ))
    python_image: str = PYTHON_IMAGE
    """What our images are built on."""
    registry: str = ""
    """Where images are pushed for a cluster that is not kind's."""

    def kubectl(self, *arguments: str, given: str | None = None, within: float = 120) -> str:
        """What kubectl prints."""
        return run("kubectl", "--context", self.context, *arguments, environ=self._environ(), given=given, within=within)

    def helm(self, *arguments: str, within: float = 300) -> str:
        """What helm prints."""
        return run("helm", "--kube-context", self.context, *arguments, environ=self._environ(), within=within)

    def docker(self, *arguments: str, given: str | None = None, within: float = 1200) -> str:
        """What docker prints. The classic builder, which every engine has, so that both are proven at once."""
        return run("docker", *arguments, environ={**self._environ(), "DOCKER_BUILDKIT": "0"}, given=given, within=within)

    def load(self, image: str) -> str:
        """Makes a local image known to the nodes, and returns the name that pods call it by."""
        if self.registry:
            pushed = f"{self.registry.rstrip('/')}/{image}"
            self.docker("tag", image, pushed)
            self.docker("push", pushed)
            return pushed
        name = self.kind or self.context.removeprefix("kind-")
        workers = [node for node in run("kind", "get", "nodes", "--name", name, environ=self._environ()).split() if "worker" in node]
        chosen = ["--nodes", ",".join(workers)] if workers else []
        run("kind", "load", "docker-image", image, "--name", name, *chosen, environ=self._environ(), within=600)
        return image

    def _environ(self) -> dict[str, str]:
        own = {"KUBECONFIG": str(self.kubeconfig)} if self.kubeconfig else {}
        return {**self.environ, **own}


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


def make(environ: Mapping[str, str], name: str = NAME) -> Cluster:
    """kind's cluster of three nodes; the one that an earlier KEEP=1 left, when it is well."""
    home = cache(environ)
    home.mkdir(parents=True, exist_ok=True)
    kubeconfig, image = home / f"{name}.kubeconfig", environ.get("KIND_NODE_IMAGE", NODE_IMAGE)
    cluster = Cluster(f"kind-{name}", kubeconfig, name, environ, environ.get("PYTHON_IMAGE", PYTHON_IMAGE))
    if name in run("kind", "get", "clusters", environ=environ).split():
        if ready(cluster):
            return cluster
        delete(cluster)
    try:
        run(
            *("kind", "create", "cluster", "--name", name, "--image", image, "--kubeconfig", str(kubeconfig)),
            *("--wait", "180s", "--config", "-"),
            environ=environ,
            given=THREE_NODES,
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


@contextlib.contextmanager
def found(environ: Mapping[str, str]) -> Iterator[Cluster]:
    """A cluster while the block runs; what was made for it is gone afterwards, unless KEEP is set."""
    if environ.get("PERPTAPE_TEST_CONTEXT"):
        yield given(environ)
        return
    kind = unmet_by_kind(environ)
    built = unmet_by_build(os.getuid(), environ) if kind else ""
    if kind and built:
        raise ClusterMissing(MISSING.format(given="", image=environ.get("KIND_NODE_IMAGE", NODE_IMAGE), kind=f" ({kind})", built=f" ({built})"))
    started = bool(kind) and not answers(environ)
    if kind:
        made = exports(run(str(BUILD), environ=environ, within=3600))
        environ = {**environ, **made, "PATH": made["PATH"].replace("$PATH", environ["PATH"])}
    try:
        cluster = make(environ)
        try:
            yield cluster
        finally:
            if not environ.get("KEEP"):
                delete(cluster)
    finally:
        if started and not environ.get("KEEP"):
            run(str(BUILD), "stop", environ=environ)


@contextlib.contextmanager
def shared(directory: Path, environ: Mapping[str, str]) -> Iterator[Cluster]:
    """The same cluster for all processes of one test session, which share `directory`: the first makes it, the last deletes it."""
    raise NotImplementedError

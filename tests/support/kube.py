"""A Kubernetes cluster that answers, and the tools to speak with it: kubectl, helm, docker."""

import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

PYTHON_IMAGE = "python:3.13-slim"


class CommandFailed(Exception):
    """A command of the cluster's tools failed; the message has what it said."""


def run(*command: str, environ: Mapping[str, str] | None = None, given: str | None = None, within: float = 300, silent: bool = True) -> str:
    """The command's standard output. Raises CommandFailed with its standard error, or when it takes longer. `silent`: what it says
    meanwhile is not shown."""
    errors = subprocess.PIPE if silent else None
    try:
        done = subprocess.run(
            command, input=given, stdout=subprocess.PIPE, stderr=errors, text=True, timeout=within, env=environ, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise CommandFailed(str(error)) from error
    if done.returncode:
        raise CommandFailed(f"{' '.join(command)}: exit {done.returncode}\n{(done.stdout + (done.stderr or '')).strip()[-4000:]}")
    return done.stdout


@dataclass(frozen=True, slots=True)
class Cluster:
    """A cluster that answers."""

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
        return run("kubectl", "--context", self.context, *arguments, environ=self.environment(), given=given, within=within)

    def helm(self, *arguments: str, within: float = 300) -> str:
        """What helm prints."""
        return run("helm", "--kube-context", self.context, *arguments, environ=self.environment(), within=within)

    def docker(self, *arguments: str, given: str | None = None, within: float = 1200) -> str:
        """What docker prints. The classic builder, which every engine has, so that both are proven at once."""
        return run("docker", *arguments, environ={**self.environment(), "DOCKER_BUILDKIT": "0"}, given=given, within=within)

    def load(self, *images: str) -> list[str]:
        """Makes local images known to the nodes, and returns the names that pods call them by. Together, since they share layers."""
        if self.registry:
            pushed = [f"{self.registry.rstrip('/')}/{image}" for image in images]
            for image, name in zip(images, pushed, strict=True):
                self.docker("tag", image, name)
                self.docker("push", name)
            return pushed
        name = self.kind or self.context.removeprefix("kind-")
        nodes = run("kind", "get", "nodes", "--name", name, environ=self.environment()).split()
        chosen = [node for node in nodes if "worker" in node] or nodes
        unknown = [image for image in images if not all(self._knows(node, image) for node in chosen)]
        if unknown:
            nodes_list = ",".join(chosen)
            run("kind", "load", "docker-image", *unknown, "--name", name, "--nodes", nodes_list, environ=self.environment(), within=900)
        return list(images)

    def _knows(self, node: str, image: str) -> bool:
        """Whether one of kind's nodes has an image; its tag says what it is made of."""
        return bool(self.docker("exec", node, "ctr", "--namespace=k8s.io", "images", "list", "--quiet", f"name==docker.io/library/{image}"))

    def environment(self) -> dict[str, str]:
        """What the tools run with."""
        own = {"KUBECONFIG": str(self.kubeconfig)} if self.kubeconfig else {}
        return {**self.environ, **own}

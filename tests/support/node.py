"""What is done to one of the cluster's nodes: a script, as root there, by a pod that enters the node's own namespaces; a restart."""

from __future__ import annotations

import contextlib
import json
import secrets
import time
from collections.abc import Callable

from support.kube import Cluster, CommandFailed

NAMESPACE = "kube-system"
PAIR = "perptape.io/test-pair"
"""The label of two nodes, and the taint of that one of them which a test may lose while others run beside it."""


def on_node(cluster: Cluster, image: str, node: str, script: str, within: int = 90) -> str:
    """What a shell script prints that runs on the node and ends well. `image`: any that is there and has nsenter."""

    name = f"e2e-{secrets.token_hex(4)}"
    manifest = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": NAMESPACE},
        "spec": {
            "nodeName": node,
            "hostPID": True,
            "hostNetwork": True,
            "restartPolicy": "Never",
            "tolerations": [{"operator": "Exists"}],
            "containers": [
                {
                    "name": "main",
                    "image": image,
                    "imagePullPolicy": "IfNotPresent",
                    "command": ["nsenter", "--target", "1", "--mount", "--net", "--pid", "--", "sh", "-euc", script],
                    "securityContext": {"privileged": True, "runAsUser": 0, "runAsNonRoot": False},
                }
            ],
        },
    }
    cluster.kubectl("apply", "--validate=ignore", "--filename", "-", given=json.dumps(manifest))
    try:
        at = f"pod/{name}"
        cluster.kubectl(
            "--namespace", NAMESPACE, "wait", at, "--for=jsonpath={.status.phase}=Succeeded", f"--timeout={within}s", within=within + 10
        )
        return cluster.kubectl("--namespace", NAMESPACE, "logs", name)
    except Exception as error:
        error.add_note(cluster.kubectl("--namespace", NAMESPACE, "logs", name))
        raise
    finally:
        cluster.kubectl("--namespace", NAMESPACE, "delete", "pod", name, "--wait=false")


def losable(cluster: Cluster) -> str:
    """The name of the node that a test may lose while others run; "" where the cluster has none."""
    nodes = json.loads(cluster.kubectl("get", "nodes", "--selector", PAIR, "--output", "json"))["items"]
    found = [one["metadata"]["name"] for one in nodes if any(taint["key"] == PAIR for taint in one["spec"].get("taints", ()))]
    return found[0] if found else ""


def restarted(cluster: Cluster, image: str, node: str) -> None:
    """Restarts the node, without a word to it before, and comes back when its kubelet answers again: the cluster may not have noticed."""
    before = _boot(cluster, node)
    if cluster.context.startswith("kind-"):
        cluster.docker("restart", "--time", "0", node)  # a container: the boot ID is its host's
    else:
        on_node(cluster, image, node, "systemd-run --on-active=2 reboot --force --force")
        _until(lambda: _boot(cluster, node) != before, f"{node} has not restarted")
    _until(lambda: cluster.kubectl("get", "--raw", f"/api/v1/nodes/{node}/proxy/healthz") == "ok", f"the kubelet of {node} does not answer")


def _until(holds: Callable[[], bool], otherwise: str, within: float = 600) -> None:
    """Raises CommandFailed when it does not hold in time; a command that fails meanwhile is one that will be tried again."""
    end = time.monotonic() + within
    while True:
        with contextlib.suppress(CommandFailed):
            if holds():
                return
        if time.monotonic() > end:
            raise CommandFailed(otherwise)
        time.sleep(2)


def _boot(cluster: Cluster, node: str) -> str:
    """Changes with every restart of a node that is no container."""
    return cluster.kubectl("get", "node", node, "--output", "jsonpath={.status.nodeInfo.bootID}")

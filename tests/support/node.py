"""What is done to one of the cluster's nodes: a script, as root there, by a pod that enters the node's own namespaces; a restart."""

from __future__ import annotations

import json
import secrets
import time

from support.kube import Cluster, CommandFailed

NAMESPACE = "kube-system"


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


def restarted(cluster: Cluster, image: str, node: str) -> None:
    """Restarts the node, without a word to it before, and comes back when it is ready again."""
    if cluster.context.startswith("kind-"):
        cluster.docker("restart", "--time", "0", node)
    else:
        before, end = _boot(cluster, node), time.monotonic() + 600
        on_node(cluster, image, node, "systemd-run --on-active=2 reboot --force --force")
        while _boot(cluster, node) == before:
            if time.monotonic() > end:
                raise CommandFailed(f"{node} has not restarted")
            time.sleep(2)
    cluster.kubectl("wait", f"node/{node}", "--for=condition=Ready", "--timeout=300s", within=310)


def _boot(cluster: Cluster, node: str) -> str:
    """Changes with every restart of a node that is no container."""
    return cluster.kubectl("get", "node", node, "--output", "jsonpath={.status.nodeInfo.bootID}")

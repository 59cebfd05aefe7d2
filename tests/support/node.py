"""A script on one of the cluster's nodes, as root there: a pod that enters the node's own namespaces. For what nothing else can do."""

from __future__ import annotations

import json
import secrets

from support.kube import Cluster

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

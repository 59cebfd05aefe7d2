"""What the end-to-end tests run beside the operator: simulated venues and an S3 server, restricted as our own pods are. Pure."""

from typing import Any

Manifest = dict[str, Any]
USER = 65532
FIRST_PORT = 18101
VENUES = ("binance", "bybit", "hyperliquid", "okx", "deribit")


def restricted(
    image: str,
    arguments: list[str],
    *,
    environ: dict[str, str] | None = None,
    volumes: list[Manifest] | None = None,
    mounts: list[Manifest] | None = None,
    **container: Any,
) -> Manifest:
    """A pod's spec with one container, under the restricted Pod Security Standard, its root read-only; /tmp is its to write."""
    return {
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": 5,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": USER,
            "runAsGroup": USER,
            "fsGroup": USER,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "containers": [
            {
                "name": "main",
                "image": image,
                "imagePullPolicy": "IfNotPresent",
                "args": arguments,
                "env": [{"name": name, "value": value} for name, value in (environ or {}).items()],
                "securityContext": {
                    "allowPrivilegeEscalation": False,
                    "readOnlyRootFilesystem": True,
                    "capabilities": {"drop": ["ALL"]},
                },
                **container,
                "volumeMounts": [{"name": "tmp", "mountPath": "/tmp"}, *(mounts or ())],
            }
        ],
        "volumes": [{"name": "tmp", "emptyDir": {}}, *(volumes or ())],
    }


def pod(name: str, spec: Manifest) -> Manifest:
    """A pod that runs once."""
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "labels": {"app": name}},
        "spec": {**spec, "restartPolicy": "Never"},
    }


def served(name: str, spec: Manifest, ports: list[int]) -> list[Manifest]:
    """One pod that stays, and the Service that it is reached by."""
    labels = {"app": name}
    template = {"metadata": {"labels": labels}, "spec": spec}
    return [
        {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {"name": name},
            "spec": {"replicas": 1, "strategy": {"type": "Recreate"}, "selector": {"matchLabels": labels}, "template": template},
        },
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": name},
            "spec": {"selector": labels, "ports": [{"name": f"p{port}", "port": port, "targetPort": port} for port in ports]},
        },
    ]


def venues(image: str, *arguments: str) -> list[Manifest]:
    """`perptape simulate` as the Service `venues`: one port for each venue, from FIRST_PORT on."""
    ports = [FIRST_PORT + index for index in range(len(VENUES))]
    command = ["simulate", "--host", "0.0.0.0", "--port", str(FIRST_PORT), *arguments]
    ready = {"tcpSocket": {"port": ports[-1]}, "periodSeconds": 1, "timeoutSeconds": 2, "failureThreshold": 60}
    return served("venues", restricted(image, command, readinessProbe=ready), ports)


def endpoints() -> dict[str, str]:
    """Where a pod of the same namespace reaches each simulated venue."""
    return {venue: f"http://venues:{FIRST_PORT + index}" for index, venue in enumerate(VENUES)}


def minio(image: str, access_key: str, secret_key: str) -> list[Manifest]:
    """MinIO as the Service `minio`, and the Secret `s3` that lets a worker in."""
    environ = {"MINIO_ROOT_USER": access_key, "MINIO_ROOT_PASSWORD": secret_key, "MINIO_BROWSER": "off", "MINIO_UPDATE": "off"}
    ready = {"httpGet": {"path": "/minio/health/ready", "port": 9000}, "periodSeconds": 1, "failureThreshold": 60}
    arguments = ["server", "--quiet", "--address", ":9000", "/tmp/data"]
    secret = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "s3"},
        "stringData": {"AWS_ACCESS_KEY_ID": access_key, "AWS_SECRET_ACCESS_KEY": secret_key},
    }
    return [secret, *served("minio", restricted(image, arguments, environ=environ, readinessProbe=ready), [9000])]

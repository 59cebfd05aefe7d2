"""The images, the CRD and the chart stand up in a real cluster, under the restricted Pod Security Standard."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from support.kube import Cluster, CommandFailed
from support.namespace import Namespace

ROOT = Path(__file__).resolve().parents[2]


def collection(endpoints: dict[str, str], store: dict[str, Any], **collect: Any) -> dict[str, Any]:
    """A CollectionSpec for BTC on these venues."""
    return {
        "apiVersion": "perptape.io/v1alpha1",
        "kind": "CollectionSpec",
        "metadata": {"name": "smoke"},
        "spec": {
            "venues": [{"exchange": venue, "endpoint": url} for venue, url in endpoints.items()],
            "symbols": {"names": ["BTCUSDT-PERP"]},
            "collect": collect,
            "store": store,
        },
    }


def config(document: dict[str, Any]) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "spec"}, "data": {"spec.json": json.dumps(document)}}


SPEC_VOLUME = {"name": "spec", "configMap": {"name": "spec"}}
SPEC_MOUNT = {"name": "spec", "mountPath": "/spec"}


def test_the_cluster_has_three_nodes_or_more_all_ready(cluster: Cluster) -> None:
    nodes = json.loads(cluster.kubectl("get", "nodes", "--output", "json"))["items"]
    ready = [condition["status"] for node in nodes for condition in node["status"]["conditions"] if condition["type"] == "Ready"]
    assert ready == ["True"] * max(3, len(nodes))


def test_the_worker_image_runs_with_a_read_only_root(namespace: Namespace) -> None:
    assert "Usage" in namespace.ran("help", namespace.images.worker, "--help")


def test_the_operator_image_has_all_that_it_imports(namespace: Namespace) -> None:
    program = "import kopf, kubernetes.aio, prometheus_client, structlog, perptape_api, perptape_operator, os; print(os.getuid())"
    assert namespace.ran("imports", namespace.images.operator, "-c", program, command=["python"]).strip() == "65532"


def test_the_schema_explains_itself(cluster: Cluster) -> None:
    assert "openInterest" in cluster.kubectl("explain", "collectionspec.spec.collect")


@pytest.mark.parametrize("example", ["majors", "quickstart", "replicas", "s3", "select"])
def test_the_api_server_accepts_every_example(namespace: Namespace, example: str) -> None:
    said = namespace.kubectl("apply", "--dry-run=server", "--filename", str(ROOT / f"examples/{example}.yaml"))
    assert "collectionspec.perptape.io/" in said


@pytest.mark.parametrize("scope", ["watch.clusterWide=false", "watch.clusterWide=true"])
def test_the_api_server_accepts_every_object_of_the_chart(namespace: Namespace, scope: str) -> None:
    chart = str(ROOT / "charts/perptape")
    text = namespace.cluster.helm("template", "whole", chart, "--namespace", namespace.name, "--set", scope)
    kinds = {document["kind"] for document in yaml.safe_load_all(text) if document}
    assert {"CustomResourceDefinition", "Deployment", "Service", "ServiceAccount"} <= kinds
    # by apply, since the cluster has the CRD already
    said = namespace.kubectl("apply", "--server-side", "--force-conflicts", "--dry-run=server", "--filename", "-", given=text)
    assert len(said.splitlines()) >= len(kinds)


def test_a_worker_pod_fills_a_bucket_from_simulated_venues(namespace: Namespace) -> None:
    endpoints, s3 = namespace.venues("--symbols", "3").endpoints, namespace.bucket()
    document = collection({"bybit": endpoints["bybit"]}, {"s3": s3}, funding={"every": "1h", "backfill": "2d"})
    namespace.apply(config(document))
    names = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")
    keys = [{"name": name, "valueFrom": {"secretKeyRef": {"name": "s3", "key": name}}} for name in names]
    run = ("run", "/spec/spec.json", "--once")
    said = namespace.ran("fetch", namespace.images.worker, *run, volumes=[SPEC_VOLUME], mounts=[SPEC_MOUNT], env=keys)
    assert "bybit" in said


def test_a_volume_binds_and_a_worker_pod_writes_to_it(namespace: Namespace) -> None:
    endpoints = namespace.venues("--symbols", "3").endpoints
    claim = {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": "tape"},
        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "100Mi"}}},
    }
    store = {"persistentVolumeClaim": {"claimName": "tape"}}
    document = collection({"binance": endpoints["binance"]}, store, openInterest={"every": "5m", "backfill": "1d"})
    namespace.apply(claim, config(document))
    volumes = [SPEC_VOLUME, {"name": "tape", "persistentVolumeClaim": {"claimName": "tape"}}]
    mounts = [SPEC_MOUNT, {"name": "tape", "mountPath": "/tape"}]
    run = ("run", "/spec/spec.json", "--once", "--catalog", "/tape")
    said = namespace.ran("fetch", namespace.images.worker, *run, volumes=volumes, mounts=mounts)
    assert "binance" in said
    assert namespace.get("pvc", "tape")["status"]["phase"] == "Bound"


def test_the_operator_serves_its_namespace_without_a_cluster_role(namespace: Namespace) -> None:
    namespace.operator()
    assert "Succeeded" in namespace.cluster.helm("test", "perptape", "--namespace", namespace.name)
    pod = namespace.get("pods", "--selector", "app.kubernetes.io/component=operator")["items"][0]
    assert pod["status"]["containerStatuses"][0]["restartCount"] == 0
    account = f"system:serviceaccount:{namespace.name}:perptape"
    with pytest.raises(CommandFailed, match="no"):
        namespace.kubectl("auth", "can-i", "get", "secrets", "--as", account)
    assert "yes" in namespace.kubectl("auth", "can-i", "list", "collectionspecs.perptape.io", "--as", account)
    with pytest.raises(CommandFailed, match="no"):
        namespace.cluster.kubectl("auth", "can-i", "list", "collectionspecs.perptape.io", "--namespace", "default", "--as", account)

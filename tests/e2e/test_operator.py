"""The operator itself: killed, away, without rights, with an image that is not there, cut off from the API server, upgraded, removed."""

import json
import time
from typing import Any

import pytest
import yaml

from perptape_operator.settings import Settings
from support import webhook
from support.namespace import ROOT, Namespace, condition, line
from support.node import on_node
from support.specs import VOLUME, collection, some

FUNDING: dict[str, Any] = {"funding": {"every": "1h", "backfill": "1d"}}
NOWHERE = {"binance": "http://venues:18101"}
RESYNC_S: float = Settings.model_fields["resync_s"].default
EARLIER = ROOT / "tests/e2e/earlier"
"""The chart and CRD as they were at 0.1.0, frozen: what is upgraded from."""


def suspended(status: dict[str, Any]) -> bool:
    return condition(status, "Ready").get("reason") == "Suspended"


def since_when(status: dict[str, Any]) -> dict[str, str]:
    """When each condition last changed: it is the same time after a while in which nothing was said that is not so."""
    return {one["type"]: one["lastTransitionTime"] for one in status["conditions"]}


def asleep(name: str, **spec: Any) -> dict[str, Any]:
    return collection(name, NOWHERE, FUNDING, VOLUME, suspend=True, **spec)


def test_an_operator_that_is_killed_during_a_change_finishes_it_afterwards(namespace: Namespace) -> None:
    namespace.operator()
    namespace.apply(*(asleep(f"spec-{number}") for number in range(20)))
    namespace.kubectl("delete", "pod", "--selector", "app.kubernetes.io/component=operator", "--force", "--grace-period=0")
    edited = [asleep(f"spec-{number}", symbols=["ETHUSDT-PERP"]) for number in range(20)]
    namespace.apply(*edited)
    for number in range(20):
        namespace.until_told(f"spec-{number}", suspended, 180)
        children = namespace.children(f"spec-{number}")
        assert len(children) == 5
        assert "ETHUSDT-PERP" in children[f"ConfigMap/spec-{number}-collection"]["data"]["collection.json"]


def test_what_is_there_can_be_deleted_while_the_operator_is_not(namespace: Namespace) -> None:
    namespace.operator()
    namespace.apply(asleep("left"))
    namespace.until_told("left", suspended)
    namespace.cluster.helm("uninstall", "perptape", "--namespace", namespace.name, "--wait")
    namespace.kubectl("delete", "cspec", "left", "--timeout=30s")
    namespace.kubectl("wait", "cronjobs", "--for=delete", "--selector", "perptape.io/spec=left", "--timeout=60s")
    assert set(namespace.children("left")) <= {"PersistentVolumeClaim/left-tape"}
    assert "collectionspecs.perptape.io" in namespace.kubectl("get", "crd", "--output", "name")


def test_an_image_that_does_not_exist_and_a_permission_that_is_missing_are_named(namespace: Namespace) -> None:
    simulated = namespace.venues("--symbols", "3")
    namespace.operator("worker.image.repository=perptape.invalid/worker", "worker.image.tag=none")
    namespace.apply(collection("imageless", some(simulated.endpoints, "binance"), FUNDING, VOLUME))
    status = namespace.until_told("imageless", lambda told: line(told, "binance", "funding").get("reason") == "ImagePull", 240)
    assert "perptape.invalid/worker:none" in condition(status, "Ready")["message"]
    assert condition(status, "Ready")["status"] == "False"

    role = namespace.get("role", "perptape")
    less = [rule for rule in role["rules"] if "cronjobs" not in rule["resources"]] + [
        {"apiGroups": ["batch"], "resources": ["cronjobs", "jobs"], "verbs": ["get", "list", "watch"]}
    ]
    namespace.apply({"apiVersion": role["apiVersion"], "kind": "Role", "metadata": {"name": "perptape"}, "rules": less})
    namespace.apply(asleep("forbidden"))
    status = namespace.until_told("forbidden", lambda told: condition(told, "Ready").get("reason") == "Forbidden")
    assert "cronjobs" in condition(status, "Ready")["message"]
    namespace.operator()  # the chart puts the rule back, and the image
    namespace.until_told("forbidden", suspended, 300)
    namespace.run_now("imageless-binance-funding", "with-an-image")
    namespace.until_told("imageless", lambda told: condition(told, "Ready").get("reason") == "Collecting", 400)


def test_an_api_server_that_is_away_for_a_minute_changes_no_status(namespace: Namespace) -> None:
    namespace.operator()
    namespace.apply(asleep("steady"))
    before = namespace.until_told("steady", suspended)
    (pod,) = namespace.get("pods", "--selector", "app.kubernetes.io/component=operator")["items"]
    node, address = pod["spec"]["nodeName"], pod["status"]["podIP"]
    (subset,) = json.loads(namespace.cluster.kubectl("get", "endpoints", "kubernetes", "--output", "json"))["subsets"]
    cut = f"FORWARD -s {address} -p tcp --dport {subset['ports'][0]['port']} -j REJECT --reject-with tcp-reset"
    on_node(namespace.cluster, namespace.images.worker, node, f"iptables -w -I {cut}")
    namespace.apply(asleep("steady", symbols=["ETHUSDT-PERP"]))
    on_node(namespace.cluster, namespace.images.worker, node, "sleep 60", within=120)
    cut_off = namespace.get("cspec", "steady")
    on_node(namespace.cluster, namespace.images.worker, node, f"iptables -w -D {cut}")
    assert condition(cut_off["status"], "Ready") == condition(before, "Ready")
    assert cut_off["metadata"]["generation"] > before["observedGeneration"]
    after = namespace.until_told("steady", suspended, 300)
    assert condition(after, "Ready")["lastTransitionTime"] == condition(before, "Ready")["lastTransitionTime"]
    (same,) = namespace.get("pods", "--selector", "app.kubernetes.io/component=operator")["items"]
    assert same["metadata"]["uid"] == pod["metadata"]["uid"]
    assert same["status"]["containerStatuses"][0]["restartCount"] == 0


def test_an_api_server_that_refuses_for_a_while_is_asked_again_and_no_status_changes(namespace: Namespace) -> None:
    """409, 429 and 500 to what the operator writes. (An API server that fails at everything: tests/operator, test_reconcile.)"""
    namespace.operator()
    namespace.apply(asleep("steady"))
    before = namespace.until_told("steady", suspended)
    account = f"system:serviceaccount:{namespace.name}:perptape"
    configuration = webhook.refuse(namespace, account, 409, 429, 500)
    try:
        namespace.apply(asleep("steady", symbols=["ETHUSDT-PERP"]))
        after = namespace.until_told("steady", suspended, 180)
        said = namespace.kubectl("logs", "deployment/refuser").splitlines()
    finally:
        namespace.kubectl("delete", "validatingwebhookconfiguration", configuration)
    assert [line.split()[0] for line in said] == ["409", "429", "500"]
    assert since_when(after) == since_when(before)
    assert "ETHUSDT-PERP" in namespace.children("steady")["ConfigMap/steady-collection"]["data"]["collection.json"]


@pytest.mark.alone
def test_a_release_of_an_earlier_chart_is_upgraded_with_its_crd(namespace: Namespace) -> None:
    """The CRD belongs to the cluster, so no other test may run meanwhile; it ends as it was."""
    crd = "crd/collectionspecs.perptape.io"
    owner = {"release-name": "perptape", "release-namespace": namespace.name}
    try:
        for key, value in owner.items():  # Helm's way to hand an object over, as the documents say
            namespace.kubectl("annotate", "--overwrite", crd, f"meta.helm.sh/{key}={value}")
        namespace.kubectl("label", "--overwrite", crd, "app.kubernetes.io/managed-by=Helm")
        namespace.operator("crds.install=true", chart=EARLIER / "perptape")
        namespace.apply(asleep("older"))
        namespace.until_told("older", suspended)
        before = {name: child["metadata"]["uid"] for name, child in namespace.children("older").items()}
        uid = namespace.get("cspec", "older")["metadata"]["uid"]
        namespace.operator("crds.install=true")
        namespace.apply(asleep("older", symbols=["ETHUSDT-PERP"]))
        namespace.until_told("older", suspended)
        assert namespace.get("cspec", "older")["metadata"]["uid"] == uid
        assert {name: child["metadata"]["uid"] for name, child in namespace.children("older").items()} == before
        namespace.cluster.helm("uninstall", "perptape", "--namespace", namespace.name, "--wait")
        assert namespace.get("cspec", "older")["metadata"]["uid"] == uid  # the CRD is kept, and so is every spec
    finally:
        for key in owner:
            namespace.kubectl("annotate", crd, f"meta.helm.sh/{key}-")
        namespace.kubectl("label", crd, "app.kubernetes.io/managed-by-")
        namespace.kubectl("apply", "--server-side", "--force-conflicts", "--filename", str(ROOT / "crds/collectionspec.yaml"))


@pytest.mark.waits
def test_a_field_of_a_newer_crd_is_ignored_and_named(home: Namespace) -> None:
    """The CRD belongs to the cluster, but a field more that no other spec has is nothing to the tests beside it; it ends as it was."""
    ours = ROOT / "crds/collectionspec.yaml"
    newer = yaml.safe_load(ours.read_text())
    newer["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]["properties"]["flavour"] = {"type": "string"}
    forced = ("apply", "--server-side", "--force-conflicts", "--filename")
    try:
        home.kubectl(*forced, "-", given=json.dumps(newer))
        deadline = time.monotonic() + 60
        while not flavoured(home):
            assert time.monotonic() < deadline, "the API server does not know the new field"
        # A watch that began before tells it by the former schema for as long as the API server lets it; then the next resync sees it.
        status = home.until_told("newer", lambda told: "spec.flavour" in condition(told, "Ready").get("message", ""), RESYNC_S * 1.1 + 60)
        assert condition(status, "Ready")["reason"] == "Suspended"
        assert len(home.children("newer")) == 5
    finally:
        home.kubectl("delete", "cspec", "newer", "--ignore-not-found")
        home.kubectl(*forced, str(ours))


def flavoured(home: Namespace) -> bool:
    """Applies a spec with the new field; whether it is kept: until the API server has read the new CRD, it prunes it."""
    home.apply(asleep("newer", flavour="vanilla"))
    return "flavour" in home.get("cspec", "newer")["spec"]

"""What goes wrong outside: the status says which, and what to do; everything else goes on."""

import base64
import json
from typing import Any

from perptape_api.names import CHILD_LABEL, OPERATOR_LABEL, SPEC_LABEL, WORK_HASH_ANNOTATION
from support import workloads
from support.namespace import Namespace, condition, line
from support.node import on_node
from support.specs import VOLUME, collection, some

FUNDING: dict[str, Any] = {"funding": {"every": "1h", "backfill": "1d"}}


def test_a_venue_that_is_down_takes_only_its_own_entry_with_it(home: Namespace) -> None:
    simulated = home.venues("--symbols", "3")
    simulated.fault(kind="status", venue="bybit", status=503)
    often = {"funding": {"every": "1m", "mode": "job", "backfill": "1d"}}  # a run's time budget follows from it
    home.apply(collection("down", some(simulated.endpoints, "binance", "bybit"), often, VOLUME))
    status = home.until_told(
        "down",
        lambda told: condition(told, "Ready").get("reason") == "Degraded" and line(told, "bybit", "funding").get("state") == "Failing",
        300,
    )
    assert line(status, "binance", "funding")["state"] == "Ok"
    assert condition(status, "Ready")["status"] == "True"
    assert "bybit" in condition(status, "Ready")["message"]
    assert status["summary"]["venues"] == "1/2"
    simulated.calm()
    home.until_told("down", lambda told: condition(told, "Ready").get("reason") == "Collecting", 180)


def test_a_store_that_cannot_be_used_is_told_with_what_to_do(home: Namespace) -> None:
    """A Secret that is not there, one without a key, one with a wrong key, and a bucket that does not exist."""
    simulated, s3 = home.venues("--symbols", "3"), home.bucket()
    right = home.get("secret", "s3")["data"]
    partial = {"AWS_ACCESS_KEY_ID": right["AWS_ACCESS_KEY_ID"]}
    wrong = {**right, "AWS_SECRET_ACCESS_KEY": base64.b64encode(b"wrong").decode()}
    for name, data in (("partial", partial), ("wrong", wrong)):
        home.apply({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "data": data})
    endpoints = some(simulated.endpoints, "binance")
    cases = {
        "absent": ({**s3, "credentials": {"secretName": "absent"}}, "is not there or lacks AWS_ACCESS_KEY_ID"),
        "partial": ({**s3, "credentials": {"secretName": "partial"}}, "lacks AWS_SECRET_ACCESS_KEY: make it"),
        "wrong": ({**s3, "credentials": {"secretName": "wrong"}}, "does not accept the credentials"),
        "bucketless": ({**s3, "bucket": "elsewhere"}, "there is no bucket 'elsewhere'"),
    }
    home.apply(*(collection(name, endpoints, FUNDING, {"s3": {**place, "prefix": name}}) for name, (place, _) in cases.items()))
    for name, (_, said) in cases.items():
        status = home.until_told(name, lambda told: condition(told, "StoreReady").get("status") == "False", 400)
        assert said in condition(status, "StoreReady")["message"], name
        assert condition(status, "Ready")["status"] == "False", name
    home.kubectl("delete", "secret", "wrong")
    home.apply({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "wrong"}, "data": right})
    home.run_now("wrong-binance-funding", "with-the-right-key")
    home.until_told("wrong", lambda told: condition(told, "StoreReady").get("status") == "True")


def test_a_claim_that_is_not_there_is_named_and_its_coming_is_noticed(home: Namespace) -> None:
    simulated = home.venues("--symbols", "3")
    store = {"persistentVolumeClaim": {"claimName": "theirs"}}
    home.apply(collection("claimless", some(simulated.endpoints, "binance"), FUNDING, store))
    status = home.until_told("claimless", lambda told: condition(told, "StoreReady").get("reason") == "ClaimMissing")
    assert "theirs" in condition(status, "StoreReady")["message"]
    assert condition(status, "Ready")["status"] == "False"
    claim = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "100Mi"}}}
    home.apply({"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "theirs"}, "spec": claim})
    home.until_told("claimless", lambda told: condition(told, "Ready").get("reason") == "Collecting", 400)


def test_a_pod_that_needs_more_memory_than_its_limit_is_told_and_a_higher_limit_helps(home: Namespace) -> None:
    simulated = home.venues("--symbols", "3")
    tight = {"requests": {"memory": "16Mi"}, "limits": {"memory": "40Mi"}}
    document = collection("tight", some(simulated.endpoints, "binance"), FUNDING, VOLUME, worker={"resources": tight})
    home.apply(document)
    status = home.until_told("tight", lambda told: line(told, "binance", "funding").get("reason") == "OOMKilled", 240)
    assert "raise spec.worker.resources.limits.memory" in line(status, "binance", "funding")["message"]
    assert condition(status, "Ready")["reason"] == "Failing"
    del document["spec"]["worker"]
    home.apply(document)
    home.until("cronjob", "tight-binance-funding", lambda one: "40Mi" not in json.dumps(one["spec"]))
    home.run_now("tight-binance-funding", "with-memory")
    home.until_told("tight", lambda told: condition(told, "Ready").get("reason") == "Collecting", 240)


def test_a_full_volume_is_told_as_full_and_filled_on_when_there_is_room(home: Namespace) -> None:
    simulated = home.venues("--symbols", "3")
    node = home.get("nodes", "--selector", "!node-role.kubernetes.io/control-plane")["items"][0]["metadata"]["name"]
    folder = f"/var/perptape-{home.name}"
    worker = home.images.worker
    on_node(
        home.cluster,
        worker,
        node,
        f"mkdir -p {folder}; mount -t tmpfs -o size=1m,mode=0777 tmpfs {folder}; dd if=/dev/zero of={folder}/ballast bs=1k count=1020",
    )
    try:
        home.apply(*small(home.name, node, folder))
        store = {"persistentVolumeClaim": {"claimName": "small"}}
        home.apply(collection("full", some(simulated.endpoints, "binance"), FUNDING, store))
        status = home.until_told("full", lambda told: condition(told, "StoreReady").get("status") == "False", 300)
        assert condition(status, "Ready")["status"] == "False"
        assert "full" in condition(status, "StoreReady")["message"] or "No space left" in condition(status, "StoreReady")["message"]
        on_node(home.cluster, worker, node, f"rm {folder}/ballast")
        home.run_now("full-binance-funding", "with-room")
        home.until_told("full", lambda told: condition(told, "Ready").get("reason") == "Collecting")
    finally:
        home.kubectl("delete", "cspec", "full", "--ignore-not-found")
        on_node(home.cluster, worker, node, f"umount --lazy {folder}; rmdir {folder}")
        home.kubectl("delete", "pv", home.name, "--wait=false")


def small(name: str, node: str, folder: str) -> list[dict[str, Any]]:
    """A local volume at a folder of a node, and a claim `small` that is bound to it. Pure."""
    terms = [{"matchExpressions": [{"key": "kubernetes.io/hostname", "operator": "In", "values": [node]}]}]
    common = {"accessModes": ["ReadWriteOnce"], "storageClassName": "by-hand"}
    volume = {
        **common,
        "capacity": {"storage": "1Mi"},
        "local": {"path": folder},
        "nodeAffinity": {"required": {"nodeSelectorTerms": terms}},
        "persistentVolumeReclaimPolicy": "Retain",
    }
    claim = {**common, "volumeName": name, "resources": {"requests": {"storage": "1Mi"}}}
    return [
        {"apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": name}, "spec": volume},
        {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "small"}, "spec": claim},
    ]


def test_reports_that_lie_are_ignored_and_named(home: Namespace) -> None:
    """A pod can write what it likes: text that is no report, another pod's report, and more than is kept."""
    home.apply(collection("lied", {"binance": "http://venues:18101"}, FUNDING, VOLUME, suspend=True))
    home.until_told("lied", lambda told: condition(told, "Ready").get("reason") == "Suspended")
    cron_job = home.get("cronjob", "lied-binance-funding")
    work = cron_job["spec"]["jobTemplate"]["spec"]["template"]["metadata"]["annotations"][WORK_HASH_ANNOTATION]
    another = json.dumps({"run": "another", "started": 1_790_000_000_000, "work_hash": work})
    lies = {"no-json": "all is well", "anothers": another, "huge": "x" * 20_000}
    for name, said in lies.items():
        spec = workloads.restricted(home.images.worker, ["-c", f"open('/dev/termination-log', 'w').write({said!r})"], command=["python"])
        pod = workloads.pod(name, spec)
        pod["metadata"]["labels"] = {key: cron_job["metadata"]["labels"][key] for key in (SPEC_LABEL, CHILD_LABEL, OPERATOR_LABEL)}
        pod["metadata"]["annotations"] = {WORK_HASH_ANNOTATION: work}
        home.apply(pod)
    reasons = {"no-json": "is not JSON", "anothers": "is about another pod", "huge": "is not JSON"}
    told = [f"the report of pod {name} is ignored: it {why}" for name, why in reasons.items()]
    status = home.until_told("lied", lambda status: all(said in condition(status, "Ready").get("message", "") for said in told))
    assert condition(status, "Ready")["reason"] == "Suspended"
    assert line(status, "binance", "funding").get("rows") is None

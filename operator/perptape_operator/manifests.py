"""The children of a spec, each as the whole object that it should be. Pure: named after what they return, tested against golden files."""

import hashlib
import json
from typing import Any

from perptape_api import names
from perptape_api.collect import Liquidations
from perptape_api.durations import Every
from perptape_api.names import API_VERSION, KIND
from perptape_operator import naming, schedule
from perptape_operator.collectors import Collector
from perptape_operator.kinds import (
    CLAIM,
    CONFIG_MAP,
    CRON_JOB,
    DEPLOYMENT,
    DISRUPTION_BUDGET,
    JOB,
    NETWORK_POLICY,
    Kind,
    Manifest,
    annotations_of,
)
from perptape_operator.pods import Home, template

RUN = ["run", f"{names.FOLDER}/{names.COLLECTION_FILE}"]
DAY_S = 86_400
OVERLAP_S = 4
"""For so long a new streamer listens beside the one that it replaces: what ends takes the proof of its last moments with it (two seconds in
which a venue may still push what was, and up to a message of its control topic), and from there on the new one must prove the time."""
DNS_PORTS = (53, 5353)  # the second is where OpenShift's DNS pods listen: a policy counts behind their Service
STORAGE_CLASS_ANNOTATION = f"{names.GROUP}/storage-class"


def _object(home: Home, kind: Kind, name: str, child: str, collector: Collector | None = None, **rest: Any) -> Manifest:
    metadata: dict[str, Any] = {"name": name, "namespace": home.namespace, "labels": home.labels(child, collector)}
    owner = {"apiVersion": API_VERSION, "kind": KIND, "name": home.name, "uid": home.uid, "controller": True, "blockOwnerDeletion": False}
    if kind != CLAIM:  # it holds data, and stays when the spec goes
        metadata["ownerReferences"] = [owner]
    return {"apiVersion": kind.api_version, "kind": kind.name, "metadata": metadata, **rest}


def hashed(manifest: Manifest) -> Manifest:
    """The object with the hash of its whole self in an annotation."""
    text = json.dumps(manifest, sort_keys=True, separators=(",", ":"))
    digest = hashlib.sha256(text.encode()).hexdigest()[:16]
    metadata = manifest["metadata"]
    annotations = {**metadata.get("annotations", {}), names.PLAN_HASH_ANNOTATION: digest}
    return {**manifest, "metadata": {**metadata, "annotations": annotations}}


def config_map(home: Home, document: Manifest, wanted_since: str, suspended_since: str | None) -> Manifest:
    """Carries the spec to the workers, and since when it is wanted, and since when it is suspended."""
    text = json.dumps(document, sort_keys=True, separators=(",", ":"))
    data = {names.COLLECTION_FILE: text, "wantedSince": wanted_since, "suspended": "true" if suspended_since else "false"}
    if suspended_since:
        data["suspendedSince"] = suspended_since
    return _object(home, CONFIG_MAP, home.config_map, naming.COLLECTION, data=data)


def fetch_cron_job(home: Home, collector: Collector, *, suspended: bool) -> Manifest:
    """Fetches one dataset of one venue on schedule."""
    assert collector.every is not None
    budget = schedule.time_budget_s(collector.every)
    env = {names.ENV_TIME_BUDGET: str(budget), names.ENV_START_DELAY: str(collector.delay_s)}
    args = [*RUN, "--once", "--exchange", collector.exchange, "--dataset", collector.dataset]
    pod = template(home, collector.child, args, env, collector, stays=False)
    return _cron_job(home, collector.name, collector.child, collector, collector.cron, budget, pod, suspended=suspended)


def publish_cron_job(home: Home, *, suspended: bool) -> Manifest:
    """Folds what was collected into data files."""
    return _chore(home, naming.PUBLISH, home.spec.store.published_every, schedule.PUBLISH_BUDGET_S, [naming.PUBLISH], suspended=suspended)


def verify_cron_job(home: Home, every: Every, *, suspended: bool) -> Manifest:
    """Checks the whole store, and asks the venues for a sample of it again: with the share of a limit that nobody has to grant."""
    env = {names.ENV_BUDGET_FALLBACK: f"{home.settings.budget_fallback:g}"}
    args = [naming.VERIFY, f"{names.FOLDER}/{names.COLLECTION_FILE}"]
    return _chore(home, naming.VERIFY, every, schedule.VERIFY_BUDGET_S, args, env, suspended=suspended)


def _chore(
    home: Home, child: str, every: Every, budget: int, args: list[str], env: dict[str, str] | None = None, *, suspended: bool
) -> Manifest:
    chance = schedule.seed(home.namespace, home.name, child)
    pod = template(home, child, args, {names.ENV_TIME_BUDGET: str(budget), **(env or {})}, None, stays=False)
    name = naming.child_name(home.name, child)
    return _cron_job(home, name, child, None, schedule.cron(every, chance), budget, pod, suspended=suspended)


def _cron_job(
    home: Home, name: str, child: str, collector: Collector | None, line: str, budget: int, pod: Manifest, *, suspended: bool
) -> Manifest:
    spec = {
        "schedule": line,
        "timeZone": "Etc/UTC",
        "suspend": suspended,
        "concurrencyPolicy": "Forbid",
        "startingDeadlineSeconds": schedule.STARTING_DEADLINE_S,
        "successfulJobsHistoryLimit": 1,
        "failedJobsHistoryLimit": 3,
        "jobTemplate": {"metadata": {"labels": home.labels(child, collector)}, "spec": _job_spec(budget, pod)},
    }
    return _object(home, CRON_JOB, name, child, collector, spec=spec)


def _job_spec(budget: int, pod: Manifest) -> Manifest:
    return {
        "activeDeadlineSeconds": budget + schedule.GRACE_S,
        "backoffLimit": 1,
        "podFailurePolicy": {
            "rules": [
                {"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]},
                {"action": "FailJob", "onExitCodes": {"containerName": "worker", "operator": "In", "values": [2]}},
            ]
        },
        "template": pod,
    }


def first_job(home: Home, cron_job: Manifest, work: str) -> Manifest:
    """The first run, at once: as the CronJob would make it, without the delay that spreads scheduled runs."""
    spec = json.loads(json.dumps(cron_job["spec"]["jobTemplate"]["spec"]))
    for variable in spec["template"]["spec"]["containers"][0]["env"]:
        if variable["name"] == names.ENV_START_DELAY:
            variable["value"] = "0"
    metadata = cron_job["metadata"]
    owned = {key: metadata[key] for key in ("namespace", "labels", "ownerReferences")}
    name = naming.first_job_name(metadata["name"], work)
    about = {"name": name, **owned, "annotations": {names.WORK_HASH_ANNOTATION: work}}
    return {"apiVersion": JOB.api_version, "kind": JOB.name, "metadata": about, "spec": spec}


def first_run_mark(cron_job: Manifest, work: str) -> Manifest:
    """What a second field manager writes once the first Job is made."""
    metadata = cron_job["metadata"]
    about = {"name": metadata["name"], "namespace": metadata["namespace"], "annotations": {names.FIRST_RUN_ANNOTATION: work}}
    return {"apiVersion": CRON_JOB.api_version, "kind": CRON_JOB.name, "metadata": about}


def deployment(home: Home, collector: Collector, *, suspended: bool) -> Manifest:
    """A process that stays: a stream, or a fetch too frequent for Jobs."""
    wanted = home.spec.wanted()[collector.dataset]
    replicas = wanted.replicas if isinstance(wanted, Liquidations) else 1
    args = [*RUN, "--exchange", collector.exchange, "--dataset", collector.dataset]
    pod = template(home, collector.child, args, {names.ENV_PORT: str(names.WORKER_PORT)}, collector, stays=True)
    spec = {
        "replicas": 0 if suspended else replicas,
        "revisionHistoryLimit": 2,
        "progressDeadlineSeconds": DAY_S,  # a rollout waits as long as the store is away
        "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}},
        "minReadySeconds": OVERLAP_S,
        "selector": {"matchLabels": naming.selector(home.name, collector.child)},
        "template": pod,
    }
    return _object(home, DEPLOYMENT, collector.name, collector.child, collector, spec=spec)


def disruption_budget(home: Home, collector: Collector) -> Manifest:
    """At most one replica of a stream leaves at a time; a broken one never holds a node's drain up."""
    spec = {
        "maxUnavailable": 1,
        "unhealthyPodEvictionPolicy": "AlwaysAllow",
        "selector": {"matchLabels": naming.selector(home.name, collector.child)},
    }
    return _object(home, DISRUPTION_BUDGET, collector.name, collector.child, collector, spec=spec)


def claim(home: Home, live: Manifest | None, size: str) -> Manifest:
    """The volume claim made for a spec. What cannot be changed any more is as the live one has it."""
    volume = home.spec.store.persistent_volume_claim
    assert volume is not None
    modes: list[str] = [volume.access_mode or "ReadWriteOnce"]
    asked_class = volume.storage_class_name
    if live is not None:  # the class is ours to keep only where we gave it, else it is the cluster's default
        modes, asked_class = live["spec"]["accessModes"], annotations_of(live).get(STORAGE_CLASS_ANNOTATION)
    spec: dict[str, Any] = {"accessModes": modes, "resources": {"requests": {"storage": size}}}
    made = _object(home, CLAIM, naming.child_name(home.name, naming.TAPE), naming.TAPE, spec=spec)
    if asked_class is not None:
        spec["storageClassName"] = asked_class
        made["metadata"]["annotations"] = {STORAGE_CLASS_ANNOTATION: asked_class}
    return made


def network_policy(home: Home) -> Manifest:
    """Who may reach the workers, and whom they may reach."""
    settings = home.settings
    operator: Manifest = {"podSelector": {"matchLabels": settings.pod_labels}}
    if settings.namespace:
        operator["namespaceSelector"] = {"matchLabels": {"kubernetes.io/metadata.name": settings.namespace}}
    egress: list[Manifest] = [
        {"ports": [{"protocol": protocol, "port": port} for port in DNS_PORTS for protocol in ("UDP", "TCP")]},
        {"ports": [{"protocol": "TCP", "port": port} for port in sorted(_ports(home))]},
    ]
    known = bool(settings.pod_labels)
    if known:
        egress.append({"to": [operator], "ports": [{"protocol": "TCP", "port": settings.http_port}]})
    peers = ([operator] if known else []) + settings.scrapers
    ingress = [{"from": peers, "ports": [{"protocol": "TCP", "port": names.WORKER_PORT}]}] if peers else []
    spec = {
        "podSelector": {"matchLabels": {names.SPEC_LABEL: home.name}},
        "policyTypes": ["Ingress", "Egress"],
        "ingress": ingress,
        "egress": egress,
    }
    return _object(home, NETWORK_POLICY, naming.child_name(home.name, naming.NETWORK), naming.NETWORK, spec=spec)


def _ports(home: Home) -> set[int]:
    s3 = home.spec.store.s3
    urls = [venue.endpoint for venue in home.spec.venues] + [s3.endpoint if s3 is not None else None]
    return {443} | {int(naming.endpoint(url).rpartition(":")[2]) for url in urls if url is not None}

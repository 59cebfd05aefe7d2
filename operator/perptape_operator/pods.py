"""The pods that do the work: restricted, without a token, with the spec, the store and the keys mounted. Pure."""

from dataclasses import dataclass
from typing import Any

from perptape_api import names
from perptape_api.resource import CollectionSpec
from perptape_operator import naming
from perptape_operator.collectors import Collector
from perptape_operator.kinds import Manifest
from perptape_operator.settings import Settings

GRACE_S = 60


@dataclass(frozen=True, slots=True)
class Home:
    """A spec where it lives. `single_node`: its volume can be mounted on one node only."""

    namespace: str
    name: str
    uid: str
    spec: CollectionSpec
    settings: Settings
    single_node: bool = False

    @property
    def claim(self) -> str | None:
        return naming.claim_name(self.name, self.spec)

    @property
    def store(self) -> str:
        return naming.store_id(self.namespace, self.name, self.spec)

    @property
    def config_map(self) -> str:
        return naming.child_name(self.name, naming.COLLECTION)

    def labels(self, child: str, collector: Collector | None = None) -> dict[str, str]:
        exchange, dataset = (collector.exchange, collector.dataset) if collector else (None, None)
        return naming.labels(self.settings.identity, self.name, child, exchange, dataset)


def template(home: Home, child: str, args: list[str], env: dict[str, str], collector: Collector | None, *, stays: bool) -> Manifest:
    """A pod template. `stays`: a process that serves its status and ends only when told."""
    user = home.settings.worker_user
    pod: dict[str, Any] = {
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "securityContext": {
            "runAsNonRoot": True,
            **({} if user is None else {"runAsUser": user, "runAsGroup": user, "fsGroup": user}),
            "fsGroupChangePolicy": "OnRootMismatch",
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "terminationGracePeriodSeconds": GRACE_S,
        "restartPolicy": "Always" if stays else "Never",
        "containers": [_container(home, args, env, collector, stays=stays)],
        "volumes": _volumes(home, collector),
        **_affinity(home, child, stays=stays),
        **_chosen(home),
    }
    labels = home.labels(child, collector) | {names.STORE_LABEL: naming.store_label(home.store)}
    metadata: dict[str, Any] = {"labels": labels}
    if collector is not None:
        metadata["annotations"] = {names.WORK_HASH_ANNOTATION: collector.work}
    return {"metadata": metadata, "spec": pod}


def _container(home: Home, args: list[str], env: dict[str, str], collector: Collector | None, *, stays: bool) -> Manifest:
    worker, settings = home.spec.worker, home.settings
    given = worker.resources.model_dump(exclude_none=True) if worker is not None and worker.resources is not None else None
    container: dict[str, Any] = {
        "name": "worker",
        "image": settings.worker_image,
        "imagePullPolicy": settings.worker_pull_policy,
        "args": args,
        "env": _env(home, env, collector),
        "resources": settings.worker_resources if given is None else given,
        "securityContext": {"allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]}},
        "volumeMounts": _mounts(home, collector),
    }
    if stays:
        container["ports"] = [{"name": "http", "containerPort": names.WORKER_PORT, "protocol": "TCP"}]
        live = {"httpGet": {"path": names.LIVE_PATH, "port": "http"}}
        container["startupProbe"] = {**live, "periodSeconds": 2, "timeoutSeconds": 2, "failureThreshold": 90}
        container["livenessProbe"] = {**live, "periodSeconds": 20, "timeoutSeconds": 5, "failureThreshold": 6}
        container["readinessProbe"] = {"httpGet": {"path": names.READY_PATH, "port": "http"}, "periodSeconds": 5, "timeoutSeconds": 5}
    return container


def _env(home: Home, env: dict[str, str], collector: Collector | None) -> list[Manifest]:
    settings = home.settings
    plain = {
        names.ENV_LOG_FORMAT: settings.worker_log_format,
        "PERPTAPE_LOG_LEVEL": settings.worker_log_level,
        names.ENV_TERMINATION_LOG: "/dev/termination-log",
        names.ENV_CREDENTIALS: names.CREDENTIALS_FOLDER,
        names.ENV_STATE: names.STATE_FOLDER,
    }
    s3 = home.spec.store.s3
    plain[names.ENV_CATALOG] = names.TAPE_FOLDER if s3 is None else f"s3://{s3.bucket}/{s3.prefix}".rstrip("/")
    if collector is not None and settings.budget_url:
        plain[names.ENV_BUDGET_URL] = settings.budget_url
    if collector is not None:
        plain[names.ENV_BUDGET_FALLBACK] = f"{settings.budget_fallback:g}"
        plain[names.ENV_WORK_HASH] = collector.work
    listed: list[Manifest] = [{"name": name, "value": value} for name, value in (plain | env).items()]
    for name, field in ((names.ENV_WRITER, "metadata.name"), (names.ENV_NAMESPACE, "metadata.namespace")):
        listed.append({"name": name, "valueFrom": {"fieldRef": {"apiVersion": "v1", "fieldPath": field}}})
    if collector is not None:  # the kubelet reads it at each start, so a new time rolls no pod
        source = {"name": home.config_map, "key": "wantedSince"}
        listed.append({"name": names.ENV_WANTED_SINCE, "valueFrom": {"configMapKeyRef": source}})
        listed.append({"name": names.ENV_SESSION, "value": f"$({names.ENV_WORK_HASH})@$({names.ENV_WANTED_SINCE})"})
    return listed


def _secrets(home: Home, collector: Collector | None) -> dict[str, str]:
    """Folder -> Secret: the store's, and those of the venue that this pod asks."""
    found = {}
    s3 = home.spec.store.s3
    if s3 is not None and s3.credentials is not None:
        found["s3"] = s3.credentials.secret_name
    venue = home.spec.venue(collector.exchange) if collector is not None else None
    if venue is not None and venue.credentials is not None:
        found[venue.exchange] = venue.credentials.secret_name
    return found


def _volumes(home: Home, collector: Collector | None) -> list[Manifest]:
    found: list[Manifest] = [
        {"name": "collection", "configMap": {"name": home.config_map, "defaultMode": 0o444}},
        {"name": "tmp", "emptyDir": {}},
        {"name": "state", "emptyDir": {}},
    ]
    if home.claim is not None:
        found.append({"name": "tape", "persistentVolumeClaim": {"claimName": home.claim}})
    for folder, secret in _secrets(home, collector).items():  # optional: a missing key is named by the worker, which says what to do
        found.append({"name": f"keys-{folder}", "secret": {"secretName": secret, "optional": True, "defaultMode": 0o440}})
    return found


def _mounts(home: Home, collector: Collector | None) -> list[Manifest]:
    found: list[Manifest] = [
        {"name": "collection", "mountPath": names.FOLDER, "readOnly": True},
        {"name": "tmp", "mountPath": "/tmp"},
        {"name": "state", "mountPath": names.STATE_FOLDER},
    ]
    if home.claim is not None:
        found.append({"name": "tape", "mountPath": names.TAPE_FOLDER})
    for folder in _secrets(home, collector):
        found.append({"name": f"keys-{folder}", "mountPath": f"{names.CREDENTIALS_FOLDER}/{folder}", "readOnly": True})
    return found


def _affinity(home: Home, child: str, *, stays: bool) -> Manifest:
    """A volume for one node draws all pods of its store to one another; else replicas avoid one another's node."""
    if home.single_node:
        term = {
            "labelSelector": {"matchLabels": {names.STORE_LABEL: naming.store_label(home.store)}},
            "topologyKey": "kubernetes.io/hostname",
        }
        return {"affinity": {"podAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [term]}}}
    if not stays:
        return {}
    term = {"labelSelector": {"matchLabels": naming.selector(home.name, child)}, "topologyKey": "kubernetes.io/hostname"}
    preferred = [{"weight": 100, "podAffinityTerm": term}]
    return {"affinity": {"podAntiAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": preferred}}}


def _chosen(home: Home) -> Manifest:
    """What spec.worker says about where pods run and how their image is fetched."""
    worker = home.spec.worker
    found: dict[str, Any] = {}
    if worker is not None and worker.node_selector:
        found["nodeSelector"] = dict(worker.node_selector)
    if worker is not None and worker.tolerations:
        found["tolerations"] = [one.model_dump(mode="json", by_alias=True, exclude_none=True) for one in worker.tolerations]
    pull = worker.image_pull_secrets if worker is not None else None
    secrets = [one.name for one in pull] if pull is not None else list(home.settings.worker_pull_secrets)
    if secrets:
        found["imagePullSecrets"] = [{"name": secret} for secret in secrets]
    return found

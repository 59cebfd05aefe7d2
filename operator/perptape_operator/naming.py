"""What children are called, and by which labels they are known. Pure."""

import hashlib
from typing import Final

from perptape_api import names
from perptape_api.resource import CollectionSpec

LONGEST: Final = 52
"""A CronJob's Jobs get eleven characters more."""
HASH: Final = 6
MANAGED_BY: Final = "perptape-operator"

COLLECTION: Final = "collection"
TAPE: Final = "tape"
PUBLISH: Final = "publish"
VERIFY: Final = "verify"
NETWORK: Final = "network"


def child_name(spec: str, child: str) -> str:
    """``<spec>-<child>``, shortened with a hash of the spec's name where it would be too long, or has dots, which a pod's name may not."""
    whole = f"{spec}-{child}"
    if len(whole) <= LONGEST and "." not in spec:
        return whole
    digest = hashlib.sha256(spec.encode()).hexdigest()[:HASH]
    room = LONGEST - len(child) - HASH - 2
    return f"{spec[:room].replace('.', '-').rstrip('-')}-{digest}-{child}"


def part(exchange: str, dataset: str) -> str:
    """What a venue's dataset is called inside a child's name: ``binance-open-interest``."""
    return f"{exchange}-{names.dashed(dataset)}"


def first_job_name(cron_job: str, work: str) -> str:
    """The Job made at once for this work; at most 63 characters, since it is a label's value."""
    return f"{cron_job}-f{work[:8]}"


def labels(identity: str, spec: str, child: str, exchange: str | None = None, dataset: str | None = None) -> dict[str, str]:
    """The labels of a child; its pods have them too."""
    found = {
        "app.kubernetes.io/name": "perptape",
        "app.kubernetes.io/instance": spec,
        "app.kubernetes.io/component": "collector" if dataset else child,
        "app.kubernetes.io/managed-by": MANAGED_BY,
        names.OPERATOR_LABEL: identity,
        names.SPEC_LABEL: spec,
        names.CHILD_LABEL: child,
    }
    if exchange is not None:
        found[names.EXCHANGE_LABEL] = exchange
    if dataset is not None:
        found[names.DATASET_LABEL] = dataset
    return found


def selector(spec: str, child: str) -> dict[str, str]:
    """What a Deployment knows its pods by. It can never be changed."""
    return {names.SPEC_LABEL: spec, names.CHILD_LABEL: child}


def store_id(namespace: str, name: str, spec: CollectionSpec) -> str:
    """Which store a spec means, normalised: two specs with the same one share a tape."""
    s3 = spec.store.s3
    if s3 is None:
        return f"claim/{namespace}/{claim_name(name, spec)}"
    return f"s3/{_reached(endpoint(s3.endpoint), namespace)}/{s3.bucket}/{s3.prefix}".rstrip("/")


def _reached(place: str, namespace: str) -> str:
    """A Service's short name is another host in each namespace; ``minio``, ``minio.lake`` and ``minio.lake.svc`` are one host in lake."""
    host, _, port = place.rpartition(":")
    if not host or host.startswith("["):
        return place
    host = host.removesuffix(".svc.cluster.local").removesuffix(".svc")
    return f"{host if '.' in host else f'{host}.{namespace}'}:{port}"


def endpoint(url: str | None) -> str:
    """An S3 endpoint as it is compared: ``aws`` where none is given."""
    if url is None:
        return "aws"
    scheme, _, host = url.lower().partition("://")
    if host.rpartition("]")[2].count(":"):
        return host
    return f"{host}:{443 if scheme == 'https' else 80}"


def store_label(store: str) -> str:
    return hashlib.sha256(store.encode()).hexdigest()[:16]


def claim_name(name: str, spec: CollectionSpec) -> str | None:
    """The volume claim that a spec's pods mount; None on S3."""
    volume = spec.store.persistent_volume_claim
    if volume is None:
        return None
    return volume.claim_name or child_name(name, TAPE)

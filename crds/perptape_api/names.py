"""The words that the operator, the worker and the cluster have in common. Constants and pure functions of text."""

from typing import Final

GROUP: Final = "perptape.io"
VERSION: Final = "v1alpha1"
API_VERSION: Final = f"{GROUP}/{VERSION}"
KIND: Final = "CollectionSpec"
PLURAL: Final = "collectionspecs"
SINGULAR: Final = "collectionspec"
SHORT_NAME: Final = "cspec"
CATEGORY: Final = "perptape"

EXCHANGES: Final[tuple[str, ...]] = ("binance", "bybit", "hyperliquid", "okx", "deribit")
"""Every venue that a CollectionSpec may name; the worker's registry has exactly these."""

DATASETS: Final[tuple[str, ...]] = ("open_interest", "funding", "liquidations")
"""Every dataset that `spec.collect` can ask for, by the name it has on the tape, in reports and in status."""

SPEC_FIELD: Final[dict[str, str]] = {"open_interest": "openInterest", "funding": "funding", "liquidations": "liquidations"}
"""Where under `spec.collect` a dataset is asked for."""

SPEC_LABEL: Final = f"{GROUP}/spec"
EXCHANGE_LABEL: Final = f"{GROUP}/exchange"
DATASET_LABEL: Final = f"{GROUP}/dataset"
STORE_LABEL: Final = f"{GROUP}/store"
OPERATOR_LABEL: Final = f"{GROUP}/operator"
PLAN_HASH_ANNOTATION: Final = f"{GROUP}/plan-hash"
WORK_HASH_ANNOTATION: Final = f"{GROUP}/work-hash"
FIRST_RUN_ANNOTATION: Final = f"{GROUP}/first-run"

CHILD_LABEL: Final = f"{GROUP}/child"
"""Which of a spec's children a pod belongs to: its name without the spec's. With SPEC_LABEL a Deployment's whole selector, for ever."""

WITHOUT_FEED: Final[dict[tuple[str, str], str]] = {
    ("hyperliquid", "liquidations"): "Hyperliquid has no public feed of liquidations; nobody can collect them there",
}
"""What a venue does not give at all, with the sentence that says why."""

FOLDER: Final = "/etc/perptape"
"""Where a pod finds its ConfigMap."""
COLLECTION_FILE: Final = "collection.json"
CREDENTIALS_FOLDER: Final = "/var/run/perptape/credentials"
"""A folder for each venue with a Secret and one named s3; each key of the Secret is a file there, none is there when the Secret is not."""
TAPE_FOLDER: Final = "/tape"
"""Where a pod finds its volume, which is then also PERPTAPE_CATALOG."""
STATE_FOLDER: Final = "/var/lib/perptape"
"""Where a pod may write: an emptyDir, which is then also PERPTAPE_STATE."""

WORKER_PORT: Final = 8080
STATUS_PATH: Final = "/status"
METRICS_PATH: Final = "/metrics"
READY_PATH: Final = "/readyz"
LIVE_PATH: Final = "/livez"

ENV_CATALOG: Final = "PERPTAPE_CATALOG"
ENV_STATE: Final = "PERPTAPE_STATE"
ENV_LOG_RESERVE: Final = "PERPTAPE_LOG_RESERVE"
"""Bytes that the log of one stream takes from the disk before anything is received, as 64Mi."""
LOG_RESERVE: Final = 64 * 2**20
"""So many where nothing is said: nobody else can have them then."""
MOST_LOG_RESERVE: Final = 16 * 2**30
ENV_LOG_FORMAT: Final = "PERPTAPE_LOG_FORMAT"
ENV_TERMINATION_LOG: Final = "PERPTAPE_TERMINATION_LOG"
ENV_WRITER: Final = "PERPTAPE_WRITER"
"""The pod's name. It is the run's id in the report, by which the operator knows whose report it is."""
ENV_NAMESPACE: Final = "PERPTAPE_NAMESPACE"
ENV_WORK_HASH: Final = "PERPTAPE_WORK_HASH"
"""`work.work_hash` of the pod's slice; one whose mounted slice hashes otherwise waits up to 120 s for the kubelet."""
ENV_WANTED_SINCE: Final = "PERPTAPE_WANTED_SINCE"
"""Since when the collection is wanted, as RFC 3339 in UTC, on the cluster's clock."""
ENV_SESSION: Final = "PERPTAPE_SESSION"
"""The session's name in wants: the same for every pod that carries the same work since the same time."""
ENV_TIME_BUDGET: Final = "PERPTAPE_TIME_BUDGET"
"""Seconds that a run may take, counted from the process' start, its waits included. A run that has it is one under a schedule."""
ENV_START_DELAY: Final = "PERPTAPE_START_DELAY"
"""Seconds to sleep first, inside the time budget: spreads what cron starts in one minute."""
ENV_CREDENTIALS: Final = "PERPTAPE_CREDENTIALS"
ENV_PORT: Final = "PERPTAPE_PORT"
"""Where a process that stays serves STATUS_PATH, METRICS_PATH, READY_PATH and LIVE_PATH."""
ENV_BUDGET_URL: Final = "PERPTAPE_BUDGET_URL"
"""The operator's address, without a path; the budget of a venue is at BUDGET_PATH under it."""
ENV_BUDGET_FALLBACK: Final = "PERPTAPE_BUDGET_FALLBACK"
"""The part of a venue's limit that a pod may use when the operator never answered it."""
BUDGET_PATH: Final = "/v1/venues/{venue}/budget"

LONGEST_NAME: Final = 63
"""A resource's name is a label's value on everything it owns."""


def dashed(dataset: str) -> str:
    """A dataset's name as part of a Kubernetes name: ``open-interest``."""
    return dataset.replace("_", "-")

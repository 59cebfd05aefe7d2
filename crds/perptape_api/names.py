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

LONGEST_NAME: Final = 63
"""A resource's name is a label's value on everything it owns."""


def dashed(dataset: str) -> str:
    """A dataset's name as part of a Kubernetes name: ``open-interest``."""
    return dataset.replace("_", "-")

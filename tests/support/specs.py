"""CollectionSpecs for the end-to-end tests, as a user would write them. Pure."""

from collections.abc import Mapping, Sequence
from typing import Any

VOLUME: dict[str, Any] = {"persistentVolumeClaim": {"size": "200Mi"}}
BTC = ("BTCUSDT-PERP",)


def collection(
    name: str, endpoints: Mapping[str, str], collect: dict[str, Any], store: dict[str, Any], symbols: Sequence[str] = BTC, **spec: Any
) -> dict[str, Any]:
    """A CollectionSpec over these venues."""
    return {
        "apiVersion": "perptape.io/v1alpha1",
        "kind": "CollectionSpec",
        "metadata": {"name": name},
        "spec": {
            "venues": [{"exchange": venue, "endpoint": url} for venue, url in endpoints.items()],
            "symbols": {"names": list(symbols)},
            "collect": collect,
            "store": store,
            **spec,
        },
    }


def some(endpoints: Mapping[str, str], *venues: str) -> dict[str, str]:
    """The endpoints of these venues alone."""
    return {venue: endpoints[venue] for venue in venues}

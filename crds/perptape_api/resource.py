"""The CollectionSpec: what is wanted, from where, where it is kept. The one source of CRD, docs and the worker's input. Pure."""

from typing import Annotated, Final, Literal

from pydantic import AfterValidator, ConfigDict, Field, StrictBool

from perptape_api.collect import Collect, Funding, Liquidations, OpenInterest
from perptape_api.durations import Every
from perptape_api.model import Form, Model, shown
from perptape_api.names import LONGEST_NAME
from perptape_api.store import Store
from perptape_api.symbols import Symbols
from perptape_api.venues import Venue
from perptape_api.worker import Worker

MAX_VENUES: Final = 32
BY_EXCHANGE: Final = {"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["exchange"]}

Dataset = OpenInterest | Funding | Liquidations


def _different_exchanges(venues: tuple[Venue, ...]) -> tuple[Venue, ...]:
    seen: set[str] = set()
    for venue in venues:
        if venue.exchange in seen:
            raise ValueError(f"names {shown(venue.exchange)} twice: give each exchange once")
        seen.add(venue.exchange)
    return venues


class Verify(Model):
    """A regular check of the whole store: order, duplicates, hashes, claims against rows; and of a sample against what venues say now."""

    every: Every = Every("1d")
    """How often."""


class CollectionSpec(Model):
    """What is collected, from which venues, and where it is kept."""

    venues: Annotated[
        tuple[Venue, ...], Field(min_length=1, max_length=MAX_VENUES, json_schema_extra=BY_EXCHANGE), AfterValidator(_different_exchanges)
    ]
    """The exchanges that are asked, each once."""
    symbols: Symbols
    """The instruments wanted."""
    collect: Collect
    """The datasets wanted."""
    store: Store
    """Where the tape is kept. Place and format are fixed for a store's life."""
    verify: Verify | None = None
    """A regular check of the store, and of a sample of it against what its venues say now; none when left out."""
    worker: Worker | None = None
    """What is put on the pods that the operator makes."""
    suspend: StrictBool = False
    """When true nothing is collected and no pod runs; what is kept stays, and what was missed meanwhile is fetched afterwards."""

    def venue(self, exchange: str) -> Venue | None:
        """The venue of that name, when this spec asks it."""
        return next((venue for venue in self.venues if venue.exchange == exchange), None)

    def wanted(self) -> dict[str, Dataset]:
        """The datasets asked for, by their names on the tape, in their order there."""
        asked: dict[str, Dataset | None] = {
            "open_interest": self.collect.open_interest,
            "funding": self.collect.funding,
            "liquidations": self.collect.liquidations,
        }
        return {name: settings for name, settings in asked.items() if settings is not None}


class Metadata(Model):
    """What names a resource. All else that a cluster writes here is of no concern to a collection."""

    model_config = ConfigDict(extra="ignore")

    name: Annotated[
        str,
        Form(
            r"[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*",
            LONGEST_NAME,
            "write a name of lower-case letters, digits and '-', beginning and ending with a letter or digit",
        ),
    ]
    """The spec's name; it is a label's value on everything the spec owns."""
    namespace: Annotated[str, Form("[a-z0-9]([a-z0-9-]*[a-z0-9])?", 63, "write a namespace's name")] | None = None
    """The namespace, in a cluster."""


class Collection(Model):
    """A named CollectionSpec, as it stands in a file or in a cluster."""

    api_version: Literal["perptape.io/v1alpha1"] = "perptape.io/v1alpha1"
    """The version of this document's form."""
    kind: Literal["CollectionSpec"] = "CollectionSpec"
    """What this document is."""
    metadata: Metadata
    """The name."""
    spec: CollectionSpec
    """What is collected, from which venues, and where it is kept."""

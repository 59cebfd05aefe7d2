"""The door to the CollectionSpec: its models, how a file becomes one, and what is wrong where it does not. Pure."""

from perptape_api.collect import Collect, Funding, Liquidations, OpenInterest
from perptape_api.document import document, dump, load, parse
from perptape_api.durations import EVERY, Duration, Every
from perptape_api.errors import SpecError
from perptape_api.resource import Collection, CollectionSpec, Dataset, Metadata, Verify
from perptape_api.store import S3, Store, Volume
from perptape_api.symbols import Select, Symbols
from perptape_api.venues import Credentials, Venue
from perptape_api.worker import Worker

__all__ = [
    "EVERY",
    "S3",
    "Collect",
    "Collection",
    "CollectionSpec",
    "Credentials",
    "Dataset",
    "Duration",
    "Every",
    "Funding",
    "Liquidations",
    "Metadata",
    "OpenInterest",
    "Select",
    "SpecError",
    "Store",
    "Symbols",
    "Venue",
    "Verify",
    "Volume",
    "Worker",
    "document",
    "dump",
    "load",
    "parse",
]

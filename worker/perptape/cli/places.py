"""Where the tape is and how venues are reached: what the option says beats the spec and the environment, in the order of the docs. Pure."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from perptape.errors import UsageError
from perptape.exchanges.base import Access
from perptape.settings import DEFAULT_CATALOG, LIVE_CATALOG, Settings, variable
from perptape_api.names import DATASETS, EXCHANGES

if TYPE_CHECKING:
    from perptape_api.collection import CollectionSpec
    from perptape_api.store import Store

DATASET_WORDS: Mapping[str, str] = {
    "oi": "open_interest",
    "openinterest": "open_interest",
    "open-interest": "open_interest",
    "liquidation": "liquidations",
}


@dataclass(frozen=True, slots=True)
class Place:
    """A catalog's location and, on S3, how its server is reached."""

    location: str
    endpoint: str | None = None
    region: str | None = None
    format: str = field(default="nautilus1")
    """What a store that is made now becomes."""
    keys: str | None = None
    """The folder of mounted Secrets, where the store's keys may be."""


def place(option: str | None, store: Store | None, environment: Settings, *, live: bool = False) -> Place:
    """`--catalog`, else the spec's store, else PERPTAPE_CATALOG, else ./tape; a volume in the spec names no place on this machine.

    `live` (real venues for a file that may name simulated ones) never falls into the file's store or ./tape by itself.
    """
    made = store.format if store is not None else "nautilus1"
    if option is not None:
        told = _checked(option)
        same = store is not None and store.s3 is not None and told == _bucket(store.s3.bucket, store.s3.prefix)
        return _reached(told, store if same else None, environment, made)
    if live:
        return _reached(environment.catalog or LIVE_CATALOG, None, environment, made)
    if store is not None and store.s3 is not None:
        return _reached(_bucket(store.s3.bucket, store.s3.prefix), store, environment, made)
    return _reached(_checked(environment.catalog or DEFAULT_CATALOG), None, environment, made)


def _reached(location: str, store: Store | None, environment: Settings, form: str) -> Place:
    """The place, with the server that the store names, else the environment's."""
    if not location.startswith("s3://"):
        return Place(location, format=form)
    told = (None, None) if store is None or store.s3 is None else (store.s3.endpoint, store.s3.region)
    return Place(location, told[0] or environment.s3_endpoint, told[1], form, environment.keys)


def _bucket(bucket: str, prefix: str) -> str:
    return f"s3://{bucket}/{prefix}".rstrip("/")


def _checked(location: str) -> str:
    if not location.strip():
        raise UsageError("--catalog is empty: give a folder or s3://bucket/prefix")
    if "://" in location:
        parts = urlsplit(location)
        if parts.scheme != "s3" or not parts.netloc:
            raise UsageError(f"--catalog {location} is neither a folder nor s3://bucket/prefix")
        return location.rstrip("/")
    return location


def venues(asked: Sequence[str] | None, *, among: Iterable[str] = EXCHANGES, of: str = "") -> tuple[str, ...]:
    """The venues of `-e`, all when none is given; UsageError names the known ones and the nearest. `of`: whose venues they are."""
    known = tuple(among)
    chosen = list(dict.fromkeys(word.strip().lower() for words in asked or () for word in words.split(",") if word.strip()))
    if asked and not chosen:
        raise UsageError(f"the exchange is empty: leave it out for all, or give one of {', '.join(known)}")
    for word in chosen:
        if word not in known:
            near = difflib.get_close_matches(word, known, n=1)
            hint = f"; did you mean {near[0]}?" if near else "."
            raise UsageError(f"{of + ' has no' if of else 'unknown'} exchange {word!r}{hint} Known: {', '.join(known)}")
    return tuple(venue for venue in known if venue in chosen) if chosen else known


def datasets(asked: Sequence[str] | None, *, among: Iterable[str] = DATASETS, of: str = "") -> tuple[str, ...]:
    """The datasets of `--dataset`, all when none is given."""
    known = tuple(among)
    chosen = [DATASET_WORDS.get(word.lower(), word.lower().replace("-", "_")) for words in asked or () for word in words.split(",")]
    for word in chosen:
        if word not in DATASETS:
            raise UsageError(f"unknown dataset {word!r}: one of {', '.join(DATASETS)}")
        if word not in known:
            raise UsageError(f"{of} does not collect {word}: it collects {', '.join(known)}")
    return tuple(name for name in known if name in chosen) if chosen else known


def access(
    wanted: Iterable[str],
    options: Sequence[str] | None,
    environment: Settings,
    spec: CollectionSpec | None = None,
    *,
    timeout: float = 10.0,
) -> dict[str, Access]:
    """How each venue is reached: `--endpoint EXCHANGE=URL` beats PERPTAPE_<EXCHANGE>_ENDPOINT beats the spec."""
    told = dict(_endpoint(option) for option in options or ())
    found: dict[str, Access] = {}
    shared = f"{environment.state}/limits" if environment.state is not None and not environment.namespace else None
    for venue in wanted:
        in_spec = spec.venue(venue) if spec is not None else None
        endpoint = told.get(venue) or environment.endpoints.get(venue) or (in_spec.endpoint if in_spec is not None else None)
        if endpoint is not None:
            _url(endpoint, variable(venue))
        found[venue] = Access(endpoint=endpoint, credentials=environment.credentials.get(venue, {}), timeout=timeout, shared=shared)
    return found


def real(wanted: Iterable[str], environment: Settings) -> dict[str, Access]:
    """How the real exchanges are reached, whatever endpoints the environment names."""
    return access(wanted, None, replace(environment, endpoints={}))


def _endpoint(option: str) -> tuple[str, str]:
    venue, given, url = option.partition("=")
    if not given:
        raise UsageError(f"--endpoint {option}: write EXCHANGE=URL, as in binance=http://127.0.0.1:18101")
    (known,) = venues([venue])
    return known, _url(url, f"--endpoint {known}")


def _url(url: str, what: str) -> str:
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.path.strip("/") or parts.query:
        raise UsageError(f"{what}: {url} is not http(s)://host:port without a path")
    return url.rstrip("/")

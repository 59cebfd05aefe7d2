"""Which part of a CollectionSpec one child's work depends on, and the hash by which its reports are known to be current. Pure.

In the slice: the venue, the symbols, what is wanted of the dataset, and where it is kept. Outside it: how and how often that is carried out
(mode, replicas, publishing, suspend, the pods' settings), a claim's size, and credentials, which are read again when refused. It is written
out field by field, so that a new field with a default changes no hash that is in a cluster.
"""

import hashlib
import json
from typing import Any

from perptape_api.collect import Liquidations
from perptape_api.names import LOG_RESERVE
from perptape_api.resource import CollectionSpec
from perptape_api.store import Store

Slice = dict[str, Any]


def work_slice(spec: CollectionSpec, exchange: str, dataset: str) -> Slice:
    """What a child for this venue and dataset uses of the spec, as plain JSON values. KeyError where the spec does not ask for it."""
    venue = spec.venue(exchange)
    if venue is None:
        raise KeyError(exchange)
    wanted = spec.wanted()[dataset]
    if isinstance(wanted, Liquidations):  # the usual room is not said: it was none of a work's properties once
        more = {} if wanted.log_reserve_bytes == LOG_RESERVE else {"logReserve": wanted.log_reserve_bytes}
    else:
        more = {"every": wanted.every.ms, "backfill": wanted.backfill.ms}
    return {
        "venue": {"exchange": venue.exchange, "endpoint": venue.endpoint},
        "symbols": _symbols(spec),
        "dataset": {"name": dataset, **more},
        "store": _store(spec.store),
    }


def work_hash(spec: CollectionSpec, exchange: str, dataset: str) -> str:
    """The slice in 16 hexadecimal digits; short enough for a label."""
    text = json.dumps(work_slice(spec, exchange, dataset), sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _symbols(spec: CollectionSpec) -> Slice:
    symbols, select = spec.symbols, spec.symbols.select
    return {
        "names": None if symbols.names is None else sorted(symbols.names),
        "select": None
        if select is None
        else {
            "quote": select.quote,
            "base": None if select.base is None else sorted(select.base),
            "match": select.match,
            "top": select.top,
            "by": select.by,
        },
        "exact": symbols.exact,
    }


def _store(store: Store) -> Slice:
    volume, s3 = store.persistent_volume_claim, store.s3
    return {
        "claim": None if volume is None else {"name": volume.claim_name},
        "s3": None if s3 is None else {"bucket": s3.bucket, "prefix": s3.prefix, "endpoint": s3.endpoint, "region": s3.region},
        "format": store.format,
    }

"""Loads what it is asked for with NautilusTrader 1.x, and says what came. JSON on standard input and output."""

import json
import sys

from nautilus_trader.model.data import FundingRateUpdate
from nautilus_trader.persistence.catalog import ParquetDataCatalog

from perptape.nautilus import FundingPrediction, Liquidation, OpenInterest, unwrapped

KINDS = {kind.__name__: kind for kind in (OpenInterest, FundingRateUpdate, FundingPrediction, Liquidation)}


def plain(row):
    if isinstance(row, FundingRateUpdate):
        names = ("rate", "interval", "next_funding_ns", "ts_event", "ts_init")
        return {"instrument_id": row.instrument_id.value} | {name: getattr(row, name) for name in names}
    return {name: value for name, value in row.to_dict().items() if name != "type"}


def answer(catalog, asked):
    kind, instrument = KINDS[asked["kind"]], asked["instrument"]
    rows = list(unwrapped(catalog.query(kind, identifiers=[instrument])))
    assert all(isinstance(row, kind) for row in rows)
    stamps = [row.ts_init for row in rows]
    return {
        "count": len(rows),
        "first": plain(rows[0]) if rows else None,
        "last": plain(rows[-1]) if rows else None,
        "missing": catalog.get_missing_intervals_for_request(asked["start"], asked["end"], kind, instrument),
        "in_order": stamps == sorted(stamps),
    }


request = json.load(sys.stdin)
storage = request["storage"]
catalog = ParquetDataCatalog(
    request["root"],
    fs_protocol="s3" if storage else "file",
    fs_storage_options=storage and storage["s3fs"],
    fs_rust_storage_options=storage and storage["object_store"],
)
sys.stdout.write("\n" + json.dumps([answer(catalog, asked) for asked in request["contents"]]))

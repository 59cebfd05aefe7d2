"""Real NautilusTrader, 1.x and 2.x, loads every dataset, from a folder and from S3."""

from collections.abc import Callable
from pathlib import Path

import pytest

from support import nautilus_golden as golden
from support.minio import Minio
from support.nautilus_load import DATASETS, Loaded, load

pytestmark = pytest.mark.nautilus

Catalog = dict[str, dict[str, Loaded]]


@pytest.fixture(scope="module")
def loaded(folder_of: Callable[[str], Path], form: str) -> Catalog:
    return load(folder_of(form), form)


def written() -> dict[str, dict[str, int]]:
    rows: dict[str, dict[str, int]] = {}
    for kind, instrument, _, _, columns in golden.market():
        counts = rows.setdefault(DATASETS[kind], {})
        counts[instrument] = counts.get(instrument, 0) + len(columns["ts_init"])
    return rows


def counts(catalog: Catalog) -> dict[str, dict[str, int]]:
    return {dataset: {name: one.count for name, one in instruments.items()} for dataset, instruments in catalog.items()}


def test_every_row_of_every_dataset_is_loaded(loaded: Catalog) -> None:
    assert counts(loaded) == written()


@pytest.mark.s3
def test_s3_gives_what_the_folder_gives(loaded: Catalog, form: str, bucket_of: Callable[[str], str], minio: Minio) -> None:
    assert load(bucket_of(form), form, minio) == loaded


def test_the_names_of_the_files_leave_no_interval_missing(loaded: Catalog) -> None:
    assert {name: one.missing for instruments in loaded.values() for name, one in instruments.items() if one.missing} == {}


def test_the_fields_of_our_classes_are_the_columns_in_their_order(loaded: Catalog, form: str) -> None:
    for kind in golden.CUSTOM:
        first = loaded[DATASETS[kind]][golden.BTC].first
        assert first is not None
        assert list(first) == [name for name in golden.schema(kind, golden.BTC, form).names if name != "data_type"]


def test_rows_come_in_the_order_in_which_a_backtest_sees_them(loaded: Catalog) -> None:
    assert all(one.in_order for instruments in loaded.values() for one in instruments.values())


def test_open_interest_of_a_history_is_seen_a_period_and_five_minutes_later(loaded: Catalog) -> None:
    first = loaded["open_interest"][golden.BTC].first
    assert first == {
        "instrument_id": golden.BTC,
        "oi_contracts": 80_000.0,
        "oi_base": 80_000.0,
        "oi_usd": None,
        "source_unit": "base,usd",
        "period_minutes": 5,
        "ts_received": golden.START + 2 * golden.MINUTE,
        "ts_event": golden.START - 10 * golden.MINUTE,
        "ts_init": golden.START,
    }


def test_a_null_is_none(loaded: Catalog) -> None:
    last = loaded["liquidations"][golden.BTC].last
    assert last is not None
    assert [last[name] for name in ("average_price", "quantity", "value_usd", "venue_id")] == [None] * 4
    assert (last["side"], last["position_side"], last["quantity_venue"]) == ("BUY", "SHORT", 3.0)


def test_a_prediction_has_the_settlement_that_it_speaks_of(loaded: Catalog) -> None:
    last = loaded["funding_prediction"][golden.BTC].last
    assert last is not None
    assert last["next_funding_ns"] == golden.START + 2 * golden.DAY
    assert (last["interval_minutes"], last["next_rate"], last["index_price"]) == (480, None, 90_001.0)


def test_funding_is_nautilus_own_type_with_the_digits_of_the_venue(loaded: Catalog) -> None:
    first, last = loaded["funding"][golden.BTC].first, loaded["funding"][golden.BTC].last
    settled = golden.START + 5 * 480 * golden.MINUTE
    assert first is not None
    assert (first["rate"], first["interval"]) == ("0.0001", None)
    stamps = {"next_funding_ns": settled, "ts_event": settled, "ts_init": settled}
    assert last == {"instrument_id": golden.BTC, "rate": "0.0003", "interval": 480} | stamps

"""The schemas of data files, written by hand from what the real libraries were seen to read."""

import pyarrow as pa
import pytest

from perptape.datasets import DATASETS

F, N, S = pa.float64(), pa.int64(), pa.string()
U, T = pa.uint64(), pa.timestamp("ns", tz="UTC")
NAME = "BTCUSDT-PERP.BINANCE"
OPEN_INTEREST = [("instrument_id", S, False), ("oi_contracts", F, True), ("oi_base", F, True), ("oi_usd", F, True)]
OPEN_INTEREST += [("source_unit", S, False), ("period_minutes", N, False)]
PREDICTION = [("instrument_id", S, False), ("rate", F, False), ("next_rate", F, True), ("next_funding_ns", N, False)]
PREDICTION += [("interval_minutes", N, True), ("mark_price", F, True), ("index_price", F, True)]
LIQUIDATION = [("instrument_id", S, False), ("side", S, False), ("position_side", S, False), ("price", F, False)]
LIQUIDATION += [("average_price", F, True), ("quantity", F, True), ("quantity_venue", F, False), ("value_usd", F, True)]
LIQUIDATION += [("venue_id", S, True), ("ordinal", N, False)]


def times(kind: pa.DataType) -> list[tuple[str, pa.DataType, bool]]:
    return [("ts_received", N, False), ("ts_event", kind, False), ("ts_init", kind, False)]


def custom(name: str) -> bytes:
    return f'{{"type_name":"{name}","metadata":null,"identifier":"{NAME}"}}'.encode()


CUSTOM = [
    ("open_interest", "OpenInterest", "custom_open_interest", OPEN_INTEREST),
    ("funding_prediction", "FundingPrediction", "custom_funding_prediction", PREDICTION),
    ("liquidations", "Liquidation", "custom_liquidation", LIQUIDATION),
]


@pytest.mark.parametrize(("dataset", "name", "folder", "columns"), CUSTOM)
def test_custom_classes_of_nautilus1(dataset: str, name: str, folder: str, columns: list[tuple[str, pa.DataType, bool]]) -> None:
    kind = DATASETS[dataset]
    schema = kind.to_file(kind.empty(), "nautilus1", NAME).schema
    assert [(f.name, f.type, f.nullable) for f in schema] == columns + times(U)
    assert schema.metadata == {b"type_name": name.encode()}
    assert kind.directory("nautilus1") == folder


@pytest.mark.parametrize(("dataset", "name", "folder", "columns"), CUSTOM)
def test_custom_classes_of_nautilus2(dataset: str, name: str, folder: str, columns: list[tuple[str, pa.DataType, bool]]) -> None:
    kind = DATASETS[dataset]
    schema = kind.to_file(kind.empty(), "nautilus2", NAME).schema
    assert [(f.name, f.type, f.nullable) for f in schema] == [*columns, *times(T), ("data_type", S, True)]
    assert schema.metadata == {b"type_name": name.encode()}
    assert kind.directory("nautilus2") == f"custom/{name}"


@pytest.mark.parametrize(
    ("form", "folder", "rate", "interval", "stamp"),
    [("nautilus1", "funding_rate_update", pa.binary(), pa.uint16(), U), ("nautilus2", "funding_rates", S, U, T)],
)
def test_funding_in_nautilus_own_encoding(form: str, folder: str, rate: pa.DataType, interval: pa.DataType, stamp: pa.DataType) -> None:
    kind = DATASETS["funding"]
    table = kind.to_file(kind.table([(NAME, "0.0001", 480, 5, 6, 5, 5)]), form, NAME)  # type: ignore[arg-type]
    columns = [("rate", rate, False), ("interval", interval, True), ("next_funding_ns", stamp, True)]
    assert [(f.name, f.type, f.nullable) for f in table.schema] == columns + times(stamp)
    assert table.schema.metadata == {b"instrument_id": NAME.encode(), b"type_name": b"FundingRateUpdate"}
    assert table["rate"][0].as_py() == (b'"0.0001"' if form == "nautilus1" else "0.0001")
    assert kind.directory(form) == folder  # type: ignore[arg-type]


def test_every_row_of_a_custom_class_names_itself_in_nautilus2() -> None:
    kind = DATASETS["open_interest"]
    table = kind.to_file(kind.table([(NAME, 1.0, None, None, "contracts", 5, 1, 2, 3)]), "nautilus2", NAME)
    assert table["data_type"][0].as_py().encode() == custom("OpenInterest")

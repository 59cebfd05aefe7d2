"""A catalog that `perptape run` made: both NautilusTrader versions load every row of it, from a folder and from S3."""

import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from functools import cache

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from perptape.store.catalog import Catalog
from support.minio import Minio
from support.nautilus_load import load, paid_funding
from support.simulator import Simulator, ended, simulator

pytestmark = [pytest.mark.nautilus, pytest.mark.slow]

DATASETS = ("open_interest", "funding", "funding_prediction", "liquidations")
COLLECT = "{openInterest: {backfill: 1d}, funding: {backfill: 3d}, liquidations: {replicas: 2}}"


@pytest.fixture(scope="module")
def simulated(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Simulator]:
    with simulator(tmp_path_factory.mktemp("collected")) as found:
        for venue, contract in (("binance", "BTCUSDT"), ("bybit", "BTCUSDT"), ("okx", "BTC-USDT-SWAP"), ("deribit", "BTC-PERPETUAL")):
            found.control("POST", "rate", {"venue": venue, "contract": contract, "per_second": 3})
        yield found


@dataclass(frozen=True, slots=True)
class Collected:
    """Where a tape is, and how to get at it."""

    location: str
    catalog: Catalog
    minio: Minio | None = None


def collected(simulated: Simulator, form: str, location: str, **environ: str) -> None:
    spec = simulated.spec(collect=COLLECT, form=form)
    done = simulated.run("run", spec, "--catalog", location, "--once", **environ)
    assert done.returncode == 0, done.stderr
    staying = simulated.start("run", spec, "--catalog", location, **environ)
    end = time.monotonic() + 60
    while not streamed(simulated):
        assert time.monotonic() < end, simulated.control("GET", "truth", events=0)
        assert staying.poll() is None, staying.communicate()
        time.sleep(0.2)
    staying.send_signal(signal.SIGTERM)
    done = ended(staying, 30)
    assert done.returncode == 0, done.stderr
    assert simulated.run("publish", "--catalog", location, **environ).returncode == 0


def streamed(simulated: Simulator) -> bool:
    """Whether each venue that tells of nothing else has told its two listeners of some liquidations."""
    told = [one["venue"] for one in simulated.control("GET", "truth", events=0) if one["closed"] is None and one["liquidations"] >= 5]
    return all(told.count(venue) >= 2 for venue in ("binance", "bybit", "okx"))


def rows(catalog: Catalog) -> dict[str, dict[str, pa.Table]]:
    """dataset -> instrument -> its rows, of every period."""
    out: dict[str, dict[str, pa.Table]] = {}
    for dataset in DATASETS:
        whole = catalog.read(dataset)
        for one in pc.unique(whole["instrument_id"]).to_pylist():
            out.setdefault(dataset, {})[one] = whole.filter(pc.equal(whole["instrument_id"], one))
    return out


def judged(found: Collected, form: str) -> None:
    expected = rows(found.catalog)
    assert {dataset for dataset, of in expected.items() if of} == set(DATASETS)
    loaded = load(found.location, form, found.minio)
    counts = {dataset: {one: got.count for one, got in instruments.items()} for dataset, instruments in loaded.items()}
    assert counts == {dataset: {one: table.num_rows for one, table in of.items()} for dataset, of in expected.items()}
    assert all(got.in_order and not got.missing for of in loaded.values() for got in of.values())
    for dataset, of in expected.items():
        for one, table in of.items():
            first = loaded[dataset][one].first
            assert first is not None
            assert int(first["ts_init"]) == pc.min(table["ts_init"]).as_py()


@pytest.fixture(scope="module")
def folder_made(simulated: Simulator, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], str]:
    """Format -> a folder that was collected into once; nobody writes there afterwards."""

    @cache
    def made(form: str) -> str:
        location = str(tmp_path_factory.mktemp(form) / "tape")
        collected(simulated, form, location)
        return location

    return made


@pytest.mark.parametrize("form", ["nautilus1", "nautilus2"])
def test_every_row_of_a_collected_folder_is_loaded(folder_made: Callable[[str], str], form: str) -> None:
    location = folder_made(form)
    judged(Collected(location, Catalog.open(location)), form)


@pytest.mark.s3
@pytest.mark.parametrize("form", ["nautilus1", "nautilus2"])
def test_every_row_of_a_collected_bucket_is_loaded(simulated: Simulator, form: str, minio: Minio) -> None:
    location = f"s3://{minio.bucket()}/prod"
    collected(simulated, form, location, **minio.environ())
    judged(Collected(location, Catalog.open(location, options=minio.options()), minio), form)


def test_a_backtest_on_a_collected_tape_pays_exactly_the_settled_rates(folder_made: Callable[[str], str]) -> None:
    one, mark = "BTCUSDT-PERP.BINANCE", Decimal(100_000)
    table = Catalog.open(folder_made("nautilus2")).read("funding", [one])
    owed = sum((Decimal(rate) for rate in table["rate"].to_pylist()), Decimal(0)) * mark
    paid = paid_funding(folder_made("nautilus2"), one, dict.fromkeys(table["ts_event"].to_pylist(), mark), "long")
    assert table.num_rows >= 9
    assert owed != 0
    assert Decimal(paid["gained"]) == -owed

"""Bad input ends with exit 2 and one line that says what to do, before anything is written."""

import json

import pytest

from support.slots import in_one_slot

pytestmark = pytest.mark.slow


def files(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def test_an_unknown_symbol_in_a_spec_names_the_nearest_and_writes_nothing(simulated, tmp_path):
    found = simulated.run("run", simulated.spec("binance", "bybit", symbols="BTCUSDT-PREP"), "--once", "--catalog", "tape")
    assert found.returncode == 2
    assert "error: binance has no BTCUSDT-PREP; nearest: BTCUSDT-PERP.BINANCE" in found.stderr
    assert not (tmp_path / "tape").exists()


def test_an_unknown_exchange_names_the_nearest(simulated):
    spec = simulated.spec("binance")
    spec.write_text(spec.read_text().replace("exchange: binance", "exchange: binanc"))
    for arguments, said in (
        (("run", spec, "--once"), "binance"),
        (("fetch-oi", "BTCUSDT-PERP", "-e", "bybitt"), "did you mean bybit?"),
        (("run", simulated.spec("okx"), "--once", "-e", "bybit"), "okx"),
    ):
        found = simulated.run(*arguments)
        assert found.returncode == 2, found.stderr
        assert said in found.stderr
        assert found.stderr.startswith("error: ")
        assert simulated.data_requests("binance") == []


@pytest.mark.parametrize(
    ("right", "wrong", "path", "allowed"),
    [
        ("backfill: 1d", "backfil: 1d", "spec.collect.openInterest.backfil", "backfill"),
        ("backfill: 1d", "every: 7m", "spec.collect.openInterest.every", "5m"),
        ("backfill: 1d", "backfill: soon", "spec.collect.openInterest.backfill", "30d"),
        ("format: nautilus1", "format: nautilus3", "spec.store.format", "nautilus2"),
        ("kind: CollectionSpec", "kind: CollectionSpecs", "kind", "CollectionSpec"),
        ("names: [BTCUSDT-PERP]", "names: []", "spec.symbols.names", "1"),
    ],
)
def test_a_wrong_field_is_named_by_its_path_with_what_is_allowed(simulated, right, wrong, path, allowed):
    spec = simulated.spec("binance")
    assert right in spec.read_text()
    spec.write_text(spec.read_text().replace(right, wrong))
    found = simulated.run("run", spec, "--once")
    assert found.returncode == 2
    (line, *_) = [line for line in found.stderr.splitlines() if path in line]
    assert allowed in line


def test_a_delisted_symbol_is_skipped_with_a_message_and_nothing_failed(simulated, tmp_path):
    symbols = "LUNAUSDT-PERP, BTCUSDT-PERP"
    report = tmp_path / "summary"
    found = simulated.run(
        "run", simulated.spec("binance", symbols=symbols), "--once", "--catalog", "tape", PERPTAPE_TERMINATION_LOG=str(report)
    )
    assert found.returncode == 0, found.stderr
    assert "binance has delisted LUNAUSDT-PERP.BINANCE" in found.stdout
    (summary,) = json.loads(report.read_text())["collections"]
    assert summary["instruments"] == 1
    assert any("delisted" in line for line in summary["skipped"])


def test_an_end_before_the_start_asks_nobody(simulated):
    for command in ("fetch-oi", "fetch-funding"):
        found = simulated.run(command, "BTCUSDT-PERP", "-e", "binance", "--from", "2026-10-02", "--to", "2026-09-01")
        assert found.returncode == 2
        assert "is not before --to" in found.stderr
    assert simulated.data_requests("binance") == []


def test_invented_data_never_passes_for_the_market_nor_the_market_for_invented_data(simulated, tmp_path, between):
    spec = simulated.spec("binance")
    with between(simulated.endpoints["binance"], headers=("x-perptape-origin",)) as real:
        for catalog, first, second in (("invented", {}, {"endpoint": real.endpoint}), ("market", {"endpoint": real.endpoint}, {})):

            def run(catalog=catalog, endpoint=None):
                told = ("--endpoint", f"binance={endpoint}") if endpoint else ()
                return simulated.run("run", spec, "--once", "--catalog", catalog, *told)

            assert run(**first).returncode == 0
            before = files(tmp_path / catalog)
            refused = run(**second)
            assert refused.returncode == 2
            assert "origin" in refused.stderr
            assert files(tmp_path / catalog) == before
            told = ("--endpoint", f"binance={second['endpoint']}") if second else ()
            stored = simulated.run("fetch-oi", "BTCUSDT-PERP", "-e", "binance", "--store", "--catalog", catalog, *told)
            assert stored.returncode == 2, stored.stderr
            assert files(tmp_path / catalog) == before


def test_beyond_retention_is_said_and_is_nothing_that_failed(simulated):
    found = simulated.run("fetch-funding", "BTCUSDT-PERP", "-e", "okx", "--from", "400d", "-f", "csv")
    assert found.returncode == 0, found.stderr
    assert "okx keeps " in found.stderr
    assert ": nothing before 20" in found.stderr
    assert len(found.stdout.splitlines()) > 200


def test_open_holes_fail_gaps_only_when_asked(simulated):
    spec = simulated.spec("binance", "bybit")
    simulated.fault(kind="status", venue="bybit", status=418, retry_after=3600, path="open-interest")

    def left(code: int, *said: str, **environ: str) -> tuple[int, list[dict[str, str]]]:
        assert simulated.run("run", spec, "--once", "--catalog", "tape", **environ).returncode == code
        assert simulated.run("gaps", "--catalog", "tape").returncode == 0
        found = simulated.run("gaps", *said, "--fail", "--catalog", "tape", "-f", "json")
        return found.returncode, json.loads(found.stdout)

    code, holes = in_one_slot(lambda: left(1))
    assert (code, {(hole["venue"], hole["kind"]) for hole in holes}) == (1, {("bybit", "open")})
    simulated.calm()
    elsewhere = str(simulated.folder / "elsewhere")  # another host: the ban holds for this one
    assert in_one_slot(lambda: left(0, str(spec), PERPTAPE_STATE=elsewhere)) == (0, [])
